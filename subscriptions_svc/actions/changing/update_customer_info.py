"""UpdateCustomerInfo: changes what is kept of a subscription's customer."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from sqlalchemy import Connection, Row

from chassis.validation import refuse
from protos import subscriptions_pb2 as pb
from subscriptions_svc.documents.events import build_customer_updated
from subscriptions_svc.documents.subscriptions import read_subscription
from subscriptions_svc.rules.shoppers import (
    IDENTITY_FIELDS,
    find_identity_faults,
    find_shopper_faults,
)
from subscriptions_svc.rules.years import to_local_day
from subscriptions_svc.store.subscriptions import update_customer
from subscriptions_svc.store.tables import outbox
from subscriptions_svc.store.views import ensure_allowed, read_view


def update_customer_info(
    tx: Connection, subscription: Row[Any], values: Mapping[str, Any], now: datetime
) -> pb.Subscription:
    """Change fields of the customer; raises WrongState after the end, or Invalid.

    Fields that are not among the values stay. The caller holds the subscription's lock.
    """
    ensure_allowed(read_view(tx, subscription, now), "update_customer_info")
    today = to_local_day(now, ZoneInfo(subscription.time_zone))
    country = subscription.country
    refuse(
        find_shopper_faults(values, today, country),
        find_identity_faults(_complete_identity(subscription, values), country),
    )
    if update_customer(tx, subscription, values):
        outbox.add(tx, build_customer_updated(subscription, now), now)
    return read_subscription(tx, subscription.id, now)


def _complete_identity(subscription: Row[Any], values: Mapping[str, Any]) -> dict[str, str]:
    """Return the fields that identify the customer as they will be; none if none changes."""
    if values.keys().isdisjoint(IDENTITY_FIELDS):
        return {}
    kept = {name: getattr(subscription, name) for name in IDENTITY_FIELDS}
    return {
        name: values.get(name) or str(kept[name])
        for name in IDENTITY_FIELDS
        if name in values or kept[name] is not None
    }
