"""Uses a link, which opens an exam."""

from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row

from chassis.errors import WrongState
from chassis.validation import refuse
from sessions_svc.documents.session_events import queue_session_event
from sessions_svc.rules.products import find_choice_fault, list_products
from sessions_svc.rules.statuses import STARTABLE_STATUSES, Status, has_ended
from sessions_svc.store.links import CLOSED_LINK, find_exam, get_link, use_link
from sessions_svc.store.payments import fix_price
from sessions_svc.store.sessions import move_session, write_columns


def enter_exam(
    tx: Connection,
    user_key: str,
    session_key: str,
    token: str,
    exam_token: str,
    now: datetime,
    product: str | None = None,
) -> Row[Any]:
    """Use the link, start the session unless its exam is under way, and return the exam.

    The product that the person chose is recorded where the order names none. A repeated visit,
    which has the same exam token, gets the same exam. Raises NotFound, Invalid for a product that
    is not the session's, and WrongState for a link that is used, expired, or of a session that
    has ended.
    """
    link = get_link(tx, user_key, session_key, token, lock=True)
    if use_link(tx, token, exam_token, now):
        if has_ended(link.status):
            raise WrongState(CLOSED_LINK)
        refuse(find_choice_fault(link.products, link.chosen_product, product))
        if product and not list_products(link.products, link.chosen_product):
            link = write_columns(tx, link, now, {"chosen_product": product})
            if link.status not in STARTABLE_STATUSES:
                link = fix_price(tx, link, now)
        if link.status in STARTABLE_STATUSES:
            session = fix_price(tx, move_session(tx, link, Status.STARTED, now), now)
            queue_session_event(tx, session, now)
    exam = find_exam(tx, exam_token)
    if exam is None or exam.exam_expires_at <= now:
        raise WrongState(CLOSED_LINK)
    return exam
