"""The index of search words: see `rules.words`."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from sqlalchemy import ColumnElement, Connection, false, insert, select

from subscriptions_svc.rules.words import find_search_words, find_words
from subscriptions_svc.store.tables import subscription_words, subscriptions

_LAST_LETTER = "\U0010ffff"  # no letter comes after it
_ADD = insert(subscription_words)


def add_words(tx: Connection, subscription_id: str, values: Mapping[str, Any]) -> None:
    """Index the words of a new subscription."""
    key = {"merchant_id": values["merchant"]["id"], "subscription_id": subscription_id}
    if rows := [{**key, "word": word} for word in sorted(find_words(values))]:
        tx.execute(_ADD, rows)


def match_words(search: str, merchant_ids: Sequence[str]) -> Iterator[ColumnElement[bool]]:
    """Yield the conditions that a subscription meets when a search finds it."""
    words = find_search_words(search)
    if not words:
        yield false()
    for word in words:
        found = select(subscription_words.c.subscription_id).where(
            subscription_words.c.merchant_id.in_(merchant_ids),
            subscription_words.c.word >= word,
            subscription_words.c.word < word + _LAST_LETTER,
        )
        yield subscriptions.c.id.in_(found)
