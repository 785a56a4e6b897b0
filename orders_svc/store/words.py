"""Patients' names as orders are found by them: folded or, where encryption is on, hashed.

Folded names are in two columns of the order, and in `name_words` from each further word on. Hashed,
all words are in `name_words`, and the columns are empty.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Connection,
    and_,
    bindparam,
    delete,
    insert,
    select,
    update,
)

from chassis.store.encryption.columns import find_keyring
from chassis.store.encryption.tokens import hash_beginnings
from orders_svc.rules.names import fold_patient_name, list_further_names, list_words, split_search
from orders_svc.store.tables import name_words, orders

_ADD = insert(name_words)
_DELETE = delete(name_words).where(name_words.c.order_id.in_(bindparam("ids", expanding=True)))
_NO_NAMES = dict.fromkeys(("first_last", "last_first"))
_CLEAR = (
    update(orders)
    .where(orders.c.id == bindparam("where_id"))
    .values({**_NO_NAMES, "version": orders.c.version})  # no change of the order
)


def build_name_columns(tx: Connection, patient: Mapping[str, str]) -> Mapping[str, str | None]:
    """Return the folded name of a patient by column; empty columns where names are hashed."""
    return fold_patient_name(patient) if find_keyring(tx) is None else _NO_NAMES


def add_words(tx: Connection, account_id: int, order_id: str, patient: Mapping[str, str]) -> None:
    """Index the words of a new order that its columns do not hold."""
    ring = find_keyring(tx)
    if ring is None:
        words = list_further_names(patient)
    else:
        words = sorted(hash_beginnings(ring, str(account_id), list_words(patient)))
    if words:
        key = {"account_id": account_id, "order_id": order_id}
        tx.execute(_ADD, [{**key, "name": word} for word in words])


def delete_words(tx: Connection, ids: Sequence[str]) -> None:
    """Forget the words of orders."""
    tx.execute(_DELETE, {"ids": list(ids)})


def replace_words(tx: Connection, order: Any) -> None:
    """Index the words of an order anew, hashed with the current key."""
    tx.execute(_CLEAR, {"where_id": order.id})
    delete_words(tx, [order.id])
    add_words(tx, order.account_id, order.id, order.document["patient"])


def match_hashed_names(tx: Connection, account_id: int, text: str) -> ColumnElement[bool] | None:
    """Return the condition that every word of a search is in an order's hashed names.

    None where names are not hashed, or the text has no word. A word of up to six letters is the
    beginning of one, a longer one a whole word.
    """
    ring = find_keyring(tx)
    words = split_search(text)
    if ring is None or not words:
        return None
    found = (
        select(name_words.c.order_id).where(
            name_words.c.account_id == account_id,
            name_words.c.name.in_(ring.hash_word_by_all(str(account_id), word)),
        )
        for word in words
    )
    return and_(*(orders.c.id.in_(each) for each in found))
