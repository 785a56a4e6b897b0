"""Queries on what is to be paid for sessions, and whether it is."""

from collections.abc import Iterable
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row, bindparam, select, update

from chassis.errors import WrongState
from chassis.payments.charges import BY_HAND, REFUND
from chassis.payments.providers import EXPIRED, FAILED, Report
from sessions_svc.rules.products import compute_price, list_products, owes_choice, owes_payment
from sessions_svc.rules.statuses import PAID_STATUSES, Status
from sessions_svc.store.partners import find_settings
from sessions_svc.store.personal import SESSIONS
from sessions_svc.store.sessions import SINGLE_COLUMNS, write_columns
from sessions_svc.store.tables import accounts, charges, sessions

BY_STAFF = BY_HAND
PAYMENT_DUE = "PAYMENT_DUE"
_LOCK = select(*SINGLE_COLUMNS).where(sessions.c.id == bindparam("session_id")).with_for_update()


def lock_session(tx: Connection, session_id: int) -> Row[Any]:
    """Return the `SINGLE_COLUMNS` of a session that nobody else changes in the meantime."""
    return SESSIONS.open(tx, tx.execute(_LOCK, {"session_id": session_id}).one())


def fix_price(tx: Connection, session: Row[Any], now: datetime, *, again: bool = False) -> Row[Any]:
    """Write what a session costs by the partner's prices, once; return its `SINGLE_COLUMNS`.

    A session that the partner has charged, or that costs nothing, has no price. One that is paid
    keeps its price, even `again`. Raises Busy.
    """
    is_fixed = session.price_amount is not None and not again
    if is_fixed or session.charged_amount is not None or session.paid_at is not None:
        return session
    prices = find_settings(tx, session.account_id).prices
    amount = compute_price(prices, list_products(session.products, session.chosen_product))
    price = (prices["currency"], amount) if prices and amount else (None, None)
    if price == (session.price_currency, session.price_amount):
        return session
    values = {"price_currency": price[0], "price_amount": price[1]}
    written = write_columns(tx, session, now, values)  # which locks it, before its page
    if session.price_amount is not None:
        close_page(tx, written, now)
    return written


def close_page(tx: Connection, session: Row[Any], now: datetime) -> None:
    """Forget the page on which another price can be paid; who pays there gets the money back."""
    page = charges.find_payable(tx, accounts.name(tx, session.account_id), str(session.id))
    if page is not None:
        charges.record(tx, page, Report(page.id, EXPIRED), now)


def mark_paid(
    tx: Connection, session: Row[Any], by: str, reference: str | None, now: datetime
) -> bool:
    """Write that the price of a session is paid; return False if it was."""
    row = {
        "paid_at": now.replace(microsecond=0),
        "paid_by": by,
        "payment_reference": reference,
        "updated_at": now.replace(microsecond=0),
    }
    statement = (
        update(sessions)
        .where(sessions.c.id == session.id, sessions.c.paid_at.is_(None))
        .values(SESSIONS.seal(tx, row, session._mapping))
        .returning(sessions.c.id)
    )
    return tx.execute(statement).first() is not None


def require_payment(tx: Connection, session: Row[Any], to: Status) -> None:
    """Raise WrongState if a session has to be paid before it moves to a status.

    While the person has not chosen what has a price, nobody knows what they owe.
    """
    if to not in PAID_STATUSES:
        return
    if owes_payment(session):
        price = f"{session.price_amount} {session.price_currency}"
        raise WrongState(
            f"Its price, {price} in the smallest unit, is not paid: submit it to awaiting_checkout"
            " or record the payment.",
            reason=PAYMENT_DUE,
        )
    if owes_choice(session, find_settings(tx, session.account_id).prices):
        raise WrongState(
            "Its price is that of a product, and the person has not chosen one: record it with"
            " ChooseProduct.",
            reason=PAYMENT_DUE,
        )


def list_refunds(tx: Connection, partner: str, session: Row[Any]) -> list[Row[Any]]:
    """Return what goes back of what was paid for a session, oldest first."""
    asked = charges.list_of_subject(tx, partner, str(session.id))
    return [each for each in asked if each.kind == REFUND]


def find_refund(refunds: Iterable[Row[Any]], session: Row[Any]) -> Row[Any] | None:
    """Return the refund of a session's own payment, unless it has failed.

    Money taken for a session that was paid already goes back by refunds of its own.
    """
    own = (session.payment_reference, None)
    found = (each for each in refunds if each.state != FAILED and each.payment_ref in own)
    return next(found, None)
