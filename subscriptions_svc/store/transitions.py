"""Moves of a subscription from status to status, and of its cart.

Each is one statement with its condition, and returns whether it has changed anything. Whoever
confirms or cancels holds the subscription's row.
"""

import secrets
from collections.abc import Sequence
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from sqlalchemy import Connection, Integer, Row, Update, bindparam, null, or_, select, text, update

from subscriptions_svc.rules.agreements.terms import Term
from subscriptions_svc.rules.available_actions import MAX_SMS_RESETS
from subscriptions_svc.rules.statuses import ACTIVATION_PERIOD, LIVE, UNCONFIRMED, Status
from subscriptions_svc.store.subscriptions import IS_OVER
from subscriptions_svc.store.tables import merchants, subscriptions

_CONTRACT_LETTERS = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"  # no two look alike
_IS_IT = subscriptions.c.id == bindparam("where_id")


def _move(to: Status, *origins: Status, **values: Any) -> Update:
    return (
        update(subscriptions)
        .where(_IS_IT, subscriptions.c.status.in_([status.value for status in origins]))
        .values(status=to.value, **values)
        .execution_options(preserve_rowcount=True)
    )


_FORWARD = {to: _move(to, *UNCONFIRMED[: UNCONFIRMED.index(to)]) for to in UNCONFIRMED[1:]}
_CONFIRM = _move(
    Status.ACTIVATING,
    *UNCONFIRMED,
    confirmed_at=bindparam("confirmed_at"),
    contract_number=bindparam("contract_number"),
).where(subscriptions.c.confirmed_at.is_(null()))
_ACTIVATE = _move(
    Status.ACTIVE,
    Status.ACTIVATING,
    activated_at=bindparam("activated_at"),
    renewal_at=bindparam("renewal_at"),
)
_FINISH = _move(Status.FINISHED, Status.ACTIVE).where(IS_OVER)
_CANCEL = _move(Status.CANCELLED, *LIVE).where(~IS_OVER)
_RECORD_FIRST_DELIVERY = (
    update(subscriptions)
    .where(_IS_IT, subscriptions.c.first_delivery_at.is_(null()))
    .values(first_delivery_at=bindparam("first_delivery_at"))
    .execution_options(preserve_rowcount=True)
)
_PUT_INTO_FORCE = (
    update(subscriptions)
    .where(_IS_IT, subscriptions.c.status == Status.ACTIVE.value, ~IS_OVER)
    .values(cart_id=bindparam("cart_id"), cart_code=bindparam("cart_code"))
    .execution_options(preserve_rowcount=True)
)
_SET_TERM = (
    update(subscriptions)
    .where(_IS_IT, subscriptions.c.status == Status.ACTIVE.value, ~IS_OVER)
    .values(
        {
            name: bindparam(name)
            for name in ("total_months", "renewal_months", "renewal_at", "extended_year")
        }
    )
    .execution_options(preserve_rowcount=True)
)
_COUNT_SMS_RESET = (
    update(subscriptions)
    .where(_IS_IT, subscriptions.c.sms_resets < MAX_SMS_RESETS)
    .values(sms_resets=subscriptions.c.sms_resets + 1)
    .execution_options(preserve_rowcount=True)
)
DUE_SUBSCRIPTIONS = (
    select(subscriptions, merchants.c.time_zone)
    .join(merchants)
    .where(
        # Literal, as in the partial indexes: with a parameter the planner would not match them.
        or_(
            text("subscriptions.status = 'activating'")
            & (subscriptions.c.confirmed_at <= bindparam("confirmed_by")),
            text("subscriptions.status = 'active'")
            & (subscriptions.c.renewal_at <= bindparam("now")),
        )
    )
    .limit(bindparam("limit", type_=Integer()))
    .with_for_update(of=subscriptions, skip_locked=True)
)


def _apply(tx: Connection, statement: Update, subscription_id: str, **values: Any) -> bool:
    return tx.execute(statement, {"where_id": subscription_id, **values}).rowcount == 1


def move_forward(tx: Connection, subscription_id: str, to: Status) -> bool:
    """Move an unconfirmed subscription forward to sent, in_progress or waiting_for_payment."""
    return _apply(tx, _FORWARD[to], subscription_id)


def begin_contract(tx: Connection, subscription_id: str, now: datetime) -> str | None:
    """Move an unconfirmed subscription to activating; returns its new contract number."""
    number = "".join(secrets.choice(_CONTRACT_LETTERS) for _ in range(12))
    moved = _apply(tx, _CONFIRM, subscription_id, confirmed_at=now, contract_number=number)
    return number if moved else None


def activate(tx: Connection, subscription: Row[Any], activated_at: datetime) -> bool:
    """Begin the first year of an activating subscription."""
    term = Term(subscription.total_months, subscription.renewal_months)
    end = term.compute_end(activated_at, ZoneInfo(subscription.time_zone))
    return _apply(tx, _ACTIVATE, subscription.id, activated_at=activated_at, renewal_at=end)


def finish(tx: Connection, subscription_id: str, now: datetime) -> bool:
    """Move an active subscription past its renewal to finished."""
    return _apply(tx, _FINISH, subscription_id, now=now)


def cancel(tx: Connection, subscription_id: str, now: datetime) -> bool:
    """Move a live subscription to cancelled."""
    return _apply(tx, _CANCEL, subscription_id, now=now)


def record_first_delivery(tx: Connection, subscription: Row[Any], now: datetime) -> None:
    """Record that an item or a box is handed over now, unless one was before."""
    if subscription.first_delivery_at is None:
        _apply(tx, _RECORD_FIRST_DELIVERY, subscription.id, first_delivery_at=now)


def set_cart(tx: Connection, subscription_id: str, cart_id: str, code: str, now: datetime) -> bool:
    """Set the cart in force of an active subscription."""
    return _apply(tx, _PUT_INTO_FORCE, subscription_id, cart_id=cart_id, cart_code=code, now=now)


def set_term(
    tx: Connection, subscription: Row[Any], term: Term, extended_year: int | None, now: datetime
) -> bool:
    """Set the term of an active subscription, and the subscription year that has extended it."""
    end = term.compute_end(subscription.activated_at, ZoneInfo(subscription.time_zone))
    changes = {**term._asdict(), "renewal_at": end, "extended_year": extended_year}
    return _apply(tx, _SET_TERM, subscription.id, **changes, now=now)


def count_sms_reset(tx: Connection, subscription_id: str) -> bool:
    """Count a reset of a waiting cart's SMS, from which on earlier ones do not count."""
    return _apply(tx, _COUNT_SMS_RESET, subscription_id)


def find_due(tx: Connection, now: datetime, limit: int) -> Sequence[Row[Any]]:
    """Lock and return up to `limit` subscriptions that time moves; skips those locked by others."""
    key = {"now": now, "confirmed_by": now - ACTIVATION_PERIOD, "limit": limit}
    return tx.execute(DUE_SUBSCRIPTIONS, key).all()
