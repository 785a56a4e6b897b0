"""The Unix sockets of a service, for the process that opens them and for their clients."""

import os
from pathlib import Path

UNIX = "unix:"
MAX_SOCKET_BYTES = 107  # of a path


def list_sockets(name: str, data_dir: Path, count: int) -> list[str]:
    """Return the Unix sockets of a service's workers, or of its one process, in the data folder."""
    return [f"{UNIX}{data_dir.absolute()}/{name}-{n}.sock" for n in range(1, count + 1)]


def can_reach(socket: str) -> bool:
    """Return whether a `unix:` address can be served on, and be an address of the gateway."""
    path = socket.removeprefix(UNIX)
    is_one_word = "," not in path and path == path.strip()
    return is_one_word and len(os.fsencode(path)) <= MAX_SOCKET_BYTES
