"""How hard a secret that a person wrote is to guess."""

from collections import Counter
from itertools import pairwise
from math import log2

MIN_SECRET_LENGTH, MAX_SECRET_LENGTH = 16, 255
MIN_SECRET_BITS = 40
WEAK = (
    "Is too easy to guess: use random characters, such as those that "
    "`openssl rand -base64 32` prints."
)


def is_weak(secret: str) -> bool:
    """Return whether a secret, stored under a fast hash, would be found by trying."""
    return estimate_bits(secret) < MIN_SECRET_BITS


def estimate_bits(text: str) -> float:
    """Return an upper bound of a text's entropy: what repeats, or runs on, counts for nothing.

    Of a run of equal or neighbouring characters the first two count: so few side by side are
    chance in a random secret of few symbols.
    """
    unit = text[: (text + text).find(text, 1)] if text else ""
    steps = [abs(ord(each) - ord(before)) <= 1 for before, each in pairwise(unit)]
    runs_on = [False, False, *(one and two for one, two in pairwise(steps))]
    kept = [each for each, is_left_out in zip(unit, runs_on, strict=False) if not is_left_out]
    counts = Counter(kept)
    return sum(-count * log2(count / len(kept)) for count in counts.values())
