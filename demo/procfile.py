"""The processes of the Procfile, and the addresses that they need."""

import re
import socket
from collections.abc import Mapping
from pathlib import Path

HOST_AND_PORT = re.compile(r"(?:[^][:/\s]*|\[[^][/\s]+\]):([0-9]{1,5})")  # IPv6 in brackets
MAX_PORT = 65535


def read_procfile(path: Path) -> dict[str, str]:
    """Return the command of each process by its name."""
    commands = {}
    for line in path.read_text().splitlines():
        name, _, command = line.partition(": ")
        commands[name] = command
    return commands


def find_bad_address(addresses: Mapping[str, str]) -> str | None:
    """Return the variable of the first address that is no host:port; the host may be empty."""
    for variable, address in addresses.items():
        found = HOST_AND_PORT.fullmatch(address)
        if not found or not 0 < int(found[1]) <= MAX_PORT:
            return variable
    return None


def find_busy_address(addresses: Mapping[str, str]) -> str | None:
    """Return the variable of the first address on which this machine cannot listen.

    Something else listens there, or it is not an address of this machine.
    """
    for variable, address in addresses.items():
        host, _, port = address.rpartition(":")
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        with socket.socket(family) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((host.strip("[]"), int(port)))
            except (OSError, OverflowError):
                return variable
    return None
