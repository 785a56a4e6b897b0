"""Where a service listens, and what it says of an address at which it cannot."""

import os
import socket
from pathlib import Path

import click

from chassis.settings.workers import MAX_SOCKET_BYTES, UNIX


def find_socket(path: str) -> str:
    """Return the address of a LISTEN_SOCKET on which this process may serve.

    The file of a process that was killed may be there: gRPC takes it over, as it would that of a
    process that runs. Raises ClickException.
    """
    size, folder = len(os.fsencode(path)), Path(path).parent
    if size > MAX_SOCKET_BYTES:
        raise click.ClickException(
            f"{path} has {size} bytes, and the path of a socket {MAX_SOCKET_BYTES} at most:"
            " set LISTEN_SOCKET to a shorter one."
        )
    if not folder.is_dir():
        raise click.ClickException(
            f"There is no folder {folder}: create it, or set LISTEN_SOCKET to a path in another"
            " one."
        )
    if _is_served(path):
        raise click.ClickException(
            f"Another process listens on the socket {path}: stop it, or set LISTEN_SOCKET to"
            " another path."
        )
    return f"{UNIX}{path}"


def refuse_address(address: str, listen: str, path: str | None) -> click.ClickException:
    """Return the error for an address at which gRPC cannot listen."""
    if path and address == f"{UNIX}{path}":
        return click.ClickException(
            f"Cannot listen on the socket {path}: something else is there, or its folder is not"
            " writable. Set LISTEN_SOCKET to another path."
        )
    return click.ClickException(
        f"Cannot listen on {listen}: it is in use, or not an address of this machine. Set"
        " LISTEN to another one, or stop what listens there."
    )


def _is_served(path: str) -> bool:
    with socket.socket(socket.AF_UNIX) as probe:
        probe.setblocking(False)
        try:
            probe.connect(path)
        except BlockingIOError:  # more connections wait than it takes
            return True
        except OSError:
            return False
    return True
