"""As much of HTTP/2 (RFC 9113) and its header compression (RFC 7541) as unary gRPC calls need."""

from collections.abc import Mapping

DATA, HEADERS, RESET, SETTINGS, PING, GOAWAY, WINDOW_UPDATE = 0, 1, 3, 4, 6, 7, 8
END_STREAM, END_HEADERS, ACK = 1, 4, 1

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
NO_TABLE = b"\0\1" + bytes(4)  # SETTINGS_HEADER_TABLE_SIZE 0
WIDE_WINDOW = b"\0\4\x7f\xff\xff\xff"  # SETTINGS_INITIAL_WINDOW_SIZE 2^31 - 1
INITIAL_WINDOW_BYTES, MAX_WINDOW_BYTES = 65_535, 2**31 - 1
FRAME_HEAD_BYTES, MAX_FRAME_BYTES = 9, 16_384

POST_OVER_HTTP = b"\x83\x86"  # :method POST and :scheme http, both in the static table
FIRST_DYNAMIC_INDEX = 62
_REMEMBERED, _LITERAL = b"\x40", b"\x00"


def build_frame(kind: int, flags: int, stream: int, payload: bytes) -> bytes:
    """Return one frame."""
    head = len(payload).to_bytes(3) + bytes((kind, flags)) + stream.to_bytes(4)
    return head + payload


def build_opening() -> bytes:
    """Return what a client sends first: no header table for the server, and wide windows.

    Without a table the server writes each header block in full, so there is no state to keep.
    """
    grant = (MAX_WINDOW_BYTES - INITIAL_WINDOW_BYTES).to_bytes(4)
    settings = build_frame(SETTINGS, 0, 0, NO_TABLE + WIDE_WINDOW)
    return PREFACE + settings + build_frame(WINDOW_UPDATE, 0, 0, grant)


def encode_remembered_fields(fields: Mapping[str, str]) -> bytes:
    """Encode header fields that the receiver enters into its table."""
    return b"".join(
        _REMEMBERED + _encode_text(name) + _encode_text(value) for name, value in fields.items()
    )


def encode_literal_fields(fields: Mapping[str, str]) -> bytes:
    """Encode header fields that leave the receiver's table as it is."""
    return b"".join(
        _LITERAL + _encode_text(name) + _encode_text(value) for name, value in fields.items()
    )


def encode_indexed_fields(count: int) -> bytes:
    """Encode references to the `count` fields that the receiver has remembered, oldest first."""
    return bytes(0x80 | FIRST_DYNAMIC_INDEX + index for index in reversed(range(count)))


def _encode_text(text: str) -> bytes:
    """Encode a string without Huffman codes, after its length."""
    size = len(text)
    if size < 127:
        return bytes((size,)) + text.encode("ascii")
    packed, size = b"\x7f", size - 127
    while size >= 128:
        packed += bytes((size & 127 | 128,))
        size >>= 7
    return packed + bytes((size,)) + text.encode("ascii")
