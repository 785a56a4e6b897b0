"""How hard a secret that a person wrote is to guess."""

from collections import Counter
from itertools import pairwise
from math import log2

MIN_SECRET_LENGTH, MAX_SECRET_LENGTH = 16, 255
MIN_SECRET_BITS = 40
STEP_BITS = log2(3)  # the same character again, the one before it, or the one after it
WEAK = (
    "Is too easy to guess: use random characters, such as those that "
    "`openssl rand -base64 32` prints."
)


def is_weak(secret: str) -> bool:
    """Return whether a secret, stored under a fast hash, would be found by trying."""
    return estimate_bits(secret) < MIN_SECRET_BITS


def estimate_bits(text: str) -> float:
    """Return an upper bound of a text's entropy: what repeats, or runs on, counts for nothing.

    A character beside its neighbour in the alphabet is one of three; a second one in a row is
    a run.
    """
    unit = text[: (text + text).find(text, 1)] if text else ""
    steps = [False, *(abs(ord(each) - ord(before)) <= 1 for before, each in pairwise(unit))]
    lone_steps = sum(step and not before for before, step in pairwise(steps))
    counts = Counter(each for each, step in zip(unit, steps, strict=False) if not step)
    free = counts.total()
    bits = sum(-count * log2(count / free) for count in counts.values())
    return bits + lone_steps * STEP_BITS
