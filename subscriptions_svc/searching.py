"""What a search finds a subscription by: words of the customer's name, phone and reference.

Each word of a search is the beginning of one of them, in any order, whatever the case, the accents
and what stands between the words. A phone is also found by what follows in it.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from sqlalchemy import ColumnElement, Connection, false, insert, select

from optics.names import fold_words
from subscriptions_svc.store import WORD_MAX, subscription_words, subscriptions

DIGITS = 15  # of an international phone number (E.164)
SHORTEST = 3  # end of a phone that is looked for
MOST = 8  # words of a search that count
_END = "\U0010ffff"  # no letter comes after it
_WORDS = insert(subscription_words)


def add_words(tx: Connection, id_: str, values: Mapping[str, Any]) -> None:
    """Let a new subscription be found."""
    of = {"merchant_id": values["merchant"]["id"], "subscription_id": id_}
    if rows := [{**of, "word": word} for word in sorted(words(values))]:
        tx.execute(_WORDS, rows)


def words(person: Mapping[str, Any]) -> set[str]:
    """All that begins with what may be searched for."""
    texts = (person.get(each) or "" for each in ("given_names", "surnames", "reference"))
    found = {word for text in texts for word in _words(text)}
    if phone := "".join(_words(person.get("mobile_phone") or "")):
        starts = range(max(0, len(phone) - DIGITS), len(phone) - SHORTEST + 1)
        found |= {phone[:WORD_MAX], *(phone[start:] for start in starts)}
    return found


def found_by(search: str, merchant_ids: Sequence[str]) -> Iterator[ColumnElement[bool]]:
    """Conditions on a subscription; of too many words the longest count."""
    begins = _wanted(search)
    if not begins:
        yield false()
    for word in begins:
        named = select(subscription_words.c.subscription_id).where(
            subscription_words.c.merchant_id.in_(merchant_ids),
            subscription_words.c.word >= word,
            subscription_words.c.word < word + _END,
        )
        yield subscriptions.c.id.in_(named)


def _wanted(search: str) -> Sequence[str]:
    return sorted(dict.fromkeys(_words(search)), key=len, reverse=True)[:MOST]


def _words(text: str) -> list[str]:
    return [word[:WORD_MAX] for word in fold_words(text)]
