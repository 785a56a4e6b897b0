"""StopReminders: a shopper wants no reminders of a subscription."""

from datetime import datetime

from sqlalchemy import Connection

from protos import subscriptions_pb2 as pb
from subscriptions_svc.store.reminding.reminders import find_by_code, stop
from subscriptions_svc.store.subscriptions import NOBODY, find_subscription


def stop_reminders(tx: Connection, code: str, now: datetime) -> pb.Reminders:
    """Stop the reminders that a link is about, once; raises NotFound."""
    row = find_by_code(tx, code)
    find_subscription(tx, row.subscription_id, NOBODY, lock=True)
    stop(tx, row.subscription_id, now)
    return read_reminders(tx, code)


def read_reminders(tx: Connection, code: str) -> pb.Reminders:
    """Return what the page behind a link shows; raises NotFound."""
    row = find_by_code(tx, code)
    subscription = find_subscription(tx, row.subscription_id, NOBODY)
    return pb.Reminders(
        shop=subscription.shop,
        locale=subscription.locale,
        is_stopped=row.stopped_at is not None,
    )
