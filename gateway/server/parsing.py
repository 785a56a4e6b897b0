"""gunicorn's HTTP parser, with a limit on the whole head and our own error texts."""

import io
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from gunicorn.http import errors, message
from gunicorn.http.body import Body, ChunkedReader
from gunicorn.http.parser import RequestParser
from gunicorn.http.wsgi import base_environ
from gunicorn.util import http_date, unquote_to_wsgi_str
from werkzeug.exceptions import (
    BadRequest,
    ClientDisconnected,
    HTTPException,
    RequestTimeout,
    default_exceptions,
)

from gateway.requests import REFUSAL

HEAD_BYTES = 64 * 1024
KEPT_BYTES = 64 * 1024  # of a body that nobody has read, for the sake of the connection
# What is remembered of a connection: lines of its heads, and how long one of them may be.
KNOWN_LINES, KNOWN_LINE_BYTES = 32, 512
KNOWN_HEAD_BYTES = 2048  # of the fields of one head, as a whole
SINGLE_FIELDS = message.RFC9110_5_3_SINGLETON_FIELDS  # may stand in a head once
NEVER_KNOWN = frozenset({"EXPECT"})  # gunicorn notes more of it than its value
NOTHING = ("", "")
REFUSALS: dict[type[Exception], tuple[int, str]] = {
    errors.InvalidRequestLine: (400, "The request line is malformed."),
    errors.InvalidRequestMethod: (400, "The method is malformed."),
    errors.InvalidHTTPVersion: (505, "Only HTTP/1.0 and HTTP/1.1 are supported."),
    errors.InvalidHeader: (400, "The header fields or the length of the body are malformed."),
    errors.InvalidHeaderName: (400, "A header field's name is malformed."),
    errors.ObsoleteFolding: (400, "A header field spans several lines."),
    errors.InvalidSchemeHeaders: (400, "Two header fields contradict each other."),
    errors.InvalidProxyLine: (400, "The PROXY line is malformed."),
    errors.InvalidProxyHeader: (400, "The PROXY header is malformed."),
    errors.ForbiddenProxyRequest: (403, "The PROXY protocol is not allowed from this address."),
    errors.ExpectationFailed: (417, "The only supported expectation is 100-continue."),
    errors.LimitRequestLine: (414, "The request line is too long."),
    errors.LimitRequestHeaders: (431, "The header fields are too many or too large."),
    errors.UnsupportedTransferCoding: (501, "The only supported transfer coding is chunked."),
    TimeoutError: (408, "The request did not arrive in time."),
}


class MissingHost(errors.ParseException):  # type: ignore[misc]  # gunicorn has no types
    """An HTTP/1.1 request without a Host header."""


REFUSALS[MissingHost] = (400, "A Host header field is required.")


class CheckedBody(Body):  # type: ignore[misc]  # gunicorn has no types
    """A body whose read errors become HTTP answers."""

    late = False

    def read(self, size: int | None = None) -> bytes:
        """Up to `size` bytes; fewer only at the end."""
        return self._read_checked(super().read, size)

    def readline(self, size: int | None = None) -> bytes:
        """The next line."""
        return self._read_checked(super().readline, size)

    def _read_checked(self, read: Callable[[int | None], bytes], size: int | None) -> bytes:
        try:
            return read(size)
        except TimeoutError:
            self.late = True
            raise RequestTimeout("The body did not arrive in time.") from None
        except OSError:
            raise ClientDisconnected("The body ends too early.") from None
        except errors.ParseException:
            raise BadRequest("The body is not validly chunked.") from None


@dataclass
class Head:
    """The header fields of a request, for the next one of its connection that has the same."""

    block: bytes
    fields: list[tuple[str, str]]
    environ: dict[str, Any] | None = None  # the WSGI environment that was made of them


class Request(message.Request):  # type: ignore[misc]  # gunicorn has no types
    """A request with a bounded head and a host, which knows how much of its body is unread."""

    max_buffer_headers: int
    limit_request_fields: int
    body: Any
    unreader: Any
    version: tuple[int, int]
    head: Head | None = None  # unless it can be no other request's

    def parse(self, unreader: Any) -> bytes:
        """Read the head; return what was read beyond it."""
        unreader.sock.reading = self
        self.max_buffer_headers = min(self.max_buffer_headers, HEAD_BYTES)
        rest: bytes = super().parse(unreader)
        if self.version >= (1, 1):
            self.version = (1, 1)  # which is how a later minor version is answered
            if not any(name == "HOST" for name, _ in self.headers):
                raise MissingHost
        return rest

    def parse_headers(self, data: bytes, from_trailer: bool = False) -> list[tuple[str, str]]:
        """Read the lines of a head, or of a trailer.

        A client sends most lines with each request of its connection: those are read once.
        """
        if from_trailer:
            return super().parse_headers(data, from_trailer)  # type: ignore[no-any-return]
        self.head = self.unreader.last_head
        if self.head is None or self.head.block != data:
            fields = self._read_fields(data)
            may_know = len(data) <= KNOWN_HEAD_BYTES
            may_know &= NEVER_KNOWN.isdisjoint(name for name, _ in fields)
            self.unreader.last_head = self.head = Head(data, fields) if may_know else None
            return fields
        return self.head.fields

    def _read_fields(self, data: bytes) -> list[tuple[str, str]]:
        known: dict[bytes, tuple[str, str]] = self.unreader.known_lines
        lines = data.split(b"\r\n")
        fresh = [line for line in lines if line not in known]
        may_know = len(lines) <= self.limit_request_fields
        if may_know and len(fresh) < len(lines):
            with suppress(errors.ParseException):  # the whole head brings the right one
                read = super().parse_headers(b"\r\n".join(fresh)) if fresh else []
                rest = iter(read)
                headers = [known.get(line) or next(rest, NOTHING) for line in lines]
                single = [name for name, _ in headers if name in SINGLE_FIELDS]
                if len(read) == len(fresh) and len(single) == len(set(single)):
                    _remember(known, fresh, read)
                    return headers
        whole: list[tuple[str, str]] = super().parse_headers(data)
        if may_know and len(whole) == len(lines):  # each line is a field of its own
            _remember(known, lines, whole)
        return whole

    def _peer_is_trusted_proxy(self) -> bool:
        """No peer is, for gunicorn: GATEWAY_PROXIES says whose headers are trusted."""
        return False

    def set_body_reader(self) -> None:
        """Choose how the body is read; raises for one that is packed before it is chunked."""
        super().set_body_reader()
        if isinstance(self.body.reader, ChunkedReader):
            codings = [value for name, value in self.headers if name == "TRANSFER-ENCODING"]
            if [each.lower() for each in codings] != ["chunked"]:
                raise errors.UnsupportedTransferCoding(", ".join(codings))
        self.body = CheckedBody(self.body.reader)

    def has_body_left(self, most: int = 0) -> bool:
        """Whether more than so many bytes of the body may still come."""
        reader = self.body.reader
        if isinstance(reader, ChunkedReader):
            return reader.parser is not None
        return bool(reader.length > most)

    def should_close(self) -> bool:
        """Whether the connection ends with the answer."""
        close: bool = super().should_close()
        return close or self.body.failed or self.has_body_left(KEPT_BYTES)


class Parser(RequestParser):  # type: ignore[misc]  # gunicorn has no types
    """Reads one request after the other."""

    mesg_class = Request
    mesg: Any
    proxy: Any = None  # from the PROXY line before the first request

    def __init__(self, cfg: Any, source: Any, source_addr: Any) -> None:
        super().__init__(cfg, source, source_addr)
        self.unreader.known_lines, self.unreader.last_head = {}, None
        self.unreader.environ = None  # what the connection brings to each WSGI environment

    def __next__(self) -> Any:
        request = super().__next__()
        self.proxy = request.proxy_protocol_info = request.proxy_protocol_info or self.proxy
        return request

    def skip_body(self) -> bool:
        """Discard the unread rest of a body; returns whether another request may follow."""
        if self.mesg.has_body_left() or self.mesg.body.failed:
            try:
                if not self.finish_body(max_bytes=KEPT_BYTES + 1):
                    return False
            except HTTPException:
                return False
        self.mesg = None  # or its body would be finished once more
        return True

    def count_buffered(self) -> int:
        """How many bytes of the next request were read with this one."""
        size: int = self.unreader.buf.getbuffer().nbytes
        return size


def _remember(
    known: dict[bytes, tuple[str, str]],
    lines: Iterable[bytes],
    headers: Iterable[tuple[str, str]],
) -> None:
    """Keep what has been read of lines; all is forgotten when it becomes too much."""
    for line, header in zip(lines, headers, strict=True):
        if len(line) <= KNOWN_LINE_BYTES and header[0] not in NEVER_KNOWN:
            if len(known) >= KNOWN_LINES:
                known.clear()
            known[line] = header


def build_refusal_environ(
    cfg: Any, listener: Any, address: Any, request: Any, error: Exception
) -> dict[str, Any]:
    """The WSGI environment in which the application refuses what gunicorn cannot read.

    Of the `request` it holds the method, the path and the id, as far as they are known.
    """
    status, text = REFUSALS.get(type(error), (500, "Something went wrong."))
    server = listener if isinstance(listener, tuple) else (str(listener), 0)
    return {
        **base_environ(cfg),
        "REQUEST_METHOD": (request and request.method) or "GET",
        "SCRIPT_NAME": "",
        "PATH_INFO": unquote_to_wsgi_str((request and request.path) or "/"),
        "QUERY_STRING": "",
        "SERVER_PROTOCOL": "HTTP/1.1",
        "SERVER_NAME": server[0],
        "SERVER_PORT": str(server[1]),
        "REMOTE_ADDR": address[0] if isinstance(address, tuple) else "",
        "HTTP_X_REQUEST_ID": dict(request.headers).get("X-REQUEST-ID", "") if request else "",
        "wsgi.url_scheme": "https" if cfg.is_ssl else "http",
        "wsgi.input": io.BytesIO(),
        REFUSAL: default_exceptions[status](text),
    }


def build_refusal(app: Any, environ: dict[str, Any]) -> bytes:
    """The application's answer in that environment, as it goes over the wire."""
    sent: list[bytes] = []

    def start_response(line: str, headers: list[tuple[str, str]], _: Any = None) -> Any:
        head = [f"HTTP/1.1 {line}", f"Date: {http_date()}", "Connection: close"]
        head += [f"{name}: {value}" for name, value in headers]
        sent.append("\r\n".join([*head, "", ""]).encode("latin-1"))
        return sent.append

    answer = app(environ, start_response)
    return b"".join([*sent, *answer])
