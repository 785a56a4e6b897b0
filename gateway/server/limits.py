"""Limits on how long the gateway waits for its clients, and how much it reads."""

import os
import resource
from dataclasses import dataclass
from ipaddress import ip_network
from typing import Any

MIB = 1024 * 1024
JOINED_BYTES = 64 * 1024  # of an answer, that leave in one packet with its head
OTHER_FILES = 100  # descriptors of a worker besides its clients'
TOO_FEW_FILES = (
    "RLIMIT_NOFILE is too low: a worker takes %s connections instead of the %s of "
    "GATEWAY_CONNECTIONS. Raise it, for example with `ulimit -n`."
)


@dataclass(frozen=True)
class Limits:
    """The bounds of one worker; the time between two requests is gunicorn's own `keepalive`."""

    connections: int = 1000
    connections_per_address: int = 0  # 0 is no limit
    head_seconds: float = 10  # from the connection, or from the first byte of a later request
    body_seconds: float = 30
    body_bytes_per_second: int = 64 * 1024  # beyond `body_seconds`
    write_seconds: float = 30  # in which a client has to read anything at all
    discard_bytes: int = 32 * MIB  # read of one body at most; most of it is discarded
    discard_seconds: float = 5
    drain_seconds: float = 1  # for which a stopping worker continues to accept connections
    rest_seconds: float = 1  # after which such a worker closes a connection without a request


def from_environment() -> Limits:
    """The limits that the operator sets; a bad value stops the start."""
    # Kubernetes takes some seconds to tell its proxies of a pod that ends.
    drain = 5 if "KUBERNETES_SERVICE_HOST" in os.environ else 1
    return Limits(
        connections=_read_whole("GATEWAY_CONNECTIONS", 1000, 10),
        connections_per_address=_read_whole("GATEWAY_CONNECTIONS_PER_ADDRESS", 0, 0),
        drain_seconds=_read_whole("GATEWAY_DRAIN", drain, 0, 20),
    )


def _read_whole(name: str, default: int, least: int, most: int = 1_000_000) -> int:
    """Return a whole number from the environment."""
    text = os.environ.get(name) or str(default)
    if not (text.isascii() and text.isdigit() and least <= int(text) <= most):
        raise SystemExit(f"{name} is a whole number, {least} to {most}.")
    return int(text)


def fit_into_open_files(connections: int) -> int:
    """Raise RLIMIT_NOFILE for so many connections; how many of them it allows."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    needed = connections + OTHER_FILES
    if soft < needed:
        soft = min(needed, hard)
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    return max(1, min(connections, soft - OTHER_FILES))


def find_network(address: Any) -> str:
    """Return what a connection counts for: an IPv4 address, or an IPv6 /64; "" for a file."""
    if not isinstance(address, tuple):
        return ""
    host: str = address[0].partition("%")[0]
    return str(ip_network((host, 64), strict=False)) if ":" in host else host
