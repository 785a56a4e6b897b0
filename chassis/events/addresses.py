"""The addresses behind a host name, and whether something of ours may be sent there.

A partner names the host. Without this check it could name one of ours: the
metadata service of a cloud, a database, a neighbour. Every address that the name
stands for must be public, and the connection goes to one that was checked: the
name is not asked a second time, when it could tell another.
"""

import socket
from ipaddress import IPv4Address, IPv6Address, IPv6Network, ip_address

Address = tuple[int, tuple[str, int] | tuple[str, int, int, int]]  # family, as sockets take it

_NAT64 = IPv6Network("64:ff9b::/96")  # RFC 6052
_LOCAL_NAT64 = IPv6Network("64:ff9b:1::/48")  # RFC 8215: whatever the operator translates


class AttemptFailed(Exception):
    """An attempt that failed, and why in one word."""

    def __init__(self, word: str) -> None:
        super().__init__(word)
        self.word = word


def resolve(host: str, port: int, *, private: bool) -> list[Address]:
    """The addresses of a host; raises Undeliverable unless all are public or `private`."""
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError):
        raise AttemptFailed("name") from None
    addresses: list[Address] = [(family, address) for family, _, _, _, address in found]  # type: ignore[misc]
    if not private and not all(is_public(address[0]) for _, address in addresses):
        raise AttemptFailed("private")
    return addresses


def is_public(text: str) -> bool:
    """Whether an address is one of the Internet's, whatever it is wrapped in."""
    address = _unwrapped(ip_address(text))
    if isinstance(address, IPv6Address) and (address.is_site_local or address in _LOCAL_NAT64):
        return False
    return address.is_global and not address.is_multicast and not address.is_reserved


def _unwrapped(address: IPv4Address | IPv6Address) -> IPv4Address | IPv6Address:
    """The IPv4 address that an IPv6 address carries: mapped, of 6to4 or of NAT64."""
    if isinstance(address, IPv4Address):
        return address
    if address in _NAT64:
        return IPv4Address(int(address) & 0xFFFFFFFF)
    return address.ipv4_mapped or address.sixtofour or address
