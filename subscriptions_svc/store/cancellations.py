"""Cancellations: how a subscription was ended, and the settlement of its items."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, insert

from chassis.context import get_caller, get_current_call
from subscriptions_svc.rules.settling.settlements import Settlement
from subscriptions_svc.store.personal import CANCELLATIONS, expect_erasure
from subscriptions_svc.store.tables import cancellations, cancelled_items

_ADD = insert(cancellations)
_ADD_ITEMS = insert(cancelled_items)


def add_cancellation(
    tx: Connection,
    subscription_id: str,
    values: Mapping[str, Any],
    settlement: Settlement,
    item_ids: Mapping[str, str],
    now: datetime,
) -> None:
    """Record a cancellation and its settlement; `item_ids` are by reference_uuid."""
    amounts = values.get("summary") or {"purchase_fee": 0, "total_to_pay": 0}
    row = {
        "subscription_id": subscription_id,
        "reason": values["reason"],
        "purchase_fee": amounts["purchase_fee"],
        "total_to_pay": amounts["total_to_pay"],
        "account_id": get_caller().id,
        "request_id": get_current_call().request_id,
        "cancelled_at": now,
    }
    tx.execute(_ADD, CANCELLATIONS.seal(tx, row))
    expect_erasure(tx, subscription_id)
    items = [
        {"item_id": item_ids[uuid], "is_kept": costs is settlement.kept, "cost": cost}
        for costs in settlement
        for uuid, cost in costs.items()
    ]
    if items:
        tx.execute(_ADD_ITEMS, items)
