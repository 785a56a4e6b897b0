"""Opening the payments of months as they begin."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from sqlalchemy import Connection, Integer, Row, bindparam, or_, select, text, update

from subscriptions_svc.rules.paying.payments import list_months
from subscriptions_svc.rules.statuses import LIVE
from subscriptions_svc.rules.years import add_months, count_months, to_local_day, to_start_of_day
from subscriptions_svc.store.paying.payments import add_payment, list_of_subscription
from subscriptions_svc.store.tables import merchants, subscriptions
from subscriptions_svc.store.views import View, read_view

INSTANT = timedelta(microseconds=1)
_DUE = (
    select(subscriptions.c.id)
    .join(merchants)
    .where(
        merchants.c.monthly_payments,
        # Literal, as in the partial index.
        text("subscriptions.status = 'active' AND subscriptions.activated_at IS NOT NULL"),
        subscriptions.c.renewal_at > bindparam("now"),
        or_(
            subscriptions.c.next_payment_at.is_(None),
            subscriptions.c.next_payment_at <= bindparam("now"),
        ),
    )
    .limit(bindparam("limit", type_=Integer()))
    .with_for_update(of=subscriptions, skip_locked=True)
)
_NEXT = (
    update(subscriptions)
    .where(subscriptions.c.id == bindparam("where_id"))
    .values(next_payment_at=bindparam("next_payment_at"))
)


def find_months_due(tx: Connection, now: datetime, limit: int) -> Sequence[str]:
    """Lock and return up to `limit` subscriptions of which a month has begun without a payment."""
    return tx.execute(_DUE, {"now": now, "limit": limit}).scalars().all()


def open_payments(
    tx: Connection, subscription: Row[Any], now: datetime, ended_at: datetime | None = None
) -> list[str]:
    """Open the payments of the months that have begun; returns their ids.

    Of a subscription that has `ended_at`, those before its end, if any was opened while it ran.
    Nothing is opened unless the merchant wants it, and for months that cost nothing. The caller
    holds the subscription's lock.
    """
    if not subscription.monthly_payments:
        return []
    until = now if ended_at is None else ended_at - INSTANT
    view = read_view(tx, subscription, until)
    if view.status not in LIVE:
        return []
    zone, began = ZoneInfo(subscription.time_zone), subscription.activated_at
    last = max((each.month for each in list_of_subscription(tx, subscription.id)), default=None)
    if ended_at is not None and last is None:
        return []  # recorded elsewhere
    opened = []
    for month in list_months(last, began, until, zone):
        due_on = to_local_day(until, zone) if began is None else add_months(began, month - 1, zone)
        if amount := compute_monthly_price(view):
            opened.append(add_payment(tx, subscription, month, amount, due_on, now))
    if began is not None:
        following = to_start_of_day(
            add_months(began, count_months(began, until, zone) + 1, zone), zone
        )
        tx.execute(_NEXT, {"where_id": subscription.id, "next_payment_at": following})
    return [each for each in opened if each is not None]


def compute_monthly_price(view: View) -> int:
    """Return what the cart in force costs a month; a package has the price of its items."""
    items = (item for item in view.items if item.parent_id is None)
    total: int = sum(item.subscription_price * item.quantity for item in items)
    return total
