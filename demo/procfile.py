"""The processes of the Procfile, and the addresses that they need."""

import socket
from collections.abc import Mapping
from pathlib import Path


def read_procfile(path: Path) -> dict[str, str]:
    """Return the command of each process by its name."""
    commands = {}
    for line in path.read_text().splitlines():
        name, _, command = line.partition(": ")
        commands[name] = command
    return commands


def find_busy_address(addresses: Mapping[str, str]) -> str | None:
    """Return the variable of the first address that something else listens on."""
    for variable, address in addresses.items():
        host, _, port = address.rpartition(":")
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        with socket.socket(family) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((host.strip("[]"), int(port)))
            except OSError:
                return variable
    return None
