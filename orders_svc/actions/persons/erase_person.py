"""ErasePerson: blank the personal fields of a patient's orders."""

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import Connection

from chassis.context import note_ids
from chassis.errors import WrongState
from orders_svc.store.persons import blank_orders, list_open_orders
from orders_svc.store.tables import idempotency_keys

# What kept answers no longer say of an erased order.
PERSONAL_FIELDS = (
    "patient",
    "rx",
    "shipping",
    "special_instructions",
    "frame",
    "lens",
    "redo_data",
    "warnings",
    "traced",
    "history",
    "cancellation",
    "tracking_number",
)


def erase_person(tx: Connection, ids: Sequence[str], now: datetime, open_too: bool) -> None:
    """Erase orders; raises WrongState if one is a draft or at work, unless `open_too`.

    Their events hold nothing personal.
    """
    if not open_too and (waiting := list_open_orders(tx, ids)):
        raise WrongState(
            f"{len(waiting)} of {len(ids)} orders are drafts or at work, and would lose their"
            " prescription: end them first, or erase them too (include_open).",
            reason="OPEN",
        )
    erase_ended(tx, ids, now)
    idempotency_keys.blank_answers(tx, ids, PERSONAL_FIELDS)


def erase_ended(tx: Connection, ids: Sequence[str], now: datetime) -> None:
    """Erase orders that are in no kept answer."""
    note_ids(*ids)
    blank_orders(tx, ids, now)
