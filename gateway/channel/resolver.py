"""Where a target's servers are: `host:port`, `[v6]:port` and `unix:path`, comma-separated."""

import ipaddress
import re
import socket
from typing import NamedTuple

_HOST_PORT = re.compile(r"(\[(?P<v6>[0-9A-Fa-f:.]+)\]|(?P<host>[!-9;-~]+)):(?P<port>[0-9]{1,5})")


class Endpoint(NamedTuple):
    """One address of a server."""

    family: int
    address: tuple[str, int] | str  # of the socket
    host: str  # as configured: the name in the server's certificate
    authority: str

    def __str__(self) -> str:
        if isinstance(self.address, str):
            return f"unix:{self.address}"
        host, port = self.address
        return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


class Target:
    """A target; host names are resolved repeatedly, and their last answers are kept."""

    def __init__(self, target: str) -> None:
        self._found: dict[str, list[Endpoint]] = {}
        self.is_fixed = True  # nothing in it ever changes
        for part in target.split(","):
            part = part.strip().removeprefix("dns:").removeprefix("///")
            if part.startswith("unix:"):
                path = part.removeprefix("unix:").removeprefix("//")
                self._found[part] = [Endpoint(socket.AF_UNIX, path, "localhost", "localhost")]
            else:
                host, _ = _split(part)
                self._found[part] = []
                self.is_fixed &= _is_literal(host)

    def look_up(self) -> tuple[list[Endpoint], str]:
        """Return every endpoint, and any error; for a name that fails, the last answer is kept."""
        trouble = ""
        for part in self._found:
            if part.startswith("unix:"):
                continue
            try:
                self._found[part] = _look_up(part) or self._found[part]
            except (OSError, UnicodeError) as error:  # the latter for names of no DNS
                trouble = f"{part}: {error}"
        endpoints = (each for found in self._found.values() for each in found)
        return list(dict.fromkeys(endpoints)), trouble


def _look_up(part: str) -> list[Endpoint]:
    host, port = _split(part)
    answers = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return [
        Endpoint(family, (str(address[0]), port), host, part)
        for family, _, _, _, address in answers
    ]


def _split(part: str) -> tuple[str, int]:
    found = _HOST_PORT.fullmatch(part)
    if not found or not 0 < int(found["port"]) < 65_536:
        raise ValueError(f"{part!r} is no host:port")
    return found["v6"] or found["host"], int(found["port"])


def _is_literal(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True
