"""ErasePerson: blanks the personal fields of a shopper's subscriptions."""

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import Connection

from chassis.context import note_ids
from chassis.errors import WrongState
from subscriptions_svc.store.persons import blank_subscriptions, list_open_subscriptions
from subscriptions_svc.store.tables import idempotency_keys

# What kept answers no longer say of an erased subscription.
PERSONAL_FIELDS = ("customer", "discounts", "prescription", "page_url")


def erase_person(tx: Connection, ids: Sequence[str], now: datetime, open_too: bool) -> None:
    """Erase subscriptions; raises WrongState if one has not ended, unless `open_too`.

    Their events hold nothing personal.
    """
    if not open_too and (waiting := list_open_subscriptions(tx, ids, now)):
        raise WrongState(
            f"{len(waiting)} of {len(ids)} subscriptions have not ended: end them first, or erase"
            " them too (include_open).",
            reason="OPEN",
        )
    erase_ended(tx, ids, now)
    idempotency_keys.blank_answers(tx, ids, PERSONAL_FIELDS)


def erase_ended(tx: Connection, ids: Sequence[str], now: datetime) -> None:
    """Erase subscriptions that are in no kept answer."""
    note_ids(*ids)
    blank_subscriptions(tx, ids, now)
