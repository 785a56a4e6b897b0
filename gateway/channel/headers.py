"""Header blocks (RFC 7541): requests are written by hand, answers are read by hpack.

No dynamic table is used on either side: the channel announces a size of 0, and a
block that refers to one is an error of the connection. So equal blocks mean equal
headers, and parsed blocks are cached.
"""

import base64
import binascii
import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from urllib.parse import unquote_to_bytes

from hpack import Decoder, HPACKError

from gateway.channel.frames import COMPRESSION_ERROR, ProtocolError

Metadata = Sequence[tuple[str, str | bytes]]
DETAILS = "grpc-status-details-bin"
MAX_HEADER_LIST_BYTES = 64 * 1024
MEMO_BLOCKS, MEMO_BLOCK_BYTES = 256, 512
NEVER_INDEXED = {"authorization": b"\x1f\x08"}  # the static table's 23, never to be indexed
_SCHEMES = {"http": b"\x83\x86", "https": b"\x83\x87"}  # with `:method: POST` ahead
_KEY = re.compile(r"[0-9a-z_.-]+")
_RESERVED = re.compile(r"grpc-|te$|content-type$|user-agent$")
_UNITS = ((b"u", 1e6), (b"m", 1e3), (b"S", 1.0))
_TIMEOUT = b"\0\x0cgrpc-timeout"  # a value follows
MOST_UNITS = 99_999_999


@dataclass(frozen=True, slots=True)
class Headers:
    """One header block of an answer."""

    status: str  # of HTTP; "" in trailers that follow a message
    content_type: str
    grpc_status: str | None
    message: str
    details: bytes | None  # google.rpc.Status
    metadata: tuple[tuple[str, str | bytes], ...]  # without the headers of HTTP and gRPC themselves


class BlockReader:
    """Reads the header blocks of one connection."""

    def __init__(self) -> None:
        self._decoder = Decoder(MAX_HEADER_LIST_BYTES)
        self._decoder.header_table_size = 0
        self._decoder.max_allowed_table_size = 0
        self._memo: dict[bytes, Headers] = {}

    def read(self, block: bytes) -> Headers:
        """The headers of a block; raises ProtocolError when it cannot be read."""
        if (found := self._memo.get(block)) is not None:
            return found
        try:
            fields = list(self._decoder.decode(block, raw=True))
        except HPACKError as error:
            raise ProtocolError(COMPRESSION_ERROR, f"a header block: {error}") from error
        headers = _build_headers([(bytes(each[0]), bytes(each[1])) for each in fields])
        resizes = block[:1] >= b"\x20" and block[:1] < b"\x40"
        if len(block) <= MEMO_BLOCK_BYTES and not resizes:
            if len(self._memo) >= MEMO_BLOCKS:
                self._memo.clear()
            self._memo[block] = headers
        return headers


def _build_headers(fields: list[tuple[bytes, bytes]]) -> Headers:
    texts = [(_decode_text(name), _decode_text(value)) for name, value in fields]
    by_name = dict(texts)
    own = {"content-type", "grpc-status", "grpc-message", "grpc-encoding", "grpc-accept-encoding"}
    metadata = [
        (name, _decode_binary(value) if name.endswith("-bin") else value)
        for name, value in texts
        if name not in own and not name.startswith(":")
    ]
    details = dict(metadata).get(DETAILS)
    return Headers(
        by_name.get(":status", ""),
        by_name.get("content-type", ""),
        by_name.get("grpc-status"),
        _decode_text(unquote_to_bytes(by_name.get("grpc-message", ""))),
        details if isinstance(details, bytes) else None,
        tuple(metadata),
    )


def _decode_text(data: bytes) -> str:
    return data.decode("utf-8", "replace")


def _decode_binary(value: str) -> bytes:
    """Return the bytes of a `-bin` value; empty if it is not base64."""
    try:
        return base64.b64decode(value.encode() + b"==")
    except binascii.Error:
        return b""


def request_start(scheme: str, authority: str, path: str) -> bytes:
    """The fields that all calls of one method on one connection share."""
    return (
        _SCHEMES[scheme]
        + b"\x04"
        + _encode_string(path.encode("ascii"))
        + b"\x01"
        + _encode_string(authority.encode("ascii"))
        + _encode_literal(b"te", b"trailers")
        + _encode_literal(b"content-type", b"application/grpc")
        + _encode_literal(b"user-agent", b"optigate")
    )


def request_metadata(metadata: Metadata) -> bytes:
    """The caller's metadata; raises ValueError for what gRPC does not carry."""
    return b"".join([_encode_field(name, value) for name, value in metadata])


def _encode_field(name: str, value: str | bytes) -> bytes:
    if isinstance(value, str) and value.isascii() and value.isprintable():
        return _name(name) + _encode_string(value.encode("ascii"))
    if isinstance(value, bytes) and name.endswith("-bin"):
        return _name(name) + _encode_string(base64.b64encode(value).rstrip(b"="))
    raise ValueError(f"metadata {name!r} must be printable ASCII, or bytes of a -bin name")


@lru_cache
def _name(name: str) -> bytes:
    """Return the encoded beginning of a field with this name."""
    if not _KEY.fullmatch(name) or _RESERVED.match(name):
        raise ValueError(f"metadata cannot be named {name!r}")
    return NEVER_INDEXED.get(name) or b"\0" + _encode_string(name.encode("ascii"))


def encode_timeout(seconds: float) -> bytes:
    """The `grpc-timeout` header: at most 8 digits and a unit, never more than what is left."""
    for unit, scale in _UNITS:
        if seconds * scale <= MOST_UNITS:
            value = b"%d%s" % (max(seconds * scale, 1), unit)
            return _TIMEOUT + bytes((len(value),)) + value
    return _TIMEOUT + b"\x09%dS" % MOST_UNITS


def _encode_literal(name: bytes, value: bytes) -> bytes:
    """Encode a field with a new name that enters no table."""
    return b"\0" + _encode_string(name) + _encode_string(value)


def _encode_string(text: bytes) -> bytes:
    """Encode a string without Huffman coding, preceded by its length."""
    size = len(text)
    if size < 127:
        return bytes((size,)) + text
    packed, size = bytearray(b"\x7f"), size - 127
    while size >= 128:
        packed.append(size & 127 | 128)
        size >>= 7
    return bytes(packed) + bytes((size,)) + text
