"""Frames and header blocks, byte by byte."""

from bench.load.http2 import (
    END_HEADERS,
    FIRST_DYNAMIC_INDEX,
    HEADERS,
    build_frame,
    encode_indexed_fields,
    encode_literal_fields,
    encode_remembered_fields,
)


def test_a_frame_is_its_head_and_its_payload() -> None:
    assert build_frame(HEADERS, END_HEADERS, 3, b"abc") == b"\0\0\x03\x01\x04\0\0\0\x03abc"


def test_fields_are_remembered_or_not() -> None:
    assert encode_remembered_fields({"te": "trailers"}) == b"\x40\x02te\x08trailers"
    assert encode_literal_fields({"te": "trailers"}) == b"\x00\x02te\x08trailers"


def test_remembered_fields_are_named_by_index_oldest_first() -> None:
    assert encode_indexed_fields(3) == bytes(
        0x80 | FIRST_DYNAMIC_INDEX + index for index in (2, 1, 0)
    )


def test_a_long_value_has_a_length_of_several_bytes() -> None:
    assert encode_literal_fields({"a": "x" * 300})[:6] == b"\x00\x01a\x7f\xad\x01"
