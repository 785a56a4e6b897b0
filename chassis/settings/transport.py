"""gRPC between processes: which addresses leave the machine, and the files of TLS.

Loopback and Unix sockets are local. Anything else is reachable from other machines, or is one, and
is spoken to in plaintext only where GRPC_PLAINTEXT says so.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from ipaddress import IPv6Address, ip_address
from pathlib import Path

PLAINTEXT = "GRPC_PLAINTEXT"
ALLOW = "allow"
SYSTEM = "system"  # instead of a file: the authorities that the system trusts
_UNIX = ("unix:", "unix-abstract:")
_SCHEMES = ("dns:///", "dns:", "ipv4:", "ipv6:")


@dataclass(frozen=True)
class ServerFiles:
    """PEM files of a server; with a `client_ca` it accepts only clients with a certificate."""

    certificate: Path
    key: Path
    client_ca: Path | None = None


@dataclass(frozen=True)
class ClientFiles:
    """PEM files of a client: the authorities that it trusts, and its own certificate."""

    ca: Path | None = None  # None: those that the system trusts
    certificate: Path | None = None
    key: Path | None = None
    hostname: str | None = None  # in the servers' certificates, where it is not the address's


def read_server_files(environment: Mapping[str, str]) -> ServerFiles | None:
    """Return the files of GRPC_TLS_CERT, _KEY and _CLIENT_CA; raises ValueError."""
    names = ("GRPC_TLS_CERT", "GRPC_TLS_KEY", "GRPC_TLS_CLIENT_CA")
    certificate, key, client_ca = (environment.get(name, "") for name in names)
    if not (certificate or key or client_ca):
        return None
    if not (certificate and key):
        raise ValueError("GRPC_TLS_CERT and GRPC_TLS_KEY are set together.")
    return ServerFiles(Path(certificate), Path(key), Path(client_ca) if client_ca else None)


def read_client_files(environment: Mapping[str, str]) -> ClientFiles | None:
    """Return the files of GRPC_TLS_CA, _CLIENT_CERT and _CLIENT_KEY; raises ValueError.

    Without a GRPC_TLS_CA calls are plaintext.
    """
    names = ("GRPC_TLS_CA", "GRPC_TLS_CLIENT_CERT", "GRPC_TLS_CLIENT_KEY", "GRPC_TLS_HOSTNAME")
    ca, certificate, key, hostname = (environment.get(name, "") for name in names)
    if bool(certificate) is not bool(key):
        raise ValueError("GRPC_TLS_CLIENT_CERT and GRPC_TLS_CLIENT_KEY are set together.")
    if not ca:
        if certificate:
            raise ValueError(
                "GRPC_TLS_CA is missing: set it to the file of the services' authority, "
                f"or to {SYSTEM} for those that this machine trusts."
            )
        return None
    return ClientFiles(
        None if ca == SYSTEM else Path(ca),
        Path(certificate) if certificate else None,
        Path(key) if key else None,
        hostname or None,
    )


def allows_plaintext(environment: Mapping[str, str]) -> bool:
    """Return whether the operator allows plaintext to other machines; raises ValueError."""
    value = environment.get(PLAINTEXT, "")
    if value not in ("", ALLOW):
        raise ValueError(f"{PLAINTEXT} is {ALLOW}, or is not set.")
    return value == ALLOW


def find_remote(addresses: Iterable[str]) -> list[str]:
    """Return the addresses that are not local; each may be several, separated by commas."""
    parts = (part.strip() for each in addresses for part in each.split(","))
    return [part for part in parts if not is_local(part)]


def is_local(address: str) -> bool:
    """Return whether what is sent to an address, or arrives on it, stays on this machine.

    A name other than localhost is taken for another machine, whatever it resolves to today.
    """
    return address.startswith(_UNIX) or is_loopback(_read_host(address))


def is_loopback(host: str) -> bool:
    """Return whether a host is this machine for itself alone."""
    host = host.lower().rstrip(".")
    if host == "localhost" or host.endswith(".localhost"):
        return True
    try:
        found = ip_address(host)
    except ValueError:
        return False
    mapped = found.ipv4_mapped if isinstance(found, IPv6Address) else None
    return (mapped or found).is_loopback


def is_unix(address: str) -> bool:
    """Return whether an address is a Unix socket: plaintext always, and not over a network."""
    return address.startswith(_UNIX)


def _read_host(address: str) -> str:
    for scheme in _SCHEMES:
        address = address.removeprefix(scheme)
    return address.rpartition(":")[0].strip("[]")
