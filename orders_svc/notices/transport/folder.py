"""A drop on this machine: a local folder, or one that is mounted."""

import errno
import os
import stat
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from chassis.events.addresses import AttemptFailed
from orders_svc.notices.transport.files import MAX_LISTED_FILES, FoundFile

REASONS = {
    errno.EACCES: "denied",
    errno.EPERM: "denied",
    errno.EROFS: "denied",
    errno.ENOSPC: "full",
    errno.EDQUOT: "full",
    errno.EFBIG: "full",
    errno.ENOENT: "missing",
    errno.ENOTDIR: "missing",
    errno.EEXIST: "conflict",
    errno.EISDIR: "conflict",
    errno.ELOOP: "conflict",
    errno.ETIMEDOUT: "timeout",
}


@contextmanager
def translate_errors() -> Iterator[None]:
    """Turn errors of the file system into AttemptFailed with their reason."""
    try:
        yield
    except OSError as error:
        raise AttemptFailed(REASONS.get(error.errno or 0, "server")) from None


class Folder:
    """A drop on this machine. Links are not followed: whoever fills the folder may make them."""

    @translate_errors()
    def list_files(self, folder: str, is_wanted: Callable[[str], bool]) -> list[FoundFile]:
        """Return the regular files of a folder with wanted names."""
        found = []
        with os.scandir(folder) as entries:
            for entry in entries:
                if is_wanted(entry.name) and entry.is_file(follow_symlinks=False):
                    about = entry.stat(follow_symlinks=False)
                    found.append(FoundFile(entry.name, about.st_size, int(about.st_mtime)))
                if len(found) >= MAX_LISTED_FILES:
                    break
        return found

    @translate_errors()
    def read(self, path: str, limit: int) -> bytes | None:
        """Return the beginning of a file; None if there is none."""
        try:
            opened = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
        except FileNotFoundError:
            return None
        with os.fdopen(opened, "rb") as file:
            if not stat.S_ISREG(os.fstat(opened).st_mode):
                raise AttemptFailed("conflict")
            return file.read(limit)

    @translate_errors()
    def write(self, path: str, content: bytes) -> None:
        """Write a file, and have it on the disk."""
        flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW | os.O_NONBLOCK
        try:
            with os.fdopen(os.open(path, flags, 0o640), "wb") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
        except OSError:
            with suppress(OSError):  # a full disk gets its space back
                Path(path).unlink()
            raise

    @translate_errors()
    def rename(self, path: str, new_path: str) -> None:
        """Rename a file."""
        if os.path.lexists(new_path):
            raise AttemptFailed("conflict")
        Path(path).rename(new_path)
        folder = os.open(Path(new_path).parent, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)

    @translate_errors()
    def remove(self, path: str) -> None:
        """Remove a file."""
        Path(path).unlink(missing_ok=True)

    @translate_errors()
    def make_folder(self, path: str) -> None:
        """Create a folder; those above it have to be there."""
        with suppress(FileExistsError):
            Path(path).mkdir(mode=0o750)
