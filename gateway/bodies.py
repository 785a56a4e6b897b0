"""Request bodies: reading them from the wire, their size limit and their compression."""

import zlib
from codecs import BOM_UTF8
from functools import cached_property
from urllib.parse import parse_qsl

from flask import Request, current_app, request
from werkzeug.datastructures import ImmutableMultiDict
from werkzeug.exceptions import ClientDisconnected, RequestEntityTooLarge, UnsupportedMediaType

from chassis.errors import Fault, Invalid
from chassis.messages.reader import MALFORMED

PLAIN_ENCODINGS = ("", "identity")
GZIP_ENCODINGS = ("gzip", "x-gzip")
FORM_TYPE = "application/x-www-form-urlencoded"
NOT_READ = "Send JSON, with Content-Type: application/json; multipart, XML and forms are not read."
NO_FORM = f"Send a form of type {FORM_TYPE}."
# The largest form edits every field of an order: up to 93 KiB and 364 fields, were all its texts
# as long as they may be and of four-byte characters. The costliest of 128 KiB takes 30 ms.
MAX_FORM_BYTES = 128 * 1024
MAX_FORM_FIELDS = 1000
GZIP_WINDOW = 31  # zlib's word for: with a gzip header, of any window


class PageRequest(Request):
    """A request whose form is read within limits, and in the codings of the APIs."""

    @cached_property
    def form(self) -> ImmutableMultiDict[str, str]:
        """The form of a page, empty for a body of another type; raises 415 for multipart."""
        if self.mimetype.startswith("multipart/"):
            raise UnsupportedMediaType(NO_FORM)
        body = read_body(MAX_FORM_BYTES) if self.mimetype == FORM_TYPE else b""
        return ImmutableMultiDict(parse_form(body, MAX_FORM_FIELDS))


def read_body(limit: int | None = None) -> bytes:
    """The body of the request at hand, unpacked and without a byte order mark.

    Raises 413 for one beyond the limit, or else MAX_CONTENT_LENGTH, packed or not, 415
    for a coding other than gzip, and Invalid for one that claims gzip and is not.
    """
    coding = request.headers.get("Content-Encoding", "").strip().lower()
    if coding not in PLAIN_ENCODINGS + GZIP_ENCODINGS:
        raise UnsupportedMediaType("Send the body as it is, or with Content-Encoding: gzip.")
    if limit is None:
        limit = current_app.config["MAX_CONTENT_LENGTH"]
    body = receive_body(limit)
    if coding in GZIP_ENCODINGS and body:
        body = _unpack(body, limit)
    return body.removeprefix(BOM_UTF8)


def parse_form(body: bytes, max_fields: int) -> list[tuple[str, str]]:
    """Return the names and values in a form.

    Raises 413 for one of more fields, and Invalid for one that is not in UTF-8.
    """
    if body.count(b"&") >= max_fields:
        raise RequestEntityTooLarge(f"The form has more than {max_fields} fields.")
    try:
        return parse_qsl(body.decode(), keep_blank_values=True, errors="strict")
    except ValueError:
        raise Invalid("The body is not a form in UTF-8.") from None


def is_form(body: bytes) -> bool:
    """Return whether the body is a form; JSON under its type, as curl sends it, is none."""
    return request.mimetype == FORM_TYPE and not body.lstrip().startswith((b"{", b"["))


def check_type(body: bytes, advice: str = NOT_READ) -> None:
    """Raise 415 for multipart, XML and forms; a body of any other type is read as JSON.

    `advice` says what to send instead.
    """
    kind = request.mimetype
    is_foreign = kind.startswith("multipart/") or kind.endswith(("/xml", "+xml"))
    if body and (is_foreign or is_form(body)):
        raise UnsupportedMediaType(advice)


def receive_body(limit: int) -> bytes:
    """Return the bytes as they were received; a chunked body is counted while it is read."""
    length, stream = request.content_length, request.environ["wsgi.input"]
    if length is None:
        if not request.environ.get("wsgi.input_terminated"):
            return b""
        body: bytes = stream.read(limit + 1)
    elif length > limit:
        raise _build_too_large(limit)
    else:
        body = stream.read(length)
        if len(body) < length:
            raise ClientDisconnected("The body is shorter than its Content-Length.")
    if len(body) > limit:
        raise _build_too_large(limit)
    return body


def _unpack(packed: bytes, limit: int) -> bytes:
    """The content of exactly one gzip member, never more than one byte beyond the limit."""
    unpack = zlib.decompressobj(GZIP_WINDOW)
    try:
        body = unpack.decompress(packed, limit + 1)
    except zlib.error:
        raise _build_not_gzip() from None
    if len(body) > limit:
        raise _build_too_large(limit)
    if not unpack.eof or unpack.unused_data:
        raise _build_not_gzip()
    return body


def _build_too_large(limit: int) -> RequestEntityTooLarge:
    return RequestEntityTooLarge(f"The body exceeds the limit of {limit} bytes.")


def _build_not_gzip() -> Invalid:
    faults = [Fault("", "The body is not gzip.")]
    return Invalid("The request is malformed.", reason=MALFORMED, faults=faults)
