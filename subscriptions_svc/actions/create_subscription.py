"""CreateSubscription: solicits a subscription, which the shopper is then to confirm."""

from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from sqlalchemy import Connection

from chassis.errors import AlreadyExists
from protos import subscriptions_pb2 as pb
from subscriptions_svc.documents.subscriptions import read_subscription
from subscriptions_svc.rules.agreements.discounts import apply_discounts, find_discount_faults
from subscriptions_svc.rules.carts import find_eye_faults, find_lens_faults, find_price_faults
from subscriptions_svc.rules.shoppers import (
    find_identity_faults,
    find_shopper_faults,
    find_store_faults,
)
from subscriptions_svc.rules.years import to_local_day
from subscriptions_svc.store.cart_items import add_items
from subscriptions_svc.store.lists.words import add_words
from subscriptions_svc.store.merchants import find_own_merchant, list_store_refs
from subscriptions_svc.store.subscriptions import add_subscription, count_subscription


def create_subscription(
    tx: Connection, values: Mapping[str, Any], now: datetime
) -> pb.Subscription:
    """Add a solicitation without faults; raises AlreadyExists for the reference of a live one.

    The merchant's terms of today apply to it for good: they are what its shopper confirms.
    """
    merchant = find_own_merchant(tx, values["merchant"]["id"])
    id_ = add_subscription(tx, values, merchant.renewal_months, now)
    if id_ is None:
        raise AlreadyExists("A live subscription of this merchant has this reference.")
    add_words(tx, id_, values)
    merchant = find_own_merchant(tx, values["merchant"]["id"])
    add_items(tx, id_, apply_discounts(values), merchant, now)
    answer = read_subscription(tx, id_, now)
    count_subscription(tx, values["merchant"])
    return answer


def find_solicitation_faults(
    tx: Connection, values: Mapping[str, Any], now: datetime
) -> Iterator[tuple[str, str]]:
    """Yield the faults of a well-formed solicitation; raises Unauthenticated for the merchant."""
    merchant = find_own_merchant(tx, values["merchant"]["id"])
    yield from find_store_faults(values, list_store_refs(tx, merchant.id))
    today = to_local_day(now, ZoneInfo(merchant.time_zone))
    yield from find_shopper_faults(values, today, merchant.country)
    yield from find_identity_faults(values, merchant.country)
    yield from find_price_faults(values)
    yield from find_eye_faults(values)
    yield from find_lens_faults(values, today)
    yield from find_discount_faults(values)
