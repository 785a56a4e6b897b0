"""A socket, with TLS or without: sending never blocks, and one thread reads."""

import socket
import threading
import time
from contextlib import suppress

from gateway.channel.frames import ENHANCE_YOUR_CALM, ProtocolError
from gateway.channel.tls import Session

RECV_BYTES = 64 * 1024
READS_PER_YIELD = 32  # after which other greenlets run, however much there is to read
MAX_UNSENT_ACKS_BYTES = 64 * 1024
JOIN_SECONDS = 1.0


class Wire:
    """A connected socket; `lock` is the connection's, and held while sending."""

    def __init__(self, connected: socket.socket, session: Session | None) -> None:
        self.lock = threading.Lock()
        self.secure = session is not None
        self._reader, self._session = connected, session
        self._writer = connected.dup()
        self._writer.settimeout(0)
        self._backlog: bytearray | None = None  # what a thread has yet to send
        self._sender: threading.Thread | None = None
        self._unsent_acks = self._reads = 0  # bytes, calls
        self._closed = False

    def recv(self, timeout: float) -> bytes:
        """Return the received bytes as they are; empty when the peer has closed."""
        if self._reader.gettimeout() != timeout:
            self._reader.settimeout(timeout)
        data = self._reader.recv(RECV_BYTES)
        self._reads += 1
        if len(data) == RECV_BYTES or self._reads % READS_PER_YIELD == 0:
            time.sleep(0)
        return data

    def unseal(self, data: bytes) -> tuple[bytes, bool]:
        """Return the received bytes decrypted, and whether more may follow."""
        if not self._session or not data:
            return data, data != b""
        data, closed = self._session.unseal(data)
        self.send(b"")  # replies of TLS itself
        return data, not closed

    def send(self, data: bytes) -> bool:
        """Hand bytes to the kernel, or to a thread when its buffer is full; False if lost."""
        if self._closed:
            return False
        if self._session:
            data = self._session.seal(data)
        if self._backlog is not None:
            self._backlog += data
            return True
        try:
            sent = self._writer.send(data) if data else 0
        except BlockingIOError:
            sent = 0
        except OSError:
            self.shut()
            return False
        if sent < len(data):
            self._backlog = bytearray(data[sent:])
            self._sender = threading.Thread(target=self._drain, name="channel-send", daemon=True)
            self._sender.start()
        return True

    def acknowledge(self, data: bytes) -> None:
        """Send replies to the peer's frames; raises ProtocolError if it never reads them."""
        if self._backlog is not None:
            self._unsent_acks += len(data)
            if self._unsent_acks > MAX_UNSENT_ACKS_BYTES:
                raise ProtocolError(ENHANCE_YOUR_CALM, "a peer that floods and reads no replies")
        self.send(data)

    def _drain(self) -> None:
        """Send the backlog; bytes that the kernel does not accept within the timeout are lost."""
        while True:
            with self.lock:
                if not self._backlog or self._closed:
                    self._backlog, self._unsent_acks = None, 0
                    return
                data, self._backlog = self._backlog, bytearray()
            try:
                self._reader.sendall(data)
            except OSError:
                self.shut()
                return

    def shut(self) -> None:
        """Wake the reader, which then closes."""
        with suppress(OSError):  # closed already
            self._reader.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        """Close the socket, without the lock; nothing more is sent."""
        with self.lock:
            self._closed = True
            sender = self._sender
        self.shut()
        if sender:
            sender.join(JOIN_SECONDS)
        self._writer.close()
        self._reader.close()
