"""What time alone does to subscriptions: the first year begins, a month's payment is opened, the
months are over.

Any number of processes may do it at once. Each locks the rows that it moves and skips those locked
by others, and each move is a statement with its condition, so that nothing happens twice.
"""

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row

from chassis.background import BackgroundLoop
from chassis.context import utc_now
from chassis.store.database import Database
from subscriptions_svc.actions.activate_cart_item import activate_subscription
from subscriptions_svc.rules.statuses import ACTIVATION_PERIOD, Status
from subscriptions_svc.store.paying.schedule import find_months_due, open_payments
from subscriptions_svc.store.subscriptions import NOBODY, find_subscription
from subscriptions_svc.store.transitions import find_due, finish

POLL_SECONDS = 30.0
BATCH_ROWS = 200  # subscriptions moved in one transaction


def advance_by_time(database: Database, now: datetime, batch: int = BATCH_ROWS) -> int:
    """Move every subscription that is due at `now`, a batch at a time; returns how many moved."""
    total = 0
    while True:
        with database.write() as tx:
            due = find_due(tx, now, batch)
            moved = sum(_advance(tx, subscription, now) for subscription in due)
        total += moved
        if len(due) < batch or not moved:
            break
    _open_months(database, now, batch)
    return total


def _open_months(database: Database, now: datetime, batch: int) -> None:
    """Open the payments of months that have begun, a batch of subscriptions at a time."""
    found: Sequence[str] = ("",)
    while found:
        with database.write() as tx:
            found = find_months_due(tx, now, batch)
            for subscription_id in found:
                open_payments(tx, find_subscription(tx, subscription_id, NOBODY), now)


def _advance(tx: Connection, subscription: Row[Any], now: datetime) -> bool:
    if subscription.status == Status.ACTIVATING:
        activated_at = subscription.confirmed_at + ACTIVATION_PERIOD
        return activate_subscription(tx, subscription, activated_at, now)
    return finish(tx, subscription.id, now)


def create_time_loop(
    database: Database, now: Callable[[], datetime] = utc_now, seconds: float = POLL_SECONDS
) -> BackgroundLoop:
    """Return a loop that advances subscriptions at intervals."""
    return BackgroundLoop("advance by time", lambda: advance_by_time(database, now()), seconds)
