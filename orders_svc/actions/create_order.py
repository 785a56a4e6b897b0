"""CreateOrder: store an order as a draft, or submit it to its lab."""

from collections.abc import Mapping
from typing import Any

from sqlalchemy import Connection

from chassis.context import Account
from orders_svc.documents.events import ORDER_SUBMITTED, build_event
from orders_svc.rules.lab_status import LabStatus
from orders_svc.rules.warnings.review import Review
from orders_svc.store.life.history import add_first_entry
from orders_svc.store.orders import BuildAnswer, Submission, add_order
from orders_svc.store.tables import outbox
from orders_svc.store.transport.jobs import add_job


def create_order(
    tx: Connection,
    account: Account,
    user_id: int,
    order: Mapping[str, Any],
    review: Review,
    submission: Submission,
    *,
    notify: bool,
    has_job: bool = False,
    original_id: str | None = None,
    answer_alone: BuildAnswer | None = None,
) -> dict[str, Any]:
    """Add a checked order and return its row; `notify` adds the event of a transmitted one.

    `has_job` has its job sent to its lab. `answer_alone` is as `add_order` says.
    """
    row = add_order(
        tx, account, user_id, order, review, submission, original_id, answer_alone=answer_alone
    )
    if row["lab_status"] == LabStatus.PENDING_TRANSMISSION:
        add_first_entry(tx, row)
    if notify:
        event = build_event(account.name, ORDER_SUBMITTED, row, submission.now)
        outbox.add(tx, event, submission.now)
    if has_job:
        add_job(tx, row, submission.now)
    return row
