"""The short form of fuzzing: good inputs, mutated by hypothesis; `make fuzz` is the long one."""

import os

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.fuzz.targets import TARGETS, list_seeds

EXAMPLES = int(os.environ.get("FUZZ_EXAMPLES", "300"))
MAX_CHANGES = 8


def mutate(seed: bytes, changes: list[tuple[float, int, bytes]]) -> bytes:
    """The seed with pieces replaced: each at a fraction of its length, of a length, by bytes."""
    data = bytearray(seed)
    for at, length, piece in changes:
        start = int(at * len(data))
        data[start : start + length] = piece
    return bytes(data)


def draw_inputs(name: str) -> st.SearchStrategy[bytes]:
    """Inputs of a target: good ones with a few changes, pieces of two, or anything."""
    seeds = st.sampled_from(list_seeds(name))
    piece = st.binary(max_size=6) | st.sampled_from(
        [b'"', b"{", b"[", b"\\u0000", b"\n", b";", b"=", b"-1", b"1e999", b"\xff", b"\0" * 9]
    )
    change = st.tuples(st.floats(0, 1), st.integers(0, 12), piece)
    mutated = st.builds(mutate, seeds, st.lists(change, max_size=MAX_CHANGES))
    spliced = st.builds(lambda a, b, at: a[: int(at * len(a))] + b, seeds, seeds, st.floats(0, 1))
    return mutated | spliced | st.binary(max_size=400)


@pytest.mark.parametrize("name", TARGETS)
def test_any_input_keeps_the_promise(name: str) -> None:
    @settings(max_examples=EXAMPLES, derandomize="FUZZ_EXAMPLES" not in os.environ)
    @given(draw_inputs(name))
    def holds(data: bytes) -> None:
        TARGETS[name](data)

    holds()


@pytest.mark.parametrize("name", TARGETS)
def test_good_inputs_keep_it(name: str) -> None:
    for seed in list_seeds(name):
        TARGETS[name](seed)
