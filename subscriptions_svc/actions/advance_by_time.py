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
from subscriptions_svc.documents.subscriptions import find_delivery_days
from subscriptions_svc.notices.reminders import queue_reminder
from subscriptions_svc.rules.statuses import ACTIVATION_PERIOD, Status
from subscriptions_svc.store.paying.schedule import find_months_due, open_payments
from subscriptions_svc.store.reminding.reminders import find_due_subscriptions
from subscriptions_svc.store.subscriptions import NOBODY, find_subscription
from subscriptions_svc.store.transitions import find_due, finish
from subscriptions_svc.store.views import read_view

POLL_SECONDS = 30.0
REMIND_SECONDS = 600.0  # each subscription is looked at once a day
BATCH_ROWS = 200  # subscriptions moved in one transaction
REMIND_ROWS = 50  # subscriptions looked at in one transaction


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
    # Months that began while no process ran.
    whole = find_subscription(tx, subscription.id, NOBODY)
    open_payments(tx, whole, now, ended_at=subscription.renewal_at)
    return finish(tx, subscription.id, now)


def remind_shoppers(
    database: Database, public_url: str, now: datetime, batch: int = REMIND_ROWS
) -> int:
    """Queue the reminders that are due at `now`, a batch at a time; returns how many."""
    total, found = 0, [""]
    while found:
        with database.write() as tx:
            found = list(find_due_subscriptions(tx, now, batch))
            for subscription_id in found:
                view = read_view(tx, find_subscription(tx, subscription_id, NOBODY), now)
                _, following = find_delivery_days(view)
                total += queue_reminder(tx, view, following, public_url)
    return total


def create_time_loop(
    database: Database, now: Callable[[], datetime] = utc_now, seconds: float = POLL_SECONDS
) -> BackgroundLoop:
    """Return a loop that advances subscriptions at intervals."""
    return BackgroundLoop("advance by time", lambda: advance_by_time(database, now()), seconds)


def create_reminder_loop(
    database: Database,
    public_url: str,
    now: Callable[[], datetime] = utc_now,
    seconds: float = REMIND_SECONDS,
) -> BackgroundLoop:
    """Return a loop that reminds shoppers."""
    return BackgroundLoop(
        "remind shoppers", lambda: remind_shoppers(database, public_url, now()) and None, seconds
    )
