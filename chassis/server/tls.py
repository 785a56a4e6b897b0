"""TLS of the gRPC server: certificates that are read again when their files change."""

import ssl
import threading
from pathlib import Path

import grpc

from chassis.settings.transport import ServerFiles
from chassis.telemetry import log

Stamps = tuple[tuple[int, int, int], ...]


class Certificates:
    """A server's certificate and key, and the authority of its clients, as files.

    gRPC asks before each handshake whether they have changed. While they cannot be read together
    (a renewal is being written, say), new connections are served with the last ones that could.
    """

    def __init__(self, files: ServerFiles) -> None:
        """Read the files; raises OSError (ssl.SSLError is one) or ValueError."""
        self.files = files
        self._reading = threading.Lock()
        self._stamps: Stamps | None = None
        self._refused: Stamps | None = None  # the last ones that were logged
        self._first = self._read(self._stamp())

    def credentials(self) -> grpc.ServerCredentials:
        """Return credentials for a port."""
        return grpc.dynamic_ssl_server_credentials(
            self._first,
            self._find_change,  # type: ignore[arg-type]  # grpcio takes None for no change
            self.files.client_ca is not None,
        )

    def _paths(self) -> list[Path]:
        files = self.files
        return [path for path in (files.certificate, files.key, files.client_ca) if path]

    def _stamp(self) -> Stamps:
        """What changes with the files; of links, those of the files that they lead to."""
        found = (path.stat() for path in self._paths())
        return tuple((each.st_mtime_ns, each.st_size, each.st_ino) for each in found)

    def _find_change(self) -> grpc.ServerCertificateConfiguration | None:
        """Return the new configuration, or None while there is none."""
        with self._reading:
            stamps: Stamps = ()
            try:
                stamps = self._stamp()
                if stamps in (self._stamps, self._refused):
                    return None
                changed = self._read(stamps)
            except (OSError, ValueError) as error:
                if stamps != self._refused:
                    log().warning("certificates cannot be read", error=type(error).__name__)
                self._refused = stamps
                return None
            log().info("certificates read again")
            return changed

    def _read(self, stamps: Stamps) -> grpc.ServerCertificateConfiguration:
        """Read files of these stamps; raises OSError or ValueError for those that do not fit."""
        check_files(self.files)
        certificate, key, *rest = (path.read_bytes() for path in self._paths())
        if self._stamp() != stamps:
            raise ValueError("the files are being written")
        self._stamps = stamps
        return grpc.ssl_server_certificate_configuration(
            [(key, certificate)], rest[0] if rest else None
        )


def check_files(files: ServerFiles) -> None:
    """Raise OSError unless the files are certificates, and the key is that of the certificate."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(files.certificate, files.key, password=_refuse_password)
    if files.client_ca:
        context.load_verify_locations(files.client_ca)


def _refuse_password() -> str:
    """Called for an encrypted key, for which OpenSSL would ask at the terminal."""
    raise ValueError("the key must not be encrypted")
