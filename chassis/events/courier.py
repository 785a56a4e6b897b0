"""One attempt to deliver an event over HTTP, as Standard Webhooks 1.0.0 describes it.

POST with `webhook-id` (the same at each attempt), `webhook-timestamp` and
`webhook-signature`. An attempt takes at most 5 seconds, redirects included. Up
to four redirects (301, 302, 307, 308) are followed with the same method and
body; 303 would make a GET of it, which delivers nothing, and counts as a
failure. Every hop is checked anew; the partner's own headers stay with the
partner's own origin, and https does not turn into http. Of the answer only the
status and headers are read.

Why an attempt failed is one word: status, name, private, refused, unreachable,
tls, timeout, reset, malformed, redirects (more than four), redirect (to what is
no URL), downgrade; and of `chassis.events.dispatcher`, error: a fault of ours, in the log.
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
from datetime import datetime
from http.client import HTTPException
from time import monotonic
from typing import Any
from urllib.parse import SplitResult, urldefrag, urljoin, urlsplit

from marshmallow import ValidationError
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.exceptions import HTTPError

from chassis.events.addresses import Address, AttemptFailed, resolve
from chassis.events.endpoints import check_url, decode_secret

ATTEMPT_SECONDS = 5.0  # seconds
MAX_REDIRECTS = 4
REDIRECT_STATUSES = (301, 302, 307, 308)
DEFAULT_PORTS = {"http": 80, "https": 443}


@dataclass(frozen=True, slots=True)
class Delivery:
    """An event on its way to an endpoint."""

    url: str
    headers: dict[str, str]  # the partner's own
    secret: str
    event_id: str
    content_type: str
    body: bytes


@dataclass(frozen=True, slots=True)
class AttemptResult:
    """What came of an attempt: an HTTP status, or a word for why there is none."""

    status: int | None
    error: str | None = None


class Courier:
    """Sends parcels to public addresses, or with `private` to any."""

    def __init__(self, *, private: bool = False, timeout: float = ATTEMPT_SECONDS) -> None:
        self.private = private
        self.timeout = timeout
        self.tls = ssl.create_default_context()

    def deliver(self, parcel: Delivery, now: datetime) -> AttemptResult:
        """Try once."""
        deadline = monotonic() + self.timeout
        try:
            status = self._follow(parcel, sign(parcel, now), deadline)
        except AttemptFailed as failure:
            return AttemptResult(None, failure.word)
        except (OSError, HTTPException, HTTPError) as error:
            return AttemptResult(None, "timeout" if monotonic() >= deadline else _word(error))
        return AttemptResult(status, None if 200 <= status < 300 else "status")

    def _follow(self, parcel: Delivery, headers: dict[str, str], deadline: float) -> int:
        url, origin = parcel.url, _origin(urlsplit(parcel.url))
        for _ in range(MAX_REDIRECTS + 1):
            parts = urlsplit(url)
            own = parcel.headers if _origin(parts) == origin else {}
            sent = {"user-agent": "Optigate", **_lower(own), **headers}
            status, location = self._post(parts, sent, parcel.body, deadline)
            if status not in REDIRECT_STATUSES or location is None:
                return status
            url = _target(url, location)
        raise AttemptFailed("redirects")

    def _post(
        self, parts: SplitResult, headers: dict[str, str], body: bytes, deadline: float
    ) -> tuple[int, str | None]:
        host, port = parts.hostname or "", parts.port or DEFAULT_PORTS[parts.scheme]
        addresses = resolve(host, port, private=self.private)
        with _connected(addresses, deadline) as sock, _cut(sock, deadline):
            left = max(deadline - monotonic(), 0.001)
            connection: _Plain | _Secure
            if parts.scheme == "https":
                connection = _Secure(host, port, timeout=left, ssl_context=self.tls)
            else:
                connection = _Plain(host, port, timeout=left)
            connection.made = sock
            target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
            try:
                connection.request("POST", target, body, headers, preload_content=False)
                answer = connection.getresponse()
                if monotonic() >= deadline:  # then the head may be cut off, and looks whole
                    raise TimeoutError
                return answer.status, answer.headers.get("location")
            finally:
                connection.close()


class _Plain(HTTPConnection):
    """HTTP over a connection that is made: to an address that was checked."""

    made: socket.socket

    def _new_conn(self) -> socket.socket:
        return self.made


class _Secure(HTTPSConnection):
    """The same over TLS, where the certificate is checked for the name."""

    made: socket.socket

    def _new_conn(self) -> socket.socket:
        return self.made


def sign(parcel: Delivery, now: datetime) -> dict[str, str]:
    """The headers that Optigate sets, signature included."""
    timestamp = str(int(now.timestamp()))
    head = f"{parcel.event_id}.{timestamp}.".encode()
    digest = hmac.digest(decode_secret(parcel.secret), head + parcel.body, hashlib.sha256)
    return {
        "content-type": parcel.content_type,
        "webhook-id": parcel.event_id,
        "webhook-timestamp": timestamp,
        "webhook-signature": f"v1,{base64.b64encode(digest).decode()}",
    }


def _lower(headers: dict[str, str]) -> dict[str, str]:
    """Headers whose names can be compared with ours."""
    return {name.lower(): value for name, value in headers.items()}


def _origin(parts: SplitResult) -> tuple[str, str | None, int]:
    return parts.scheme, parts.hostname, parts.port or DEFAULT_PORTS[parts.scheme]


def _target(url: str, location: str) -> str:
    """Where a redirect leads; raises Undeliverable."""
    try:
        target = urldefrag(urljoin(url, location)).url
        check_url(target)
    except (ValueError, ValidationError):
        raise AttemptFailed("redirect") from None
    if urlsplit(url).scheme == "https" and urlsplit(target).scheme == "http":
        raise AttemptFailed("downgrade")
    return target


def _connected(addresses: list[Address], deadline: float) -> socket.socket:
    """A connection to the first address that takes one."""
    failure: OSError = TimeoutError()
    for index, (family, address) in enumerate(addresses):
        left = deadline - monotonic()
        if left <= 0:
            raise TimeoutError
        sock = socket.socket(family, socket.SOCK_STREAM)
        # One that never answers leaves time for the others.
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
def _cut(sock: socket.socket, deadline: float) -> Iterator[None]:
    """Cut the connection at the deadline: one byte a second keeps every time limit of a read."""
    twin = sock.dup()  # TLS takes the socket itself over

    def cut() -> None:
        with suppress(OSError):
            twin.shutdown(socket.SHUT_RDWR)

    timer = threading.Timer(max(deadline - monotonic(), 0), cut)
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()
        twin.close()


def _word(error: Any) -> str:
    if isinstance(error, ssl.SSLError):
        return "tls"
    if isinstance(error, TimeoutError):
        return "timeout"
    if isinstance(error, ConnectionRefusedError):
        return "refused"
    if isinstance(error, ConnectionError):
        return "reset"
    return "unreachable" if isinstance(error, OSError) else "malformed"
