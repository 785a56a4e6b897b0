"""Header blocks: written ones are read back, and equal ones are parsed once."""

import base64
from contextlib import suppress

import hpack
import pytest
from hypothesis import given
from hypothesis import strategies as some

from gateway.channel.frames import ProtocolError
from gateway.channel.headers import (
    MEMO_BLOCK_BYTES,
    MEMO_BLOCKS,
    BlockReader,
    encode_timeout,
    request_metadata,
    request_start,
)
from tests.gateway.channel.peers import HEAD, OK, literal

NAMES = some.from_regex(r"x-[a-z0-9_.-]{1,20}", fullmatch=True).filter(
    lambda name: not name.endswith("-bin")
)
VALUES = some.text(some.characters(min_codepoint=0x20, max_codepoint=0x7E), max_size=400)


def read_back(block: bytes) -> list[tuple[bytes, bytes]]:
    """Return a block as hpack decodes it."""
    return [(bytes(each[0]), bytes(each[1])) for each in hpack.Decoder().decode(block, raw=True)]


@given(some.lists(some.tuples(NAMES, VALUES), max_size=6))
def test_metadata_reads_back(metadata: list[tuple[str, str]]) -> None:
    expected = [(name.encode(), value.encode()) for name, value in metadata]
    assert read_back(request_metadata(metadata)) == expected


@given(some.binary(max_size=300))
def test_binary_metadata_is_base64_without_padding(value: bytes) -> None:
    [(name, packed)] = read_back(request_metadata([("x-bin", value)]))
    assert (name, base64.b64decode(packed + b"==")) == (b"x-bin", value)
    assert b"=" not in packed


def test_a_request_says_what_grpc_asks_for() -> None:
    assert read_back(request_start("http", "orders:50052", "/orders.OrderService/Get")) == [
        (b":method", b"POST"),
        (b":scheme", b"http"),
        (b":path", b"/orders.OrderService/Get"),
        (b":authority", b"orders:50052"),
        (b"te", b"trailers"),
        (b"content-type", b"application/grpc"),
        (b"user-agent", b"optigate"),
    ]


def test_authorization_is_never_indexed() -> None:
    block = request_metadata([("authorization", "Basic secret")])
    [field] = hpack.Decoder().decode(block, raw=True)
    assert isinstance(field, hpack.NeverIndexedHeaderTuple)
    assert tuple(field) == (b"authorization", b"Basic secret")


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("x", "two\nlines"), ("x", "é"), ("x", "\0"), ("x", b"bytes"), ("X-Upper", "x"), ("", "x"),
        (":path", "/"), ("te", "gzip"), ("content-type", "x"), ("grpc-timeout", "1S"), ("a b", "x"),
    ],
)  # fmt: skip
def test_metadata_outside_grpcs_alphabet_is_refused(name: str, value: str | bytes) -> None:
    with pytest.raises(ValueError, match="metadata"):
        request_metadata([(name, value)])


@given(some.floats(-1, 1e12))
def test_a_timeout_has_at_most_eight_digits_and_is_never_longer(seconds: float) -> None:
    [(_, value)] = read_back(encode_timeout(seconds))
    number, unit = int(value[:-1]), value[-1:].decode()
    assert len(value) <= 9
    assert number >= 1
    told = number * {"u": 1e-6, "m": 1e-3, "S": 1}[unit]
    assert told <= max(seconds, 1e-6) * (1 + 1e-9)
    assert told >= min(seconds, 99_999_999) * 0.99998 - 1e-6


@given(some.binary(max_size=300))
def test_any_block_is_headers_or_an_error(block: bytes) -> None:
    reader = BlockReader()
    for _ in range(2):
        with suppress(ProtocolError):
            reader.read(block)


def test_equal_blocks_are_read_once() -> None:
    reader = BlockReader()
    assert reader.read(HEAD) is reader.read(bytes(HEAD))
    assert reader.read(b"\x20" + HEAD) is not reader.read(b"\x20" + HEAD)
    large = literal("x", "y" * 120) * 5
    assert len(large) > MEMO_BLOCK_BYTES
    assert reader.read(large) is not reader.read(large)


def test_the_memo_is_bounded() -> None:
    reader = BlockReader()
    for number in range(MEMO_BLOCKS * 3):
        reader.read(OK + literal("x", str(number)))
    assert len(reader._memo) <= MEMO_BLOCKS


def test_nothing_is_kept_in_a_table() -> None:
    reader = BlockReader()
    reader.read(b"\x40" + literal("x", "y")[1:])
    with pytest.raises(ProtocolError):
        reader.read(b"\xbe")
