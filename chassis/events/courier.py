"""One attempt to deliver an event over HTTP, as Standard Webhooks 1.0.0 describes it.

A POST with `webhook-id` (the same in each attempt), `webhook-timestamp` and
`webhook-signature`. An attempt takes at most 5 seconds, redirects included. Up
to four redirects (301, 302, 307, 308) are followed with the same method and
body; 303 would turn it into a GET, which delivers nothing, and counts as a
failure. The address of every hop is checked; the partner's own headers go to
the partner's own origin only, and https never becomes http. Only the status and
headers of the response are read.

An attempt fails with one of these reasons: status, name, private, refused,
unreachable, tls, timeout, reset, malformed, redirects (more than four), redirect
(to an invalid URL), downgrade; `chassis.events.dispatcher` adds error, a fault of
ours that is in the log.
"""

import base64
import hashlib
import hmac
import socket
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from functools import cached_property
from time import monotonic
from typing import TYPE_CHECKING, Any
from urllib.parse import SplitResult, urldefrag, urljoin, urlsplit

from marshmallow import ValidationError

from chassis.events.addresses import Address, AttemptFailed, resolve
from chassis.events.endpoints import check_url, decode_secret
from chassis.spans.recording import inject

if TYPE_CHECKING:
    from chassis.events.connections import Plain, Secure

ATTEMPT_SECONDS = 5.0
MAX_REDIRECTS = 4
REDIRECT_STATUSES = (301, 302, 307, 308)
DEFAULT_PORTS = {"http": 80, "https": 443}


@dataclass(frozen=True, slots=True)
class Delivery:
    """A leased event, addressed to its endpoint."""

    url: str
    headers: dict[str, str]  # those that the partner has configured
    secret: str
    event_id: str
    content_type: str
    body: bytes


@dataclass(frozen=True, slots=True)
class AttemptResult:
    """The HTTP status of an attempt, and the reason if it failed."""

    status: int | None
    error: str | None = None
    retry_after: timedelta | None = None  # what a failed answer asks for


@dataclass(frozen=True, slots=True)
class _Answer:
    """What matters of an HTTP response."""

    status: int
    location: str | None
    retry_after: str | None


class Courier:
    """Makes attempts: to public addresses only, or with `private` to any."""

    def __init__(self, *, private: bool = False, timeout: float = ATTEMPT_SECONDS) -> None:
        self.private = private
        self.timeout = timeout

    @cached_property
    def tls(self) -> ssl.SSLContext:
        """The context of every https connection."""
        return ssl.create_default_context()

    def deliver(self, delivery: Delivery, now: datetime) -> AttemptResult:
        """Make one attempt."""
        # A service that has nothing to deliver does without urllib3.
        from chassis.events.connections import HTTP_ERRORS

        deadline = monotonic() + self.timeout
        try:
            answer = self._follow(delivery, {**sign(delivery, now), **inject()}, deadline)
        except AttemptFailed as failure:
            return AttemptResult(None, failure.reason)
        except (OSError, *HTTP_ERRORS) as error:
            return AttemptResult(None, "timeout" if monotonic() >= deadline else _classify(error))
        if 200 <= answer.status < 300:
            return AttemptResult(answer.status)
        return AttemptResult(answer.status, "status", parse_retry_after(answer.retry_after, now))

    def _follow(self, delivery: Delivery, headers: dict[str, str], deadline: float) -> "_Answer":
        url, origin = delivery.url, _find_origin(urlsplit(delivery.url))
        for _ in range(MAX_REDIRECTS + 1):
            parts = urlsplit(url)
            own = delivery.headers if _find_origin(parts) == origin else {}
            sent = {"user-agent": "Optigate", **_lower_names(own), **headers}
            answer = self._post(parts, sent, delivery.body, deadline)
            if answer.status not in REDIRECT_STATUSES or answer.location is None:
                return answer
            url = _find_target(url, answer.location)
        raise AttemptFailed("redirects")

    def _post(
        self, parts: SplitResult, headers: dict[str, str], body: bytes, deadline: float
    ) -> "_Answer":
        opened = open_connection(parts, deadline, private=self.private, tls=self.tls)
        with opened as connection:
            target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
            connection.request("POST", target, body, headers, preload_content=False)
            answer = connection.getresponse()
            if monotonic() >= deadline:  # then the head may be truncated and look complete
                raise TimeoutError
            headers_in = answer.headers
            return _Answer(answer.status, headers_in.get("location"), headers_in.get("retry-after"))


def sign(delivery: Delivery, now: datetime) -> dict[str, str]:
    """Return the headers that Optigate sets, signature included."""
    timestamp = str(int(now.timestamp()))
    head = f"{delivery.event_id}.{timestamp}.".encode()
    digest = hmac.digest(decode_secret(delivery.secret), head + delivery.body, hashlib.sha256)
    return {
        "content-type": delivery.content_type,
        "webhook-id": delivery.event_id,
        "webhook-timestamp": timestamp,
        "webhook-signature": f"v1,{base64.b64encode(digest).decode()}",
    }


def parse_retry_after(value: str | None, now: datetime) -> timedelta | None:
    """The wait that a Retry-After asks for (RFC 9110); None unless it has seconds or a date."""
    if value is None:
        return None
    if value.isascii() and value.isdecimal():
        return timedelta(seconds=int(value[:9]))
    try:
        at = parsedate_to_datetime(value)
    except ValueError:
        return None
    return max(at.replace(tzinfo=at.tzinfo or UTC) - now, timedelta(0))


def _lower_names(headers: dict[str, str]) -> dict[str, str]:
    """Lower-case the names of headers, to compare them with ours."""
    return {name.lower(): value for name, value in headers.items()}


def _find_origin(parts: SplitResult) -> tuple[str, str | None, int]:
    return parts.scheme, parts.hostname, parts.port or DEFAULT_PORTS[parts.scheme]


def _find_target(url: str, location: str) -> str:
    """The URL that a redirect leads to; raises AttemptFailed."""
    try:
        target = urldefrag(urljoin(url, location)).url
        check_url(target)
    except (ValueError, ValidationError):
        raise AttemptFailed("redirect") from None
    if urlsplit(url).scheme == "https" and urlsplit(target).scheme == "http":
        raise AttemptFailed("downgrade")
    return target


def connect(addresses: list[Address], deadline: float) -> socket.socket:
    """Connect to the first address that accepts."""
    failure: OSError = TimeoutError()
    for index, (family, address) in enumerate(addresses):
        left = deadline - monotonic()
        if left <= 0:
            raise TimeoutError
        sock = socket.socket(family, socket.SOCK_STREAM)
        # An unresponsive address leaves time for the others.
        sock.settimeout(left / (len(addresses) - index))
        try:
            sock.connect(address)
        except OSError as error:
            failure = error
            sock.close()
        else:
            sock.settimeout(max(deadline - monotonic(), 0.001))
            return sock
    raise failure


@contextmanager
def open_connection(
    parts: SplitResult, deadline: float, *, private: bool, tls: ssl.SSLContext
) -> "Iterator[Plain | Secure]":
    """Open a connection for one request to a checked address; it is shut at the deadline.

    Raises AttemptFailed for an address that is not allowed or not found; `private` allows any.
    """
    # What delivers nothing does without urllib3.
    from chassis.events.connections import Plain, Secure

    host, port = parts.hostname or "", parts.port or DEFAULT_PORTS[parts.scheme]
    addresses = resolve(host, port, private=private)
    with connect(addresses, deadline) as sock, _cut_at(sock, deadline):
        left = max(deadline - monotonic(), 0.001)
        connection: Plain | Secure
        if parts.scheme == "https":
            connection = Secure(host, port, timeout=left, ssl_context=tls)
        else:
            connection = Plain(host, port, timeout=left)
        connection.sock_to_use = sock
        try:
            yield connection
        finally:
            connection.close()


@contextmanager
def _cut_at(sock: socket.socket, deadline: float) -> Iterator[None]:
    """Shut the connection at the deadline: one byte a second would pass every read timeout."""
    twin = sock.dup()  # TLS takes over the socket itself

    def shut() -> None:
        with suppress(OSError):
            twin.shutdown(socket.SHUT_RDWR)

    timer = threading.Timer(max(deadline - monotonic(), 0), shut)
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()
        twin.close()


def _classify(error: Any) -> str:
    if isinstance(error, ssl.SSLError):
        return "tls"
    if isinstance(error, TimeoutError):
        return "timeout"
    if isinstance(error, ConnectionRefusedError):
        return "refused"
    if isinstance(error, ConnectionError):
        return "reset"
    return "unreachable" if isinstance(error, OSError) else "malformed"
