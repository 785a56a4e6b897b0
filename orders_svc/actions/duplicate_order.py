"""DuplicateOrder: a draft that begins as a copy, a redo or a further pair of an order."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row

from chassis.context import Account
from chassis.errors import WrongState
from orders_svc.actions.create_order import create_order
from orders_svc.rules.life.available_actions import OrderState, find_available_actions
from orders_svc.rules.warnings.review import Review
from orders_svc.store.life.changes import mark_copied
from orders_svc.store.orders import Submission

ACTIONS = {"new": "duplicate", "redo": "redo", "multi_pair": "multi_pair"}


def ensure_copyable(original: Row[Any], submission_type: str, now: datetime) -> None:
    """Raise WrongState unless such an order may be made from this one."""
    actions = find_available_actions(OrderState.of(original), now)
    if not actions[ACTIONS[submission_type]]:
        raise WrongState(f"The order is {original.lab_status}, which does not allow this.")


def duplicate_order(
    tx: Connection,
    account: Account,
    user_id: int,
    original: Row[Any],
    order: Mapping[str, Any],
    review: Review,
    now: datetime,
) -> dict[str, Any]:
    """Add a checked draft that was made from an order, and return its row.

    A redo or a further pair marks its original; raises WrongState if that has changed meanwhile.
    """
    marks = order["submission_type"] != "new"
    if marks and mark_copied(tx, account, user_id, original.id, now) is None:
        raise WrongState("The order has changed meanwhile; read it again.")
    submission = Submission(now, None)
    return create_order(
        tx, account, user_id, order, review, submission, notify=False, original_id=original.id
    )
