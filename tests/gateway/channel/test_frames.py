"""Frames travel whole, however the bytes are cut."""

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as some

from gateway.channel import frames
from gateway.channel.frames import ProtocolError

FRAMES = some.tuples(
    some.integers(0, 255),
    some.integers(0, 255),
    some.integers(0, 2**31 - 1),
    some.binary(max_size=300),
)


@given(some.lists(FRAMES, max_size=8), some.data())
def test_frames_survive_any_split(sent: list[frames.Frame], data: some.DataObject) -> None:
    stream = b"".join(frames.build_frame(*each) for each in sent)
    cuts = sorted(data.draw(some.lists(some.integers(0, len(stream)), max_size=12)))
    found, rest = [], b""
    for start, end in zip([0, *cuts], [*cuts, len(stream)], strict=True):
        whole, rest = frames.split(rest + stream[start:end])
        found += whole
    assert (found, rest) == (sent, b"")


@given(some.binary(max_size=400))
def test_any_bytes_are_frames_or_an_error(data: bytes) -> None:
    with suppress(ProtocolError):
        found, rest = frames.split(data)
        assert sum(9 + len(payload) for *_, payload in found) + len(rest) == len(data)


@given(some.integers(0, 60_000))
def test_a_body_is_cut_where_frames_end(size: int) -> None:
    body = bytes(number % 256 for number in range(size))
    found, rest = frames.split(frames.build_data_frames(1, body, last=True))
    assert rest == b""
    assert b"".join(payload for *_, payload in found) == body
    flags = [each & frames.END_STREAM for _, each, _, _ in found]
    assert flags == [0] * (len(found) - 1) + [frames.END_STREAM]


@given(some.integers(0, 60_000))
def test_a_header_block_is_continued(size: int) -> None:
    found, rest = frames.split(
        frames.build_header_frames(
            1,
            bytes(size),
        )
    )
    assert rest == b""
    kinds = [kind for kind, *_ in found]
    assert kinds == [frames.HEADERS] + [frames.CONTINUATION] * (len(found) - 1)
    assert b"".join(payload for *_, payload in found) == bytes(size)
    ends = [flags & frames.END_HEADERS for _, flags, _, _ in found]
    assert ends == [0] * (len(found) - 1) + [frames.END_HEADERS]


def test_a_frame_over_the_limit_is_refused_before_it_has_come() -> None:
    with pytest.raises(ProtocolError, match="16385"):
        frames.split(frames.build_frame(0, 0, 1, bytes(16_385))[:9])
