"""Records which product a person has chosen, where the order names none."""

from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row

from chassis.errors import WrongState
from sessions_svc.rules.statuses import Status, has_ended
from sessions_svc.store.payments import fix_price
from sessions_svc.store.sessions import get_partner_session, write_columns


def choose_product(
    tx: Connection, partner: str, session_key: str, product: str, now: datetime
) -> Row[Any]:
    """Record the choice, or replace it; raise NotFound, WrongState or Busy."""
    session = get_partner_session(tx, partner, session_key)
    if session.products:
        raise WrongState("The order names products, so there is nothing to choose.")
    if has_ended(session.status):
        raise WrongState("The session has ended.")
    session = write_columns(tx, session, now, {"chosen_product": product})
    return session if session.status == Status.CREATED else fix_price(tx, session, now, again=True)
