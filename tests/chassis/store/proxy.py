"""A TCP proxy before the tests' PostgreSQL that can fall silent without closing anything."""

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from sqlalchemy import make_url


class Proxy:
    """Forwards bytes both ways until it is muted; what it reads then is acknowledged and lost."""

    def __init__(self, target: str) -> None:
        self.target = target  # path of a Unix socket
        self.is_mute = threading.Event()
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self.listener.getsockname()[1]
        self.sockets: list[socket.socket] = []
        self.threads = [threading.Thread(target=self._accept)]
        self.threads[0].start()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                client, _ = self.listener.accept()
                server = socket.socket(socket.AF_UNIX)
                server.connect(self.target)
                self.sockets += [client, server]
                for source, sink in ((client, server), (server, client)):
                    self.threads.append(threading.Thread(target=self._pump, args=(source, sink)))
                    self.threads[-1].start()

    def _pump(self, source: socket.socket, sink: socket.socket) -> None:
        with suppress(OSError):
            while data := source.recv(65536):
                if not self.is_mute.is_set():
                    sink.sendall(data)
        if not self.is_mute.is_set():
            with suppress(OSError):
                sink.shutdown(socket.SHUT_WR)

    def close(self) -> None:
        """End every connection."""
        self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()
        for each in self.sockets:
            with suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)
        for thread in self.threads:
            thread.join(10)
        for each in self.sockets:
            each.close()


@contextmanager
def run_proxy(url: str) -> Iterator[tuple[Proxy, str]]:
    """A proxy before the server at `url`, and the URL of the same database through it."""
    given = make_url(url)
    host, port = given.query["host"], given.query.get("port", "5432")
    proxy = Proxy(f"{host}/.s.PGSQL.{port}")
    through = given.set(host="127.0.0.1", port=proxy.port, query={})
    try:
        yield proxy, through.render_as_string(hide_password=False)
    finally:
        proxy.close()
