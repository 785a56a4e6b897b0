"""TLS between the channel and its sockets: ALPN `h2`, client certificates, files that change."""

import socket
import ssl
import threading
from dataclasses import dataclass, field
from pathlib import Path
from time import monotonic

RECORD_BYTES = 64 * 1024


@dataclass
class Tls:
    """The certificates that the channel trusts, and its own.

    The files are read again when they change, so certificates are renewed without
    a restart; while they cannot be read together, the old ones stay.
    """

    ca: Path | None = None  # PEM; None: the system's trust store
    certificate: Path | None = None  # PEM chain of the client
    key: Path | None = None
    hostname: str | None = None  # in the server's certificate, if it differs from the target's
    _context: ssl.SSLContext | None = field(default=None, repr=False)
    _stamps: tuple[tuple[int, int], ...] = field(default=(), repr=False)
    # Looked up when it is made: in the gateway's worker it is gevent's by then.
    _lock: threading.Lock = field(default_factory=lambda: threading.Lock(), repr=False)

    def context(self) -> ssl.SSLContext:
        """The context for the next connection."""
        with self._lock:
            try:
                files = [each.stat() for each in (self.ca, self.certificate, self.key) if each]
                stamps = tuple((each.st_mtime_ns, each.st_size) for each in files)
                if self._context is None or stamps != self._stamps:
                    self._context, self._stamps = self._load(), stamps
            except OSError:  # ssl.SSLError is one
                if self._context is None:
                    raise
            return self._context

    def _load(self) -> ssl.SSLContext:
        context = ssl.create_default_context(cafile=self.ca)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        context.set_alpn_protocols(["h2"])
        if self.certificate:
            # An empty password: OpenSSL would ask for that of an encrypted key at the terminal.
            context.load_cert_chain(self.certificate, self.key, password="")  # nosec B106
        return context


class Session:
    """TLS of one connection, over memory buffers; callers hold the connection's lock."""

    def __init__(self, context: ssl.SSLContext, hostname: str) -> None:
        self._incoming, self._outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self._object = context.wrap_bio(self._incoming, self._outgoing, server_hostname=hostname)

    def shake_hands(self, through: socket.socket, deadline: float) -> None:
        """Agree with the server on `h2`; raises OSError when that fails or takes too long."""
        while True:
            try:
                self._object.do_handshake()
                break
            except ssl.SSLWantReadError:
                self._exchange(through, deadline)
        through.sendall(self._outgoing.read())
        if self._object.selected_alpn_protocol() != "h2":
            raise ConnectionError("the server does not speak h2")

    def _exchange(self, through: socket.socket, deadline: float) -> None:
        through.settimeout(max(deadline - monotonic(), 0.001))
        through.sendall(self._outgoing.read())
        if not (data := through.recv(RECORD_BYTES)):
            raise ConnectionError("closed during the TLS handshake")
        self._incoming.write(data)

    def seal(self, data: bytes) -> bytes:
        """Return the bytes to send for `data`, pending TLS messages included."""
        rest = memoryview(data)
        while rest:
            rest = rest[self._object.write(rest) :]
        return self._outgoing.read()

    def unseal(self, data: bytes) -> tuple[bytes, bool]:
        """Return the received bytes decrypted, and whether the server has closed."""
        self._incoming.write(data)
        parts: list[bytes] = []
        while True:
            try:
                if not (part := self._object.read(RECORD_BYTES)):
                    return b"".join(parts), True
            except ssl.SSLWantReadError:
                return b"".join(parts), False
            except ssl.SSLZeroReturnError:
                return b"".join(parts), True
            parts.append(part)
