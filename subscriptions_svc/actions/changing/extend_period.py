"""ExtendPeriod: lets an active subscription be renewed for more months, one by one."""

from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row

from chassis.errors import WrongState
from chassis.validation import refuse
from protos import subscriptions_pb2 as pb
from subscriptions_svc.documents.events import build_renting_plan_changed
from subscriptions_svc.documents.subscriptions import read_subscription
from subscriptions_svc.rules.agreements.terms import MAX_RENEWAL_MONTHS
from subscriptions_svc.store.subscriptions import ENDED
from subscriptions_svc.store.tables import outbox
from subscriptions_svc.store.transitions import set_term
from subscriptions_svc.store.views import NOT_ALLOWED, ensure_allowed, read_view


def extend_period(
    tx: Connection, subscription: Row[Any], months: int, now: datetime
) -> pb.Subscription:
    """Add months to those that it is renewed for; raises WrongState, or Invalid for too many.

    A renewed month binds to nothing, so the shopper need not confirm them. The caller holds the
    subscription's lock.
    """
    view = read_view(tx, subscription, now)
    ensure_allowed(view, "extend_period")
    left = MAX_RENEWAL_MONTHS - view.term.renewal_months
    if months > left:
        refuse([("months", f"Must be from 1 to {left}: {MAX_RENEWAL_MONTHS} in all.")])
    term = view.term._replace(renewal_months=view.term.renewal_months + months)
    if not set_term(tx, subscription, term, subscription.extended_year, now):
        raise WrongState(ENDED, reason=NOT_ALLOWED)
    outbox.add(tx, build_renting_plan_changed(subscription, now), now)
    return read_subscription(tx, subscription.id, now)
