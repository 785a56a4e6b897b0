"""Locks among processes, which the kernel drops with their holder: of a file, and of a port."""

import fcntl
import os
import socket
import stat
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from time import monotonic, sleep
from typing import TypeVar

POLL_SECONDS = 0.1
OTHERS_MODE = stat.S_IRWXG | stat.S_IRWXO

Held = TypeVar("Held")


def create_file(path: Path) -> None:
    """Create the file unless it exists, and its folder; both are their owner's alone.

    A file that exists is never opened here: closing any descriptor of it would drop the locks that
    this process's connections hold on it, and another process could then delete its WAL.
    """
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    with suppress(FileExistsError):
        os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600))


def close_folder(path: Path) -> str:
    """Close a folder to all but its owner; returns a warning where it was open, or stays so.

    Only a folder of our own is closed, none that is shared (sticky) or that this process stands in.
    """
    try:
        found = path.stat()
    except FileNotFoundError:
        return ""
    if not found.st_mode & OTHERS_MODE:
        return ""
    is_shared = found.st_mode & stat.S_ISVTX or Path.cwd().is_relative_to(path.resolve())
    if is_shared or found.st_uid != os.geteuid():
        return "others may enter the data folder; close it with chmod 700"
    path.chmod(stat.S_IMODE(found.st_mode) & ~OTHERS_MODE)
    return "closed the data folder, which others could enter"


@contextmanager
def hold_file(path: Path, seconds: float) -> Iterator[None]:
    """Hold the lock of a file; raises BlockingIOError when another process keeps it `seconds`."""
    create_file(path)
    descriptor = os.open(path, os.O_RDWR)
    try:
        _retry(lambda: fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB), seconds)
        yield
    finally:
        os.close(descriptor)


@contextmanager
def hold_port(address: str, seconds: float) -> Iterator[str]:
    """Hold `host:port` for this process's children; yields it with the port that 0 stands for.

    Nobody listens on the socket that holds it. It is bound alone, which fails while another process
    listens on the port or holds it, and shared afterwards, with what sets SO_REUSEPORT: children
    do, a second holder does not. Raises OSError when the port stays taken for `seconds`, and
    ValueError for another kind of address.
    """
    host, _, port = address.rpartition(":")
    if not host or not port.isdecimal():
        raise ValueError(f"{address} is no host:port")
    held = _retry(lambda: _bind(host.strip("[]"), int(port)), seconds)
    with held:
        yield f"{host}:{held.getsockname()[1]}"


def _bind(host: str, port: int) -> socket.socket:
    family, kind, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
    made = socket.socket(family, kind)
    try:
        # Connections of a predecessor may linger; two holders, though, exclude each other.
        made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        made.bind(address)
        made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 0)
        made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    except BaseException:
        made.close()
        raise
    return made


def _retry(take: Callable[[], Held], seconds: float) -> Held:
    """Return what `take` returns; raises its last OSError when time is up."""
    deadline = monotonic() + seconds
    while True:
        try:
            return take()
        except OSError:
            if monotonic() >= deadline:
                raise
        sleep(POLL_SECONDS)
