"""The end of a subscription: for free, or at the cost of its items."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row, insert

from chassis.context import caller, current_call
from chassis.errors import WrongState
from chassis.validation import refuse
from subscriptions_svc import found, moves, proposals
from subscriptions_svc.rules_ending import Settlement, is_free, settlement
from subscriptions_svc.store import cancellations, cancelled_items
from subscriptions_svc.views import View, views

_ADD = insert(cancellations)
_ADD_ITEMS = insert(cancelled_items)
FREE = Settlement({}, {})


def cancel(
    tx: Connection, subscription: Row[Any], values: Mapping[str, Any], now: datetime
) -> None:
    """End a subscription; raises WrongState when it has ended, Invalid for a wrong summary.

    The caller holds the subscription's lock.
    """
    found.ensure_live(subscription, now, reason="CONFLICT")
    view = views(tx, [subscription], now)[0]
    settled = agreed(view, values.get("summary"))
    proposals.claim(tx, subscription.id)
    if not moves.cancel(tx, subscription, now):
        raise WrongState(found.ENDED, reason="CONFLICT")
    keep(tx, view, values, settled)


def agreed(view: View, summary: Mapping[str, Any] | None) -> Settlement:
    """What shop and shopper have agreed on; raises Invalid for a wrong summary, or none."""
    settled, faults = FREE, []
    if is_free(view.row.confirmed_at, view.now):
        if summary is not None:
            faults = [("summary", "Ending is free until 24 hours after the confirmation: no sums.")]
    elif summary is None:
        faults = [("summary", "Required from 24 hours after the confirmation on.")]
    else:
        settled, faults = settlement(summary, view.settled())
    refuse(faults)
    return settled


def keep(tx: Connection, view: View, values: Mapping[str, Any], settled: Settlement) -> None:
    """Keep how a subscription was ended, and what becomes of its items."""
    amounts = values.get("summary") or {"purchase_fee": 0, "total_to_pay": 0}
    row = {
        "subscription_id": view.row.id,
        "reason": values["reason"],
        "purchase_fee": amounts["purchase_fee"],
        "total_to_pay": amounts["total_to_pay"],
        "account_id": caller().id,
        "request_id": current_call().request_id,
        "cancelled_at": view.now,
    }
    tx.execute(_ADD, row)
    ids = {item.reference_uuid: item.id for item in view.items}
    items = [
        {"item_id": ids[uuid], "is_kept": named is settled.kept, "cost": cost}
        for named in settled
        for uuid, cost in named.items()
    ]
    if items:
        tx.execute(_ADD_ITEMS, items)
