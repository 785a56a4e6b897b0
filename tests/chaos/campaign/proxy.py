"""A TCP proxy between two processes that delays, resets, swallows or cuts what goes through it."""

import socket
import struct
import threading
import time
from contextlib import suppress

LATENCY, RESET, HALF_OPEN, CUT = FAULTS = ("latency", "reset", "half-open", "cut answers")
LATENCY_SECONDS = 0.1
LINGER_NOT = struct.pack("ii", 1, 0)  # SO_LINGER that makes a close a reset


class Link:
    """One connection through the proxy."""

    def __init__(self, client: socket.socket, server: socket.socket) -> None:
        self.ends = (client, server)
        self.is_dead = False  # half-open: what comes is acknowledged and lost

    def end(self, *, by_reset: bool = False) -> None:
        """Close both ends, and wake who waits for either."""
        self.is_dead = True
        for each in self.ends:
            with suppress(OSError):
                if by_reset:
                    each.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, LINGER_NOT)
                each.shutdown(socket.SHUT_RD if by_reset else socket.SHUT_RDWR)
            each.close()


class Proxy:
    """Forwards to `target`, "host:port" or the path of a socket, until `fault` says otherwise."""

    def __init__(self, target: str) -> None:
        self.target = target
        self.fault: str | None = None
        self.hits = 0  # of the faults
        self.links: set[Link] = set()
        self.is_closed = False
        self.listener = socket.create_server(("127.0.0.1", 0), backlog=512)
        self.address = f"127.0.0.1:{self.listener.getsockname()[1]}"
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        while not self.is_closed:
            try:
                client, _ = self.listener.accept()
            except OSError:
                return
            threading.Thread(target=self._open, args=(client,), daemon=True).start()

    def _open(self, client: socket.socket) -> None:
        try:
            server = self._connect()
        except OSError:
            Link(client, client).end(by_reset=True)
            return
        link = Link(client, server)
        self.links.add(link)
        pumps = [
            threading.Thread(target=self._pump, args=(link, *way), daemon=True)
            for way in ((client, server, False), (server, client, True))
        ]
        for pump in pumps:
            pump.start()
        for pump in pumps:
            pump.join()
        self.links.discard(link)
        link.end()

    def _connect(self) -> socket.socket:
        if "/" not in self.target:
            host, _, port = self.target.rpartition(":")
            server = socket.create_connection((host, int(port)), 10)
            server.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            server.settimeout(None)
            return server
        server = socket.socket(socket.AF_UNIX)
        try:
            server.connect(self.target)
        except OSError:
            server.close()
            raise
        return server

    def _pump(
        self, link: Link, source: socket.socket, sink: socket.socket, is_answer: bool
    ) -> None:
        with suppress(OSError):
            while data := source.recv(65536):
                if not self._pass_on(link, sink, data, is_answer):
                    return
            if not link.is_dead:
                sink.shutdown(socket.SHUT_WR)
                return
        link.end()

    def _pass_on(self, link: Link, sink: socket.socket, data: bytes, is_answer: bool) -> bool:
        """Forward a piece as the fault of the moment has it; returns whether the link lives."""
        fault = self.fault
        if fault == HALF_OPEN:
            link.is_dead = True
        if fault is not None and (is_answer or fault != CUT):
            self.hits += 1
        if link.is_dead:
            return True
        if fault == LATENCY:
            time.sleep(LATENCY_SECONDS)
        elif fault == RESET or (fault == CUT and is_answer):
            if fault == CUT:
                sink.sendall(data[: len(data) // 2])
            link.end(by_reset=True)
            return False
        sink.sendall(data)
        return True

    def close(self) -> None:
        """End every connection."""
        self.is_closed = True
        with suppress(OSError):
            self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()
        for link in list(self.links):
            link.end()
