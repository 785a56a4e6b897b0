"""Search words as keyed hashes: what a sealed name can be found by.

A word is indexed by the hashes of its beginnings up to six letters and, if it is longer, by that of
the whole. So a search finds a word by up to six of its first letters, or by all of it.
"""

from collections.abc import Iterable

from chassis.store.encryption.keyring import Keyring

MAX_BEGINNING = 6  # letters


def hash_beginnings(ring: Keyring, scope: str, words: Iterable[str]) -> set[str]:
    """Return the hashes by which words are found from their beginnings."""
    parts: set[str] = set()
    for word in words:
        parts.add(word)
        parts.update(word[:end] for end in range(1, min(len(word), MAX_BEGINNING) + 1))
    return {ring.hash_word(scope, part) for part in parts}
