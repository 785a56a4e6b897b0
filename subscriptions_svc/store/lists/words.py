"""The index of search words: see `rules.words`. Where encryption is on, a person's are hashed."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Connection,
    Select,
    and_,
    bindparam,
    delete,
    false,
    insert,
    select,
    union,
)

from chassis.store.encryption.columns import find_keyring
from chassis.store.encryption.keyring import Keyring
from chassis.store.encryption.tokens import hash_beginnings
from subscriptions_svc.rules.shoppers import normalize_nin
from subscriptions_svc.rules.words import (
    find_name_words,
    find_phone_endings,
    find_search_words,
    find_words,
    split_words,
)
from subscriptions_svc.store.tables import subscription_words, subscriptions

_LAST_LETTER = "\U0010ffff"  # no letter comes after it
_NIN = "nin"  # the kind of a hash that only an identity number has
_ADD = insert(subscription_words)
_DELETE = delete(subscription_words).where(
    subscription_words.c.merchant_id == bindparam("where_merchant_id"),
    subscription_words.c.subscription_id == bindparam("where_subscription_id"),
)
# The condition of a shopper's identity number, plain, or plain and hashed.
HAS_NIN = subscriptions.c.nin == bindparam("nin")
HAS_HASHED_NIN = HAS_NIN | subscriptions.c.id.in_(
    select(subscription_words.c.subscription_id).where(
        subscription_words.c.merchant_id == bindparam("merchant_id"),
        subscription_words.c.word.in_(bindparam("nin_hashes", expanding=True)),
    )
)


def add_words(tx: Connection, subscription_id: str, values: Mapping[str, Any]) -> None:
    """Index the words of a new subscription."""
    _add(tx, subscription_id, values["merchant"]["id"], values)


def replace_words(tx: Connection, subscription: Any) -> None:
    """Index the words of a subscription anew, hashed with the current key."""
    merchant_id = subscription.merchant_id
    key = {"where_merchant_id": merchant_id, "where_subscription_id": subscription.id}
    tx.execute(_DELETE, key)
    _add(tx, subscription.id, merchant_id, subscription._mapping)


def match_words(
    tx: Connection, search: str, merchant_ids: Sequence[str]
) -> Iterator[ColumnElement[bool]]:
    """Yield the conditions that a subscription meets when a search finds it.

    A hashed word is found by up to six of its first letters, or by the whole; a phone number may be
    in groups of digits.
    """
    ring, words = find_keyring(tx), find_search_words(search)
    plain = (_match_beginning(word, merchant_ids) for word in words)
    if not words:
        yield false()
    elif ring is None:
        yield from (subscriptions.c.id.in_(each) for each in plain)
    else:
        hashed = (_match_hashes(ring, word, merchant_ids) for word in words)
        pairs = zip(plain, hashed, strict=True)
        every_word = and_(*(subscriptions.c.id.in_(union(*pair)) for pair in pairs))
        number = "".join(split_words(search))
        is_phone = subscriptions.c.id.in_(_match_hashes(ring, number, merchant_ids))
        yield every_word | is_phone if number.isdecimal() else every_word


def hash_nin(ring: Keyring | None, merchant_id: str, nin: str) -> dict[str, Any]:
    """Return the parameters of `HAS_NIN` or, with a ring, of `HAS_HASHED_NIN`."""
    if ring is None:
        return {"nin": nin}
    return {"nin": nin, "nin_hashes": ring.hash_word_by_all(_build_scope(merchant_id, _NIN), nin)}


def _add(tx: Connection, subscription_id: str, merchant_id: str, values: Mapping[str, Any]) -> None:
    ring = find_keyring(tx)
    words = find_words(values) if ring is None else _hash_words(ring, merchant_id, values)
    key = {"merchant_id": merchant_id, "subscription_id": subscription_id}
    if rows := [{**key, "word": word} for word in sorted(words)]:
        tx.execute(_ADD, rows)


def _hash_words(ring: Keyring, merchant_id: str, values: Mapping[str, Any]) -> set[str]:
    """Return the plain words of the reference, and the hashes of those of the person."""
    scope, endings = _build_scope(merchant_id), find_phone_endings(values)
    found = set(split_words(values["reference"]))
    found |= hash_beginnings(ring, scope, [*find_name_words(values), *endings[:1]])
    found |= {ring.hash_word(scope, ending) for ending in endings}
    if nin := values.get("nin"):
        found.add(ring.hash_word(_build_scope(merchant_id, _NIN), normalize_nin(nin)))
    return found


def _match_beginning(word: str, merchant_ids: Sequence[str]) -> Select[str]:
    return select(subscription_words.c.subscription_id).where(
        subscription_words.c.merchant_id.in_(merchant_ids),
        subscription_words.c.word >= word,
        subscription_words.c.word < word + _LAST_LETTER,
    )


def _match_hashes(ring: Keyring, word: str, merchant_ids: Sequence[str]) -> Select[str]:
    hashes = [
        each
        for merchant_id in merchant_ids
        for each in ring.hash_word_by_all(_build_scope(merchant_id), word)
    ]
    return select(subscription_words.c.subscription_id).where(
        subscription_words.c.merchant_id.in_(merchant_ids), subscription_words.c.word.in_(hashes)
    )


def _build_scope(merchant_id: str, kind: str = "word") -> str:
    return f"{kind}\0{merchant_id}"
