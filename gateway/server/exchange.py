"""What gunicorn makes of a request and of its answer, without making it anew each time."""

import re
from functools import lru_cache
from time import time
from typing import Any

from gunicorn.http import wsgi
from gunicorn.http.errors import InvalidResponseHeader
from gunicorn.util import hop_headers, http_date, unquote_to_wsgi_str

from chassis.telemetry import describe, log

FIELDS = re.compile(r"(?:[!#-'*+.^`|~\w-]+: [ \t\x21-\x7e\x80-\xff]*\r\n)*", re.ASCII)
CONTENT_FIELDS = ("CONTENT_TYPE", "CONTENT_LENGTH")
EARLY_HINTS = "wsgi.early_hints"


class Answer(wsgi.Response):  # type: ignore[misc]  # gunicorn has no types
    """An answer on its way to the client; its fields are checked together, as they are sent."""

    headers_sent: bool

    def process_headers(self, headers: list[tuple[str, str]]) -> None:
        """Take the application's fields, except those that are between us and the client."""
        for name, value in headers:
            lower = name.lower()
            if lower == "content-length":
                self.response_length = int(value)
            if lower not in hop_headers:
                self.headers.append((name, value))

    def send_headers(self) -> None:
        """Send the head, once; raises InvalidResponseHeader for one that would be read as more."""
        if self.headers_sent:
            return
        fields = "".join([f"{name}: {value}\r\n" for name, value in self.headers])
        if FIELDS.fullmatch(fields) is None or fields.count("\n") != len(self.headers):
            raise InvalidResponseHeader("of the application")
        head = f"{''.join(self.default_headers())}{fields}\r\n"
        self.sock.sendall(head.encode("latin-1"))
        self.headers_sent = True

    def default_headers(self) -> list[str]:
        """Return the status line and the fields that do not come from the application."""
        major, minor = self.req.version
        lines = [
            f"HTTP/{major}.{minor} {self.status}\r\n",
            f"Server: {self.version}\r\n",
            f"Date: {_write_date(int(time()))}\r\n",
            f"Connection: {'close' if self.should_close() else 'keep-alive'}\r\n",
        ]
        if self.chunked:
            lines.append("Transfer-Encoding: chunked\r\n")
        return lines


@lru_cache(maxsize=1)
def _write_date(second: int) -> str:
    return str(http_date(second))


def begin_answer(
    request: Any, connection: Any, address: Any, listener: Any, cfg: Any
) -> tuple[Answer, dict[str, Any]]:
    """Return the answer to be filled, and the WSGI environment of its request.

    Where the header fields are those of the request before, all that follows from
    them is taken over; where they are others, what the connection itself brings.
    """
    head, source = request.head, request.unreader
    if head is None or source.environ is None:
        answer, asked = wsgi.create(request, connection, address, listener, cfg, Answer)
        asked["wsgi.multithread"] = True
        del asked[EARLY_HINTS]  # belongs to one answer
        # gunicorn checks a path for its SCRIPT_NAME, and behind a Unix socket the name of the
        # server is the Host of a request.
        if not asked["SCRIPT_NAME"] and isinstance(listener, tuple):
            source.environ = {name: asked[name] for name in asked if not _is_field(name)}
        return answer, asked
    if head.environ is None:
        head.environ = source.environ | _build_fields(request.headers)
    return Answer(request, connection, cfg), {
        **head.environ,
        "wsgi.input": request.body,
        "REQUEST_METHOD": request.method,
        "QUERY_STRING": request.query,
        "RAW_URI": request.uri,
        "SERVER_PROTOCOL": f"HTTP/{request.version[0]}.{request.version[1]}",
        "PATH_INFO": unquote_to_wsgi_str(request.path),
    }


def _is_field(name: str) -> bool:
    return name.startswith(("HTTP_", "CONTENT_"))


def _build_fields(fields: list[tuple[str, str]]) -> dict[str, str]:
    """Return header fields by their names in a WSGI environment; repeated ones are joined."""
    found: dict[str, str] = {}
    for field, value in fields:
        name = field.replace("-", "_")
        if name not in CONTENT_FIELDS:
            name = f"HTTP_{name}"
            if name in found:
                value = f"{found[name]},{value}"
        found[name] = value
    return found


def send_answer(app: Any, answer: Answer, environ: dict[str, Any]) -> None:
    """Send what the application answers; a body that it breaks off ends the connection."""
    parts = app(environ, answer.start_response)
    try:
        for part in parts:
            answer.write(part)
        answer.close()
    except OSError:
        raise
    except Exception as error:
        if not answer.headers_sent:
            raise
        log().error("crash", **describe(error))
        raise ConnectionAbortedError from None
    finally:
        if hasattr(parts, "close"):
            parts.close()
