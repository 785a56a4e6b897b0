"""HTTP/2 frames (RFC 9113, section 4), as pure functions between bytes and fields."""

import struct

DATA, HEADERS, PRIORITY, RST_STREAM, SETTINGS, PUSH_PROMISE, PING, GOAWAY = range(8)
WINDOW_UPDATE, CONTINUATION = 8, 9
END_STREAM = ACK = 0x1
END_HEADERS, PADDED, WITH_PRIORITY = 0x4, 0x8, 0x20

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
HEADER_TABLE_SIZE, ENABLE_PUSH, MAX_CONCURRENT_STREAMS, INITIAL_WINDOW_SIZE = range(1, 5)
MAX_FRAME_SIZE, MAX_HEADER_LIST_SIZE = 5, 6

NO_ERROR, PROTOCOL_ERROR, INTERNAL_ERROR, FLOW_CONTROL_ERROR, SETTINGS_TIMEOUT = range(5)
STREAM_CLOSED, FRAME_SIZE_ERROR, REFUSED_STREAM, CANCEL, COMPRESSION_ERROR = range(5, 10)
ENHANCE_YOUR_CALM, INADEQUATE_SECURITY = 11, 12

FRAME_BYTES = 16_384  # of payload: the size that every peer must accept
LARGEST_FRAME_BYTES = 2**24 - 1
WINDOW_BYTES = 65_535  # of both windows, until settings and updates say otherwise
LARGEST_WINDOW_BYTES = 2**31 - 1
HEAD_BYTES = 9
_HEAD = struct.Struct(">HBBBL")  # the length's upper 16 and lower 8 bits, kind, flags, stream
_SETTING = struct.Struct(">HL")

Bytes = bytes | memoryview
Frame = tuple[int, int, int, bytes]  # kind, flags, stream, payload


class ProtocolError(Exception):
    """The peer broke the protocol: the connection ends with this error code."""

    def __init__(self, code: int, message: str) -> None:
        super().__init__(message)
        self.code = code


def build_frame(kind: int, flags: int, stream: int, payload: Bytes = b"") -> bytes:
    """The bytes of one frame."""
    size = len(payload)
    return _HEAD.pack(size >> 8, size & 0xFF, kind, flags, stream) + payload


def split(data: bytes) -> tuple[list[Frame], bytes]:
    """The whole frames at the start of `data`, and the bytes that follow them."""
    found: list[Frame] = []
    at, end = 0, len(data)
    while end - at >= HEAD_BYTES:
        upper, lower, kind, flags, stream = _HEAD.unpack_from(data, at)
        size = upper << 8 | lower
        if size > FRAME_BYTES:
            raise ProtocolError(FRAME_SIZE_ERROR, f"a frame of {size} bytes")
        start = at + HEAD_BYTES
        if end - start < size:
            break
        at = start + size
        found.append((kind, flags, stream & 0x7FFFFFFF, data[start:at]))
    return found, data[at:]


def build_header_frames(stream: int, block: bytes) -> bytes:
    """A header block as HEADERS and as many CONTINUATION as it takes."""
    if len(block) <= FRAME_BYTES:
        return build_frame(HEADERS, END_HEADERS, stream, block)
    parts = [block[at : at + FRAME_BYTES] for at in range(0, len(block), FRAME_BYTES)]
    middle = b"".join(build_frame(CONTINUATION, 0, stream, part) for part in parts[1:-1])
    last = build_frame(CONTINUATION, END_HEADERS, stream, parts[-1])
    return build_frame(HEADERS, 0, stream, parts[0]) + middle + last


def build_data_frames(stream: int, data: Bytes, *, last: bool) -> bytes:
    """Bytes of a body as DATA; `last` closes the stream for the sender."""
    if len(data) <= FRAME_BYTES:
        return build_frame(DATA, END_STREAM if last else 0, stream, data)
    parts = [data[at : at + FRAME_BYTES] for at in range(0, len(data), FRAME_BYTES)]
    closing = build_frame(DATA, END_STREAM if last else 0, stream, parts.pop())
    return b"".join(build_frame(DATA, 0, stream, part) for part in parts) + closing


def build_settings_frame(settings: dict[int, int]) -> bytes:
    """A SETTINGS frame."""
    return build_frame(SETTINGS, 0, 0, b"".join(_SETTING.pack(*each) for each in settings.items()))


def read_settings(payload: bytes) -> list[tuple[int, int]]:
    """The settings of a frame in their order; raises ProtocolError for values out of range."""
    if len(payload) % _SETTING.size:
        raise ProtocolError(FRAME_SIZE_ERROR, f"SETTINGS of {len(payload)} bytes")
    settings: list[tuple[int, int]] = list(_SETTING.iter_unpack(payload))
    for name, value in settings:
        if name == INITIAL_WINDOW_SIZE and value > LARGEST_WINDOW_BYTES:
            raise ProtocolError(FLOW_CONTROL_ERROR, f"an initial window of {value} bytes")
        if name == MAX_FRAME_SIZE and not FRAME_BYTES <= value <= LARGEST_FRAME_BYTES:
            raise ProtocolError(PROTOCOL_ERROR, f"a largest frame of {value} bytes")
    return settings


def read_number(payload: bytes, size: int = 4) -> int:
    """The payload of a frame that is one 31-bit number, or starts with one."""
    if len(payload) < size or (size == 4 and len(payload) > size):
        raise ProtocolError(FRAME_SIZE_ERROR, f"a frame of {len(payload)} bytes")
    return int.from_bytes(payload[:4]) & 0x7FFFFFFF


def unpad(kind: int, flags: int, payload: bytes) -> bytes:
    """The payload of DATA or HEADERS without padding and priority."""
    if not flags & (PADDED | WITH_PRIORITY):
        return payload
    start, end = 0, len(payload)
    if flags & PADDED:
        if not payload:
            raise ProtocolError(FRAME_SIZE_ERROR, "a padded frame without a length")
        start, end = 1, end - payload[0]
    if kind == HEADERS and flags & WITH_PRIORITY:
        start += 5
    if start > end:
        raise ProtocolError(PROTOCOL_ERROR, "more padding than payload")
    return payload[start:end]
