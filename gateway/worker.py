"""gunicorn's gevent worker with our limits: the only module that uses gevent.

Every read and write of a client's socket is bounded in time, no idle connection
keeps a place that another needs, and a stop loses no request.
"""

import atexit
import gc
import logging
import logging.config
import os
import select
import socket
import ssl
import struct
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime
from functools import partial
from time import monotonic
from typing import Any, ClassVar

import gevent
from gevent import monkey
from gevent.pool import Pool
from gevent.server import StreamServer
from gevent.socket import wait_read
from gunicorn.http import errors
from gunicorn.workers.ggevent import GeventWorker

from chassis.telemetry import describe, log
from gateway.health import DRAINING
from gateway.server import limits
from gateway.server.certificates import Certificates
from gateway.server.exchange import begin_answer, send_answer
from gateway.server.handover import Board, close_listeners, delay_next_start
from gateway.server.parsing import Parser, build_refusal, build_refusal_environ
from gateway.server.places import Places

LOOK_SECONDS = 0.05  # between two looks at what is left of a worker that ends
EXPIRY_SECONDS = 0.1  # between two looks for waits that are over
TURN_SECONDS = 0.005  # of the loop, for a client that always has more to read
LATE_SECONDS = 0.5  # for a client that was too slow to see why its connection ends
READ, WRITE = 1, 2  # events of libev
RESET = struct.pack("ii", 1, 0)  # SO_LINGER that drops unread data


class Connection:
    """A client's socket, each of whose reads and writes ends in time."""

    def __init__(self, sock: Any, bounds: limits.Limits, places: Places) -> None:
        sock.settimeout(0.0)
        self.sock = sock
        self._greenlet = gevent.getcurrent()
        self._hub = gevent.get_hub()
        self._watchers = [self._hub.loop.io(sock.fileno(), event) for event in (READ, WRITE)]
        self.bounds = bounds
        self.places = places
        self.deadline = monotonic() + bounds.head_seconds
        self.in_body = False
        self.begun = False  # whether a request has begun that is not yet read
        self.ended = False  # by us, while it waited
        self.reading: Any = None  # the request whose head is being read
        self.request: Any = None  # the request that is being answered
        self._awaited = select.POLLIN
        self._body_bytes = 0
        self._head: bytes | None = b""  # of the answer, until its body comes; None after that
        self._running_since = monotonic()

    def shake_hands(self, context: ssl.SSLContext) -> None:
        """Begin TLS."""
        self.sock = context.wrap_socket(self.sock, server_side=True, do_handshake_on_connect=False)
        while True:
            try:
                self.sock.do_handshake()
                return
            except ssl.SSLWantReadError:
                self._wait()
            except ssl.SSLWantWriteError:
                self._wait(to_write=True)

    def wait_for_request(self, buffered: int, seconds: float | None) -> bool:
        """Whether another request begins; always lets others have their turn."""
        self.begun = self.in_body = False
        if seconds is not None:
            self.deadline = monotonic() + seconds
        if buffered or (isinstance(self.sock, ssl.SSLSocket) and self.sock.pending()):
            self._share()
        else:
            try:
                self._wait()
            except TimeoutError:
                return False
        if seconds is not None:
            self.deadline = monotonic() + self.bounds.head_seconds
        self.begun = True
        return not self.ended

    def begin_body(self) -> None:
        """Note that the bytes that follow are the body of a request."""
        self.in_body, self._body_bytes, self._head = True, 0, b""
        self.deadline = monotonic() + self.bounds.body_seconds

    def recv(self, size: int) -> bytes:
        """Return received bytes, or b"" at the end; raises TimeoutError."""
        if self.in_body and self._body_bytes >= self.bounds.discard_bytes:
            return b""
        self._share()
        while True:
            try:
                data: bytes = self.sock.recv(size)
            except (BlockingIOError, ssl.SSLWantReadError):
                self._wait()
            except ssl.SSLWantWriteError:
                self._wait(to_write=True)
            else:
                self._body_bytes += len(data)
                if self.in_body:
                    self.deadline += len(data) / self.bounds.body_bytes_per_second
                return data

    def sendall(self, data: bytes) -> None:
        """Send a piece of an answer; its head waits for the next piece and leaves with it."""
        if self._head == b"":
            self._head = data
        else:
            self.flush(data)

    def flush(self, data: bytes = b"") -> None:
        """Send the head of an answer, if it waits, and what follows."""
        head, self._head = self._head or b"", None
        if len(data) > limits.JOINED_BYTES:
            self.send(head)
            self.send(data)
        else:
            self.send(head + data)

    def send(self, data: bytes) -> None:
        """Send everything; a client that reads nothing for too long is disconnected."""
        rest = memoryview(data)
        while rest:
            try:
                sent = self.sock.send(rest)
            except BlockingIOError:
                sent = 0
            rest = rest[sent:]
            if not sent:
                self.deadline = monotonic() + self.bounds.write_seconds
                try:
                    self._wait(to_write=True)
                except (TimeoutError, ConnectionAbortedError):
                    self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
                    raise

    def __getattr__(self, name: str) -> Any:
        return getattr(self.sock, name)  # close, and what gunicorn does where an answer breaks off

    def linger(self, *, late: bool) -> None:
        """Discard what the client still sends, so that it gets to read its answer."""
        self.sock.shutdown(socket.SHUT_WR)
        self.begin_body()
        end = monotonic() + (LATE_SECONDS if late else self.bounds.discard_seconds)
        self.deadline = end
        while self.recv(limits.MIB):
            self.deadline = end

    def end(self) -> None:
        """Close it from outside, while it waits for its client."""
        self.ended = True
        with suppress(OSError):
            self.sock.shutdown(socket.SHUT_RDWR)

    def is_quiet(self) -> bool:
        """Whether it still waits for its client, to send or to read."""
        poll = monkey.get_original("select", "poll")()
        poll.register(self.sock.fileno(), self._awaited)
        return not poll.poll(0)

    def expire(self) -> None:
        """Interrupt its wait; runs in gevent's hub."""
        self._greenlet.throw(TimeoutError())

    def close(self) -> None:
        """Close the socket."""
        for watcher in self._watchers:
            watcher.close()
        self.sock.close()

    def _wait(self, *, to_write: bool = False) -> None:
        """Wait for the client until the deadline, at which `Places.expire` ends the wait."""
        if monotonic() >= self.deadline:
            raise TimeoutError
        self._awaited = select.POLLOUT if to_write else select.POLLIN
        self.places.begin_wait(self)
        try:
            self._hub.wait(self._watchers[to_write])
        finally:
            self.places.end_wait(self)
        self._running_since = monotonic()
        if self.ended:
            raise ConnectionAbortedError

    def _share(self) -> None:
        """Let other connections run; a client that sends fast would keep the loop to itself."""
        if monotonic() - self._running_since > TURN_SECONDS:
            gevent.sleep(1e-6)  # by a timer: after sleep(0) nobody else's input is looked at
            self._running_since = monotonic()


class Worker(GeventWorker):  # type: ignore[misc]  # gunicorn has no types
    """One process of the gateway."""

    bounds: ClassVar[limits.Limits | None] = None
    board: ClassVar[Board | None] = None
    configuration: ClassVar[Any] = None
    places: Places
    worker_connections: int
    wsgi: Any

    def __init__(self, age: int, *args: Any) -> None:
        """Runs in gunicorn's own process, before the fork."""
        super().__init__(age, *args)
        self.limits = self.bounds or limits.from_environment()
        Worker.board = Worker.board or Board()
        self.siblings = Worker.board
        if Worker.configuration is not self.cfg:  # each SIGHUP reads it anew
            Worker.configuration = self.cfg
            self.siblings.begin_generation(age, self.cfg.workers)
        self.told = False

    def handle_exit(self, sig: int, frame: Any) -> None:
        """Handle SIGTERM: the main loop acts on it."""
        self.told = True

    def patch(self) -> None:
        """Patch everything to be cooperative; what writes the logs has what it needs by then."""
        super().patch()
        # At exit a handler's own clean-up would take a lock of gevent's that is gone by then.
        atexit.register(logging.config.dictConfig, {"version": 1})

    def init_process(self) -> None:
        """Begin, in the new process."""
        wanted = self.worker_connections
        self.worker_connections = limits.fit_into_open_files(wanted)
        if self.worker_connections < wanted:
            self.log.warning(limits.TOO_FEW_FILES, self.worker_connections, wanted)
        self.places = Places(self.worker_connections, self.limits)
        try:
            super().init_process()
        except (Exception, SystemExit) as error:
            if not self._is_to_be_replaced(error):
                raise
            is_sentence = isinstance(error, SystemExit)
            self.log.error("This worker cannot start: %r", error, exc_info=not is_sentence)
            delay_next_start(self)
            raise SystemExit(1) from error

    def _is_to_be_replaced(self, error: BaseException) -> bool:
        """Whether it is to try another start; gunicorn ends where an error fails the first one."""
        if self.siblings.is_up(self.age):
            return False
        if isinstance(error, SystemExit):
            return bool(error.code)
        return bool(self.booted or self.siblings.has_served())

    def run(self) -> None:
        """Serve until a stop is requested, then drain."""
        gc.collect()
        gc.freeze()  # what is loaded now stays: no collection needs to walk through it
        certificates = Certificates(self.cfg) if self.cfg.is_ssl else None
        pool = Pool(self.worker_connections)
        clock = gevent.get_hub().loop.timer(EXPIRY_SECONDS, EXPIRY_SECONDS)
        clock.start(self.places.expire)
        servers = []
        for listener in self.sockets:
            serve = partial(self._serve, listener.getsockname(), certificates)
            server = StreamServer(listener, handle=serve, spawn=pool)
            server.max_accept = 1 if self.cfg.workers > 1 else server.max_accept
            server.start()
            servers.append(server)
        self.siblings.mark_up(self.age)
        self._pause(lambda: self.told, 1.0)
        board = self.siblings
        if is_outdated := board.is_outdated(self.age):
            self._pause(lambda: board.is_newest_up() or board.is_stopping(), LOOK_SECONDS)
        if is_outdated and not board.is_stopping():
            self._leave(servers, pool, 0)
        else:
            app = self.wsgi
            self.wsgi = lambda environ, start: app({**environ, DRAINING: True}, start)
            self._leave(servers, pool, self.limits.drain_seconds)

    def _pause(self, until: Callable[[], bool], look: float) -> None:
        """Let the connections run; checks at intervals, and after every signal."""
        while not until():
            self.notify()
            with suppress(TimeoutError):
                wait_read(self.PIPE[0], look)
                os.read(self.PIPE[0], 4096)

    def _leave(self, servers: list[Any], pool: Any, drain: float) -> None:
        """Keep accepting for a while, close idle connections, and wait for running requests."""
        self.alive = False  # every answer from now on closes its connection
        self.places.close_after_answers()
        begun = monotonic()
        end = begun + self.cfg.graceful_timeout - 1  # gunicorn itself kills at the timeout
        while monotonic() < end:
            self.notify()
            if servers and monotonic() >= begun + drain:
                close_listeners(servers)
            self.places.end_rested()
            if not servers and not pool:
                return
            gevent.sleep(LOOK_SECONDS)
        self.log.warning("%s connections were cut off at the graceful timeout.", len(pool))
        pool.kill(timeout=1)

    def _serve(
        self, listener: Any, certificates: Certificates | None, sock: Any, address: Any
    ) -> None:
        """Serve one connection from beginning to end."""
        connection = Connection(sock, self.limits, self.places)
        network = limits.find_network(address)
        try:
            if self.places.enter(connection, network):
                if certificates is not None:
                    connection.shake_hands(certificates.context())
                self._answer_all(listener, connection, address)
        except OSError as error:  # ssl.SSLError and TimeoutError are such
            self.log.debug("A connection ended: %r", error)
        finally:
            self.places.leave(connection, network)
            connection.close()

    def _answer_all(self, listener: Any, connection: Connection, address: Any) -> None:
        """Answer every request of a connection."""
        parser, patience = Parser(self.cfg, connection, address), None
        while connection.wait_for_request(parser.count_buffered(), patience):
            connection.reading = None
            try:
                request = next(parser)
            except (StopIteration, errors.NoMoreData):
                return
            except (errors.ParseException, TimeoutError) as error:
                self._refuse(listener, connection, address, error)
                return
            if connection.ended:
                return
            self.places.note_request(connection)
            if not self._answer(listener, connection, address, request):
                if request.has_body_left() or parser.count_buffered():
                    connection.linger(late=request.body.late)
                return
            self.places.note_idle(connection)
            patience = self.cfg.keepalive
            if not parser.skip_body():
                return

    def _answer(self, listener: Any, connection: Connection, address: Any, request: Any) -> bool:
        """Answer one request; returns whether another may follow."""
        connection.begin_body()
        connection.request = request
        if self.places.is_crowded():
            request.force_close()
        try:
            may_follow = self.handle_request(listener, request, connection, address)
        except OSError:
            raise
        except Exception as error:  # noqa: BLE001 - whatever crashes, the client has an answer
            log().error("crash", **describe(error))
            self._refuse(listener, connection, address, error)
            return False
        finally:
            connection.request = None
        connection.flush()
        return may_follow

    def handle_request(
        self, listener: Any, request: Any, connection: Connection, address: Any
    ) -> bool:
        """Let the application answer a request; returns whether another may follow."""
        begun = datetime.now(UTC)
        answer, environ = begin_answer(request, connection, address, listener, self.cfg)
        self.nr += 1
        self.told |= self.nr >= self.max_requests
        if not self.alive or not self.cfg.keepalive:
            answer.force_close()
        send_answer(self.wsgi, answer, environ)
        # For gunicorn's access log and its statsd: with neither it does nothing.
        self.log.access(answer, request, environ, datetime.now(UTC) - begun)
        return not answer.should_close()

    def _refuse(
        self, listener: Any, connection: Connection, address: Any, error: Exception
    ) -> None:
        """Answer a request that gunicorn cannot read or serve, and end the connection."""
        environ = build_refusal_environ(self.cfg, listener, address, connection.reading, error)
        connection.send(build_refusal(self.wsgi, environ))
        connection.linger(late=isinstance(error, TimeoutError))
