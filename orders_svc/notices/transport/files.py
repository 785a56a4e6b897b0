"""What is done with the files of a drop, wherever it is: each step may be repeated."""

from collections.abc import Callable, Iterable
from typing import NamedTuple, Protocol

from chassis.events.addresses import AttemptFailed

MAX_LISTED_FILES = 1000  # of one folder
PART = ".part"  # the end of names that are being written


class FoundFile(NamedTuple):
    """A regular file in a folder."""

    name: str
    size: int
    modified: int  # seconds since 1970, by the clock of the drop


class Drop(Protocol):
    """A drop that is open; every method raises AttemptFailed with a reason."""

    def list_files(self, folder: str, is_wanted: Callable[[str], bool]) -> list[FoundFile]:
        """Return the regular files of a folder with wanted names, at most MAX_LISTED_FILES."""

    def read(self, path: str, limit: int) -> bytes | None:
        """Return at most `limit` bytes of a file; None if there is none."""

    def write(self, path: str, content: bytes) -> None:
        """Write a file from its beginning, in place of an older one."""

    def rename(self, path: str, new_path: str) -> None:
        """Rename a file; raises AttemptFailed("conflict") where the new one exists."""

    def remove(self, path: str) -> None:
        """Remove a file, if it is there."""

    def make_folder(self, path: str) -> None:
        """Create a folder, if it is not there."""


def deliver_file(drop: Drop, folder: str, name: str, content: bytes) -> None:
    """Put a file into a folder, once in effect: readers see the whole of it or nothing.

    It is there already if an earlier attempt was not heard of; one with other content is never
    overwritten.
    """
    path = f"{folder}/{name}"
    found = drop.read(path, len(content) + 1)
    if found == content:
        return
    if found is not None:
        raise AttemptFailed("conflict")
    part = f"{folder}/.{name}{PART}"
    drop.write(part, content)
    try:
        drop.rename(part, path)
    except AttemptFailed:
        if drop.read(path, len(content) + 1) != content:
            raise
        drop.remove(part)


def try_folder(drop: Drop, folder: str) -> None:
    """Write a file into a folder and remove it."""
    path = f"{folder}/.optigate-test{PART}"
    drop.write(path, b"test\n")
    drop.remove(path)


def put_away(drop: Drop, path: str, folder: str, name: str, report: str = "") -> None:
    """Move a file that was read into another folder, beside what there is to say about it."""
    drop.make_folder(folder)
    if report:
        drop.write(f"{folder}/{name}.txt", report.encode())
    try:
        drop.rename(path, f"{folder}/{name}")
    except AttemptFailed as failure:
        if failure.reason != "conflict":
            raise
        drop.remove(path)  # an earlier move of the very same file was not heard of


def find_names(files: Iterable[FoundFile]) -> dict[str, list[int]]:
    """Return size and time of files by their names."""
    return {each.name: [each.size, each.modified] for each in files}
