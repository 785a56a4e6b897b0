"""One HTTP/2 connection (RFC 9113): one reader, and many callers waiting for their streams.

One lock guards everything. Sending never blocks under it: what the kernel does not
take at once is left to a thread, so a caller waits only for its own answer.
Whatever a stream still needs later (a place among the concurrent ones, room in a
window) is done by the reader when it comes free.
"""

from collections import deque
from collections.abc import Callable
from time import monotonic

from chassis.status import Code
from gateway.channel import frames
from gateway.channel.frames import ProtocolError
from gateway.channel.headers import (
    MAX_HEADER_LIST_BYTES,
    BlockReader,
    encode_timeout,
    request_start,
)
from gateway.channel.streams import Stream
from gateway.channel.wire import Wire

CREDIT_BYTES = 2**20  # received before the server is granted as much again
LAST_STREAM = 2**30  # a new connection is made long before the numbers run out
MAX_IDLE_FRAMES = 10_000  # a second
ASSUMED_STREAMS = 100  # at a time, until the server says how many
OUR_SETTINGS = frames.build_settings_frame(
    {
        frames.HEADER_TABLE_SIZE: 0,
        frames.ENABLE_PUSH: 0,
        # A message is bounded by the length ahead of it, so a stream's window never has to be.
        frames.INITIAL_WINDOW_SIZE: frames.LARGEST_WINDOW_BYTES,
        frames.MAX_HEADER_LIST_SIZE: MAX_HEADER_LIST_BYTES,
    }
)
WIDEN = (frames.LARGEST_WINDOW_BYTES - frames.WINDOW_BYTES).to_bytes(4)
OPENING_BYTES = (
    frames.PREFACE + OUR_SETTINGS + frames.build_frame(frames.WINDOW_UPDATE, 0, 0, WIDEN)
)


class Connection:
    """A connection whose handshakes are done, once `open` has returned.

    `retire` is called, possibly repeatedly, when it accepts no more calls; running ones continue.
    """

    def __init__(
        self,
        wire: Wire,
        authority: str,
        keepalive_seconds: float,
        ping_seconds: float,
        retire: Callable[["Connection"], None],
    ) -> None:
        self.born = monotonic()
        self.told_to_calm_down = self.retired = False
        self._wire, self._lock, self._send = wire, wire.lock, wire.send
        self._authority, self._patience = authority, (keepalive_seconds, ping_seconds)
        self._retire = retire
        self._settled = self._pinged = False
        self._end_code = Code.UNAVAILABLE
        self._streams: dict[int, Stream] = {}
        self._blocked: dict[int, Stream] = {}  # by a flow-control window
        self._queue: deque[Stream] = deque()  # for a place among the concurrent ones
        self._next = 1
        self._starts: dict[str, bytes] = {}
        self._max_streams = ASSUMED_STREAMS
        self._window = self._initial_window = frames.WINDOW_BYTES
        self._blocks, self._block, self._unfinished = BlockReader(), bytearray(), (0, 0)
        self._rest, self._acks, self._owed = b"", bytearray(), 0
        self._idle_frames, self._idle_since = 0, monotonic()

    # What callers do.

    def start(self, stream: Stream) -> bool:
        """Send a request, now or when a stream is free; False if no more are accepted."""
        with self._lock:
            if self.retired:
                return False
            if len(self._streams) < self._max_streams:
                self._begin(stream)
            else:
                self._queue.append(stream)
        if self.retired:
            self._retire(self)
        return True

    def cancel(self, stream: Stream, code: Code, message: str) -> None:
        """End a stream for its caller, unless it has ended in the meantime."""
        with self._lock:
            if stream in self._queue:
                self._queue.remove(stream)
                stream.end(code, message)
            elif self._streams.get(stream.number) is stream:
                self._drop(stream.number)
                self._reset(stream.number)
                stream.end(code, message)
                self._fill()
            if self.retired:
                self._close_if_idle()

    def leave(self) -> None:
        """Accept no more calls; the connection closes when the running ones have ended."""
        with self._lock:
            self.retired = True
            self._close_if_idle()
        self._retire(self)

    def close(self) -> None:
        """Cancel all calls and close."""
        self._end_code, self.retired = Code.CANCELLED, True
        self._wire.shut()

    # What the reader does.

    def open(self, deadline: float) -> None:
        """Exchange settings; raises OSError or ProtocolError, after which it is closed."""
        try:
            with self._lock:
                self._send(OPENING_BYTES)
            while not self._settled:
                left = max(deadline - monotonic(), 0.001)
                if not self._process(self._wire.recv(left)):
                    raise ConnectionError("closed before its settings arrived")
        except BaseException:
            self._finish("never opened", frames.NO_ERROR)
            raise

    def serve(self) -> None:
        """Read until the connection ends; every stream on it has ended then."""
        reason, error = "closed by the server", frames.NO_ERROR
        try:
            while self._process(self._receive()):
                pass
        except ProtocolError as broken:
            reason, error = str(broken), broken.code
        except OSError as lost:
            reason = str(lost)
        finally:
            self._finish(reason, error)

    def _receive(self) -> bytes:
        """Return the next bytes; a silent peer is sent a PING, and no reply raises TimeoutError."""
        try:
            data = self._wire.recv(self._patience[self._pinged])
        except TimeoutError:
            if self._pinged:
                raise TimeoutError("a keepalive PING was not answered") from None
            self._pinged = True
            with self._lock:
                self._send(frames.build_frame(frames.PING, 0, 0, bytes(8)))
            return self._receive()
        self._pinged = False
        return data

    def _process(self, data: bytes) -> bool:
        """Process the received frames; returns whether more may follow."""
        with self._lock:
            data, more = self._wire.unseal(data)
            found, self._rest = frames.split(self._rest + data)
            for each in found:
                self._take(*each)
            self._answer()
        if self.retired:
            self._retire(self)
        return more

    def _answer(self) -> None:
        """Send acknowledgements and window credit for everything just processed."""
        if self._owed >= CREDIT_BYTES:
            self._acks += frames.build_frame(frames.WINDOW_UPDATE, 0, 0, self._owed.to_bytes(4))
            self._owed = 0
        if self._acks:
            self._wire.acknowledge(bytes(self._acks))
            self._acks.clear()
        if self.retired:
            self._close_if_idle()

    def _take(self, kind: int, flags: int, number: int, payload: bytes) -> None:
        if self._unfinished[0] or kind == frames.CONTINUATION:
            self._continue(kind, flags, number, payload)
        elif not self._settled and kind != frames.SETTINGS:
            raise ProtocolError(frames.PROTOCOL_ERROR, "the server did not begin with SETTINGS")
        elif kind == frames.HEADERS:
            self._expect_stream(number)
            payload = frames.unpad(kind, flags, payload)
            if flags & frames.END_HEADERS:
                self._take_headers(number, payload, flags & frames.END_STREAM != 0)
            else:
                self._block[:], self._unfinished = payload, (number, flags)
        elif kind == frames.DATA:
            self._owed += len(payload)
            self._take_data(flags, number, payload)
        else:
            self._count_idle_frame()
            self._take_other(kind, flags, number, payload)

    def _count_idle_frame(self) -> None:
        """Raise ProtocolError after too many frames that advance no answer.

        Those of a large answer to a cancelled call are too few: 4096 of 16 KiB are 64 MiB.
        """
        self._idle_frames += 1
        if self._idle_frames > MAX_IDLE_FRAMES:
            if monotonic() - self._idle_since < 1:
                raise ProtocolError(frames.ENHANCE_YOUR_CALM, "a flood of frames")
            self._idle_frames, self._idle_since = 0, monotonic()

    def _continue(self, kind: int, flags: int, number: int, payload: bytes) -> None:
        """Append the next part of an unfinished header block."""
        self._count_idle_frame()
        begun, first_flags = self._unfinished
        if kind != frames.CONTINUATION or number != begun or not begun:
            raise ProtocolError(frames.PROTOCOL_ERROR, "a header block was not continued")
        self._block += payload
        if len(self._block) > MAX_HEADER_LIST_BYTES:
            raise ProtocolError(frames.ENHANCE_YOUR_CALM, "an endless header block")
        if flags & frames.END_HEADERS:
            self._unfinished = (0, 0)
            self._take_headers(number, bytes(self._block), first_flags & frames.END_STREAM != 0)

    def _take_other(self, kind: int, flags: int, number: int, payload: bytes) -> None:
        if kind == frames.RST_STREAM:
            self._expect_stream(number)
            error = frames.read_number(payload)
            if stream := self._drop(number):
                stream.take_reset(error)
                self._fill()
        elif kind == frames.WINDOW_UPDATE and number:
            self._widen_stream(number, frames.read_number(payload))
        elif kind in (frames.SETTINGS, frames.PING, frames.GOAWAY, frames.WINDOW_UPDATE):
            if number:
                raise ProtocolError(frames.PROTOCOL_ERROR, f"frame {kind} on a stream")
            self._take_control(kind, flags, payload)
        elif kind == frames.PUSH_PROMISE:
            raise ProtocolError(frames.PROTOCOL_ERROR, "a server push, which was disabled")

    def _expect_stream(self, number: int) -> None:
        if number % 2 == 0 or number >= self._next:
            raise ProtocolError(frames.PROTOCOL_ERROR, f"a frame on stream {number}")

    def _take_data(self, flags: int, number: int, payload: bytes) -> None:
        self._expect_stream(number)
        if flags & frames.PADDED:
            payload = frames.unpad(frames.DATA, flags, payload)
        last = flags & frames.END_STREAM != 0
        stream = self._streams.get(number)
        if stream is None or not payload:  # the stream has ended, or gains nothing
            self._count_idle_frame()
        if stream and stream.take_data(payload, last=last):
            self._end(number, last=last)

    def _take_headers(self, number: int, block: bytes, last: bool) -> None:
        stream = self._streams.get(number)
        if stream is None:  # it has ended
            self._count_idle_frame()
        elif stream.take_headers(self._blocks.read(block), last=last):
            self._end(number, last=last)
        elif not stream.headed:  # an interim answer (1xx)
            self._count_idle_frame()

    def _take_control(self, kind: int, flags: int, payload: bytes) -> None:
        """Process a frame that concerns the whole connection."""
        if kind == frames.WINDOW_UPDATE:
            self._window = _widen_window(self._window, frames.read_number(payload))
            self._pump()
        elif kind == frames.GOAWAY:
            self._go_away(frames.read_number(payload, 8), int.from_bytes(payload[4:8]))
        elif kind == frames.PING:
            if len(payload) != 8:
                raise ProtocolError(frames.FRAME_SIZE_ERROR, f"a PING of {len(payload)} bytes")
            if not flags & frames.ACK:
                self._acks += frames.build_frame(frames.PING, frames.ACK, 0, payload)
        elif not flags & frames.ACK:
            self._settle(frames.read_settings(payload))

    def _settle(self, settings: list[tuple[int, int]]) -> None:
        self._settled = True
        for name, value in settings:
            if name == frames.MAX_CONCURRENT_STREAMS:
                self._max_streams = value
            elif name == frames.INITIAL_WINDOW_SIZE:
                grown, self._initial_window = value - self._initial_window, value
                for stream in self._streams.values():
                    stream.window = _widen_window(stream.window, grown)
        # The server counts with its new windows from here on: nothing may use them before.
        self._wire.acknowledge(frames.build_frame(frames.SETTINGS, frames.ACK, 0))
        self._fill()
        self._pump()

    def _widen_stream(self, number: int, grown: int) -> None:
        self._expect_stream(number)
        if stream := self._streams.get(number):
            if not grown:
                raise ProtocolError(frames.PROTOCOL_ERROR, "a window update of 0")
            stream.window = _widen_window(stream.window, grown)
            self._pump()

    def _go_away(self, last: int, error: int) -> None:
        """Accept no more calls; those that the server will not process may be retried."""
        self.retired = True
        self.told_to_calm_down |= error == frames.ENHANCE_YOUR_CALM
        unseen = [self._streams[number] for number in self._streams if number > last]
        for stream in unseen:
            self._drop(stream.number)
        for stream in [*unseen, *self._queue]:
            stream.unprocessed = True
            stream.end(Code.UNAVAILABLE, f"The server is going away, error {error}.")
        self._queue.clear()

    # With the lock held.

    def _begin(self, stream: Stream) -> None:
        request = stream.request
        if (start := self._starts.get(request.method)) is None:
            scheme = "https" if self._wire.secure else "http"
            start = request_start(scheme, self._authority, request.method)
            self._starts[request.method] = start
        block = start + encode_timeout(request.deadline - monotonic()) + request.metadata
        head = frames.build_header_frames(self._next, block)
        stream.number, stream.window = self._next, self._initial_window
        self._next += 2
        self.retired |= self._next > LAST_STREAM
        self._streams[stream.number] = stream
        if not self._send(head + self._take_from(stream, request.message)):
            self._drop(stream.number)
            stream.unprocessed = True
            stream.end(Code.UNAVAILABLE, "The connection was lost.")

    def _take_from(self, stream: Stream, data: bytes | memoryview) -> bytes:
        """Return DATA frames as far as the windows allow; the rest stays with the stream."""
        room = max(min(self._window, stream.window), 0)
        if len(data) > room:
            data = memoryview(data)
            data, stream.unsent = data[:room], data[room:]
            self._blocked[stream.number] = stream
            if not room:
                return b""
        self._window -= len(data)
        stream.window -= len(data)
        return frames.build_data_frames(stream.number, data, last=not stream.unsent)

    def _pump(self) -> None:
        """Send data that the windows held back, each stream in turn."""
        for stream in list(self._blocked.values()) if self._window > 0 else ():
            if stream.window > 0 and self._window > 0:
                del self._blocked[stream.number]
                data, stream.unsent = stream.unsent, b""
                self._send(self._take_from(stream, data))

    def _fill(self) -> None:
        """Start waiting streams as others end."""
        while self._queue and len(self._streams) < self._max_streams:
            self._begin(self._queue.popleft())

    def _end(self, number: int, *, last: bool) -> None:
        """Remove a stream that has ended; unsent data of either side is discarded."""
        stream = self._drop(number)
        if not last or (stream and stream.unsent):
            self._reset(number)
        self._fill()

    def _drop(self, number: int) -> Stream | None:
        if self._blocked:
            self._blocked.pop(number, None)
        return self._streams.pop(number, None)

    def _reset(self, number: int) -> None:
        self._send(frames.build_frame(frames.RST_STREAM, 0, number, frames.CANCEL.to_bytes(4)))

    def _close_if_idle(self) -> None:
        if not self._streams and not self._queue:
            self._wire.shut()

    # How it ends.

    def _finish(self, reason: str, error: int) -> None:
        with self._lock:
            if error:
                self._send(frames.build_frame(frames.GOAWAY, 0, 0, bytes(4) + error.to_bytes(4)))
            self.retired = True
            for stream in self._queue:
                stream.unprocessed = True
            ended = [*self._streams.values(), *self._queue]
            self._streams.clear()
            self._queue.clear()
            for stream in ended:
                stream.end(self._end_code, f"The connection was lost: {reason}.")
        self._wire.close()
        self._retire(self)


def _widen_window(window: int, grown: int) -> int:
    if window + grown > frames.LARGEST_WINDOW_BYTES:
        raise ProtocolError(frames.FLOW_CONTROL_ERROR, "a window of more than 2^31 - 1 bytes")
    return window + grown
