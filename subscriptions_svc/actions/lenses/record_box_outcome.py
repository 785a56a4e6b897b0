"""RecordBoxOutcome: records what became of boxes that were handed to a carrier."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from sqlalchemy import Connection, Row

from chassis.context import get_caller, get_current_call
from chassis.errors import NotFound, WrongState
from protos import subscriptions_pb2 as pb
from subscriptions_svc.documents.box_deliveries import build_delivery
from subscriptions_svc.rules.prescriptions.outcomes import RETURNED, UNKNOWN
from subscriptions_svc.rules.years import compute_year
from subscriptions_svc.store.box_deliveries import DeliveryContext, find_entry
from subscriptions_svc.store.lenses.outcomes import add_outcome, carry_over_anew
from subscriptions_svc.store.views import NOT_ALLOWED

MAX_ID_DIGITS = 18  # of an entry of the ledger


def record_box_outcome(
    tx: Connection, subscription: Row[Any], values: Mapping[str, Any], now: datetime
) -> pb.Delivery:
    """Record an outcome; raises NotFound, or WrongState unless it is unknown, or the same already.

    The caller holds the subscription's lock.
    """
    entry, outcome = _find(tx, subscription, values["delivery_id"]), values["outcome"]
    if entry.outcome == outcome and entry.recorded_at is not None:
        return build_delivery(entry)
    if entry.outcome != UNKNOWN:
        message = f"The outcome of these boxes is known: {entry.outcome}."
        raise WrongState(message, reason=NOT_ALLOWED)
    year = compute_year(subscription.activated_at, now, ZoneInfo(subscription.time_zone))
    caller, call = get_caller(), get_current_call()
    context = DeliveryContext(subscription.id, year, caller.id, call.request_id, now)
    add_outcome(tx, entry, outcome, context)
    if outcome == RETURNED and entry.year == year:
        # The lens may have been exchanged since: then its boxes count against the new one.
        carry_over_anew(tx, subscription, year)
    return build_delivery(_find(tx, subscription, values["delivery_id"]))


def _find(tx: Connection, subscription: Row[Any], delivery_id: str) -> Any:
    is_id = delivery_id.isascii() and delivery_id.isdigit() and len(delivery_id) <= MAX_ID_DIGITS
    found: Row[Any] | None = find_entry(tx, subscription.id, int(delivery_id)) if is_id else None
    if found is None:
        raise NotFound("There is no such delivery of the subscription.")
    return found
