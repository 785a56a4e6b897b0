"""The moves of a subscription from status to status: each is one statement with its condition.

Who confirms, cancels or records a payment holds the subscription's row. Each change has one
function here (a changed cart: `proposals.confirm`; boxes: `deliveries.deliver`), which gives
whether it has changed anything; what the merchant is to be told of it is written there too.
"""

import secrets
from collections.abc import Sequence
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from sqlalchemy import Connection, Row, Update, bindparam, null, or_, select, text, update

from subscriptions_svc.documents import events
from subscriptions_svc.rules.subscriptions import (
    ACTIVATION,
    LIVE,
    UNCONFIRMED,
    PaymentStatus,
    Status,
)
from subscriptions_svc.rules.years import renewal_at
from subscriptions_svc.store.tables import IS_OVER, merchants, subscriptions

SOME = 200  # subscriptions that one turn of the clock takes at a time
_LETTERS = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"  # none looks like another
_OF = subscriptions.c.id == bindparam("of")


def _move(to: Status, *origins: Status, **values: Any) -> Update:
    return (
        update(subscriptions)
        .where(_OF, subscriptions.c.status.in_([status.value for status in origins]))
        .values(status=to.value, **values)
        .execution_options(preserve_rowcount=True)
    )


_FORWARD = {to: _move(to, *UNCONFIRMED[: UNCONFIRMED.index(to)]) for to in UNCONFIRMED[1:]}
_CONFIRM = _move(
    Status.ACTIVATING,
    *UNCONFIRMED,
    confirmed_at=bindparam("now"),
    contract_number=bindparam("number"),
).where(subscriptions.c.confirmed_at.is_(null()))
_ACTIVATE = _move(
    Status.ACTIVE,
    Status.ACTIVATING,
    activated_at=bindparam("now"),
    renewal_at=bindparam("renewal"),
)
_FINISH = _move(Status.FINISHED, Status.ACTIVE).where(IS_OVER)
_CANCEL = _move(Status.CANCELLED, *LIVE).where(~IS_OVER)
_RECORD_PAYMENT = (
    update(subscriptions)
    .where(
        _OF,
        subscriptions.c.status.in_([status.value for status in LIVE]),
        subscriptions.c.payment_status != bindparam("word"),
    )
    .values(payment_status=bindparam("word"))
    .execution_options(preserve_rowcount=True)
)
_DUE = (
    select(subscriptions, merchants.c.time_zone)
    .join(merchants)
    .where(
        # Literal, as the partial indexes say it: a parameter would not be seen to match.
        or_(
            text("subscriptions.status = 'activating'")
            & (subscriptions.c.confirmed_at <= bindparam("confirmed_by")),
            text("subscriptions.status = 'active'")
            & (subscriptions.c.renewal_at <= bindparam("now")),
        )
    )
    .limit(SOME)
    .with_for_update(of=subscriptions, skip_locked=True)
)


def forward(tx: Connection, subscription_id: str, to: Status) -> bool:
    """Bring one that nobody has confirmed on to sent, in_progress or waiting_for_payment."""
    return tx.execute(_FORWARD[to], {"of": subscription_id}).rowcount == 1


def confirm(tx: Connection, subscription: Row[Any], now: datetime, *, by_staff: bool) -> bool:
    """Confirm one that is not confirmed; gives whether it has moved.

    What the shopper confirms waits for its payment, unless that is made; staff need not wait.
    """
    if by_staff or subscription.payment_status == PaymentStatus.PAID:
        return _begin(tx, subscription, now)
    return forward(tx, subscription.id, Status.WAITING_FOR_PAYMENT)


def record_payment(
    tx: Connection, subscription: Row[Any], payment_status: PaymentStatus, now: datetime
) -> bool:
    """Record how the payment stands; a paid one that waited for it is confirmed with that."""
    recorded = {"of": subscription.id, "word": payment_status.value}
    changed = tx.execute(_RECORD_PAYMENT, recorded).rowcount == 1
    if changed:
        successful = payment_status is PaymentStatus.PAID
        events.payment_status_changed(tx, subscription, successful, now)
    waited = subscription.status == Status.WAITING_FOR_PAYMENT
    if waited and payment_status is PaymentStatus.PAID:
        _begin(tx, subscription, now)
    return changed


def _begin(tx: Connection, subscription: Row[Any], now: datetime) -> bool:
    """The confirmation: the contract has a number from now on."""
    number = "".join(secrets.choice(_LETTERS) for _ in range(12))
    moved = tx.execute(_CONFIRM, {"of": subscription.id, "now": now, "number": number})
    if moved.rowcount != 1:
        return False
    events.created(tx, subscription, number, now)
    return True


def activate(tx: Connection, subscription: Row[Any], activated_at: datetime, now: datetime) -> bool:
    """Begin the first year of one that is activating."""
    zone = ZoneInfo(subscription.time_zone)
    renewal = renewal_at(activated_at, subscription.total_months, zone)
    dates = {"of": subscription.id, "now": activated_at, "renewal": renewal}
    if tx.execute(_ACTIVATE, dates).rowcount != 1:
        return False
    events.activated(tx, subscription, activated_at, now)
    return True


def finish(tx: Connection, subscription_id: str, now: datetime) -> bool:
    """Write down that the months of an active one are over."""
    return tx.execute(_FINISH, {"of": subscription_id, "now": now}).rowcount == 1


def cancel(tx: Connection, subscription: Row[Any], now: datetime) -> bool:
    """End one that has not ended."""
    if tx.execute(_CANCEL, {"of": subscription.id, "now": now}).rowcount != 1:
        return False
    events.cancelled(tx, subscription, now)
    return True


def due(tx: Connection, now: datetime) -> Sequence[Row[Any]]:
    """Some of the subscriptions that time alone moves on, each held; none that others hold."""
    return tx.execute(_DUE, {"now": now, "confirmed_by": now - ACTIVATION}).all()


def by_time(tx: Connection, subscription: Row[Any], now: datetime) -> bool:
    """Move one that is due: its first year begins, or its months are over."""
    if subscription.status == Status.ACTIVATING:
        return activate(tx, subscription, subscription.confirmed_at + ACTIVATION, now)
    return finish(tx, subscription.id, now)
