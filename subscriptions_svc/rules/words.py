"""Search words: what a subscription is found by, and what a search looks for.

A subscription is found by the words of the customer's name, phone and reference. Each word of a
search is the beginning of one of them, in any order, regardless of case, accents, punctuation and
script.
A phone is also found by its last digits.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from optics.names import fold_words

MAX_WORD_LENGTH = 64  # letters of a word that count
MAX_PHONE_DIGITS = 15  # of an international phone number (E.164)
MIN_PHONE_DIGITS = 3  # shortest ending of a phone that is indexed
MAX_SEARCH_WORDS = 8


def find_words(person: Mapping[str, Any]) -> set[str]:
    """Return all words that a person's subscription is found by."""
    found = {*find_name_words(person), *split_words(person.get("reference") or "")}
    return found.union(find_phone_endings(person))


def find_name_words(person: Mapping[str, Any]) -> set[str]:
    """Return the words of a person's names."""
    texts = (person.get(each) or "" for each in ("given_names", "surnames"))
    return {word for text in texts for word in split_words(text)}


def find_phone_endings(person: Mapping[str, Any]) -> list[str]:
    """Return a person's phone number in digits, and its endings, longest first."""
    phone = "".join(split_words(person.get("mobile_phone") or ""))
    if not phone:
        return []
    starts = range(max(0, len(phone) - MAX_PHONE_DIGITS), len(phone) - MIN_PHONE_DIGITS + 1)
    return list(dict.fromkeys((phone[:MAX_WORD_LENGTH], *(phone[start:] for start in starts))))


def find_search_words(search: str) -> Sequence[str]:
    """Return the words that a search looks for; of too many, the longest count."""
    words = dict.fromkeys(split_words(search))
    return sorted(words, key=len, reverse=True)[:MAX_SEARCH_WORDS]


def split_words(text: str) -> list[str]:
    """Return the folded words of a text, each cut to its first letters."""
    return [word[:MAX_WORD_LENGTH] for word in fold_words(text)]
