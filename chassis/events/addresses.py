"""The addresses of a host name, and whether an event may be sent to them (SSRF guard).

A partner chooses the host. Without this check it could choose one of ours: the
metadata service of a cloud, a database, a neighbour. Every address of the name
must be public, and the connection goes to a checked address: the name is not
resolved a second time, which might return another.
"""

import socket
from ipaddress import IPv4Address, IPv6Address, IPv6Network, ip_address

Address = tuple[int, tuple[str, int] | tuple[str, int, int, int]]  # family, as sockets take it

_NAT64 = IPv6Network("64:ff9b::/96")  # RFC 6052
_LOCAL_NAT64 = IPv6Network("64:ff9b:1::/48")  # RFC 8215: local use, any target


class AttemptFailed(Exception):
    """An attempt that failed before an HTTP status; `reason` is one word."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


def resolve(host: str, port: int, *, private: bool) -> list[Address]:
    """Resolve a host; raises AttemptFailed if an address is not public, unless `private`."""
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError):
        raise AttemptFailed("name") from None
    addresses: list[Address] = [(family, address) for family, _, _, _, address in found]  # type: ignore[misc]
    if not private and not all(is_public(address[0]) for _, address in addresses):
        raise AttemptFailed("private")
    return addresses


def is_public(text: str) -> bool:
    """Whether an address is public, also when another address embeds it."""
    address = _unwrap(ip_address(text))
    if isinstance(address, IPv6Address) and (address.is_site_local or address in _LOCAL_NAT64):
        return False
    return address.is_global and not address.is_multicast and not address.is_reserved


def _unwrap(address: IPv4Address | IPv6Address) -> IPv4Address | IPv6Address:
    """The IPv4 address embedded in an IPv6 address (mapped, 6to4 or NAT64), else the address."""
    if isinstance(address, IPv4Address):
        return address
    if address in _NAT64:
        return IPv4Address(int(address) & 0xFFFFFFFF)
    return address.ipv4_mapped or address.sixtofour or address
