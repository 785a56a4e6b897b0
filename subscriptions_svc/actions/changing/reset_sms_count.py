"""ResetSmsCount: lets the waiting cart have its SMS once more."""

from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row

from protos import subscriptions_pb2 as pb
from subscriptions_svc.documents.subscriptions import read_subscription
from subscriptions_svc.store.transitions import count_sms_reset
from subscriptions_svc.store.views import ensure_allowed, read_view


def reset_sms_count(tx: Connection, subscription: Row[Any], now: datetime) -> pb.Subscription:
    """Count the SMS of a waiting cart from 0 again; raises WrongState when it is not allowed.

    The caller holds the subscription's lock.
    """
    ensure_allowed(read_view(tx, subscription, now), "reset_sms_count")
    count_sms_reset(tx, subscription.id)
    return read_subscription(tx, subscription.id, now)
