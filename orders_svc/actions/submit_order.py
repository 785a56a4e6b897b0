"""SubmitOrder: submit a draft to its lab, at once or after a window."""

from collections.abc import Collection, Mapping
from typing import Any

from sqlalchemy import Connection, Row

from chassis.context import Account
from chassis.errors import Busy, WrongState
from chassis.server.preconditions import check_version
from orders_svc.documents.events import ORDER_SUBMITTED, build_event
from orders_svc.rules.lab_status import LabStatus
from orders_svc.rules.life.history import CLIENT, Event
from orders_svc.rules.warnings.review import Review
from orders_svc.store.life.history import add_entry
from orders_svc.store.orders import Submission, get_order, submit_draft
from orders_svc.store.tables import outbox
from orders_svc.store.transport.jobs import add_job

NOT_A_DRAFT = "The order is not a draft."


def ensure_draft(order: Row[Any]) -> None:
    """Raise WrongState unless the order is a draft."""
    if order.lab_status != LabStatus.DRAFT:
        raise WrongState(NOT_A_DRAFT)


def ensure_submitted(order: Row[Any]) -> None:
    """Raise WrongState for a draft."""
    if order.lab_status == LabStatus.DRAFT:
        raise WrongState("The order is a draft: submit it first.")


def submit_order(
    tx: Connection,
    account: Account,
    user_id: int,
    draft: Row[Any],
    acknowledged: list[str],
    review: Review,
    submission: Submission,
    versions: Collection[int] | None = None,
) -> Row[Any]:
    """Submit a checked draft and return its row.

    Raises WrongState if it is no longer a draft, or not of one of these versions, and Busy if it
    was edited in the meantime.
    """
    document: Mapping[str, Any] = draft.document
    if acknowledged:
        document = {**document, "acknowledged_warnings": acknowledged}
    row = submit_draft(tx, account, user_id, draft, document, review, submission)
    if row is None:
        current = get_order(tx, account, user_id, draft.id)
        check_version(current.version, versions)
        ensure_draft(current)
        raise Busy("The draft was edited at the same time; try again.")
    add_entry(tx, row, Event.SUBMITTED, CLIENT, submission.now, user_id=user_id)
    if row.lab_status == LabStatus.SUBMITTED:
        event = build_event(account.name, ORDER_SUBMITTED, row._mapping, submission.now)
        outbox.add(tx, event, submission.now)
        add_job(tx, row._mapping, submission.now)
    return row
