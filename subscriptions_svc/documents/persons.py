"""What is kept of a shopper, as JSON."""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Connection

from chassis.context import note_ids
from subscriptions_svc.store.persons import read_subscriptions
from subscriptions_svc.store.tables import outbox


def export_person(tx: Connection, ids: Sequence[str]) -> dict[str, Any]:
    """Return a shopper's subscriptions, what belongs to them, and the events about them."""
    note_ids(*ids)
    return {**read_subscriptions(tx, ids), "events": outbox.list_bodies(tx, ids)}
