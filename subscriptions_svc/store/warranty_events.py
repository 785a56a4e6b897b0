"""Warranty events: repairs and replacements of items."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, insert

from chassis.context import get_caller, get_current_call
from subscriptions_svc.store.personal import WARRANTY_EVENTS
from subscriptions_svc.store.tables import warranty_events

_ADD = insert(warranty_events)


def add_warranty_event(
    tx: Connection, item_id: str, values: Mapping[str, Any], now: datetime
) -> None:
    """Record a warranty event of an item."""
    row = {
        "item_id": item_id,
        "type": values["type"],
        "charged_amount": values["charged_amount"],
        "name": values.get("name"),
        "description": values.get("description"),
        "account_id": get_caller().id,
        "request_id": get_current_call().request_id,
        "created_at": now,
    }
    tx.execute(_ADD, WARRANTY_EVENTS.seal(tx, row))
