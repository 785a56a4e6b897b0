"""CancelSubscription: ends a subscription, by early withdrawal or full cancellation."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row

from chassis.errors import WrongState
from chassis.validation import refuse
from protos import subscriptions_pb2 as pb
from subscriptions_svc.documents.events import build_cancelled
from subscriptions_svc.notices.phrases import describe_cancellation
from subscriptions_svc.rules.settling.settlements import settle_ending
from subscriptions_svc.store.cancellations import add_cancellation
from subscriptions_svc.store.pending_carts import discard_cart
from subscriptions_svc.store.subscriptions import ENDED, ensure_live
from subscriptions_svc.store.tables import outbox
from subscriptions_svc.store.transitions import cancel
from subscriptions_svc.store.views import read_view

CONFLICT = "CONFLICT"


def cancel_subscription(
    tx: Connection, subscription: Row[Any], values: Mapping[str, Any], now: datetime
) -> pb.CancelSubscriptionResponse:
    """End a subscription; raises WrongState when it has ended, Invalid for a wrong summary.

    The caller holds the subscription's lock.
    """
    ensure_live(subscription, now, reason=CONFLICT)
    view = read_view(tx, subscription, now)
    items = view.list_settlement_items()
    settlement, faults = settle_ending(values.get("summary"), items, free=view.is_free)
    refuse(faults)
    discard_cart(tx, subscription.id)
    if not cancel(tx, subscription.id, now):
        raise WrongState(ENDED, reason=CONFLICT)
    outbox.add(tx, build_cancelled(subscription, now), now)
    item_ids = {item.reference_uuid: item.id for item in view.items}
    add_cancellation(tx, subscription.id, values, settlement, item_ids, now)
    message = describe_cancellation(subscription.locale)
    return pb.CancelSubscriptionResponse(success=True, message=message)
