"""Finding the subscription of a call, and what its status must be for the call."""

from collections.abc import Callable
from datetime import datetime
from typing import Any, TypeVar

from sqlalchemy import Connection, Row

from chassis.context import caller
from chassis.errors import NotFound, Unauthenticated, WrongState
from chassis.store.database import Database
from protos import subscriptions_pb2 as pb
from subscriptions_svc import documents, rules, store
from subscriptions_svc.views import Torn

T = TypeVar("T")
NOT_CONFIRMED = "The shopper has not confirmed the cart."
ENDED = "The subscription has ended."


def of_one_state(database: Database, read: Callable[[Connection], T]) -> T:
    """What is read of subscriptions, each as it was at one moment.

    On PostgreSQL every statement sees what was committed before it. A transaction that sees one
    state costs two ways more, a seventh of all reads a second; so it is for what was torn only.
    """
    try:
        with database.read() as tx:
            return read(tx)
    except Torn:
        with database.stream() as tx:
            return read(tx)


def any_merchants(tx: Connection, subscription_id: str, *, lock: bool = False) -> Row[Any]:
    """A subscription, whoever the merchant; raises NotFound."""
    found = store.subscription(tx, caller(), subscription_id, lock=lock)
    if found is None:
        raise NotFound("There is no such subscription.")
    return found


def own(tx: Connection, subscription_id: str, *, lock: bool = False) -> Row[Any]:
    """A subscription of the caller's merchants; raises NotFound, or Unauthenticated."""
    found = any_merchants(tx, subscription_id, lock=lock)
    if not found.is_own:
        raise Unauthenticated("Your account does not reference the subscription's merchant.")
    return found


def document(tx: Connection, subscription_id: str, now: datetime) -> pb.Subscription:
    """A subscription as it stands now."""
    return documents.subscriptions(tx, [any_merchants(tx, subscription_id)], now)[0]


def ensure_confirmed(subscription: Row[Any], now: datetime, *, reason: str | None = None) -> None:
    """Raise WrongState before the confirmation and after the end."""
    ensure_live(subscription, now, reason=reason)
    if rules.Status(subscription.status) in rules.UNCONFIRMED:
        raise WrongState(NOT_CONFIRMED, reason=reason)


def ensure_live(subscription: Row[Any], now: datetime, *, reason: str | None = None) -> None:
    """Raise WrongState after the end."""
    if rules.status_at(subscription.status, subscription.renewal_at, now) not in rules.LIVE:
        raise WrongState(ENDED, reason=reason)
