"""Certificates of a test's own, in files as an operator has them."""

import os
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

import trustme

HOST = "127.0.0.1"


def write(path: Path, content: bytes) -> Path:
    """Replace a file at once, as tools that renew certificates do."""
    new = path.with_name(f"{path.name}.new")
    new.write_bytes(content)
    os.replace(new, path)  # noqa: PTH105 - the path stays what it was
    return path


@dataclass
class Files:
    """An authority, and the files of a server and of a client that trust it."""

    folder: Path
    authority: trustme.CA = field(default_factory=trustme.CA)

    def __post_init__(self) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        self.write_authority(self.authority)
        for name, identity in (("server", HOST), ("client", "gateway.example")):
            self.issue(name, identity)

    def path(self, name: str) -> str:
        """The path of a file: ca, server-cert, server-key, client-cert or client-key."""
        return str(self.folder / f"{name}.pem")

    def write_authority(self, *authorities: trustme.CA) -> None:
        """Write the file of trusted authorities."""
        write(self.folder / "ca.pem", b"".join(each.cert_pem.bytes() for each in authorities))

    def issue(
        self,
        name: str,
        *identities: str,
        authority: trustme.CA | None = None,
        expired: bool = False,
    ) -> None:
        """Write a certificate and its key, of this authority or of another."""
        now = datetime.now(UTC)
        made = (authority or self.authority).issue_cert(
            *(identities or (HOST,)),
            not_before=now - timedelta(days=9),
            not_after=now + timedelta(days=-1 if expired else 90),
        )
        chain = b"".join(each.bytes() for each in made.cert_chain_pems)
        write(self.folder / f"{name}-cert.pem", chain)
        write(self.folder / f"{name}-key.pem", made.private_key_pem.bytes())

    def server(self, *, mutual: bool = True) -> dict[str, str]:
        """The variables of a service."""
        found = {
            "GRPC_TLS_CERT": self.path("server-cert"),
            "GRPC_TLS_KEY": self.path("server-key"),
        }
        return {**found, "GRPC_TLS_CLIENT_CA": self.path("ca")} if mutual else found

    def client(self, *, mutual: bool = True) -> dict[str, str]:
        """The variables of the gateway, or of another client."""
        found = {"GRPC_TLS_CA": self.path("ca")}
        if mutual:
            found["GRPC_TLS_CLIENT_CERT"] = self.path("client-cert")
            found["GRPC_TLS_CLIENT_KEY"] = self.path("client-key")
        return found
