"""Returns what was paid for a session."""

from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row

from chassis.errors import WrongState
from chassis.payments.charges import BY_HAND, OPEN, generate_charge_id
from chassis.payments.providers import REFUNDED, RefundOrder, Report
from sessions_svc.rules.statuses import REFUNDED_STATUSES
from sessions_svc.store.payments import find_refund, list_refunds, lock_session
from sessions_svc.store.sessions import get_partner_session, get_session_record
from sessions_svc.store.tables import accounts, charges, payment_accounts


def refund_payment(
    tx: Connection, partner: str, session_key: str, now: datetime, reference: str | None = None
) -> Row[Any]:
    """Return a payment, once, and the record of its session; raise NotFound or WrongState.

    With a `reference`, and where no provider can, staff has handed the money back.
    """
    session = lock_session(tx, get_partner_session(tx, partner, session_key).id)
    owed = find_owed(tx, partner, session)
    if owed is None:
        refuse_second_refund(tx, partner, session)
        if reference is None and ask_provider(tx, partner, session, now):
            return get_session_record(tx, partner, session_key)
        owed = owe(tx, partner, session, now)
    if owed is not None:
        charges.record(tx, owed, Report(owed.id, REFUNDED, ref=reference), now)
    return get_session_record(tx, partner, session_key)


def return_payment(tx: Connection, session: Row[Any], now: datetime) -> None:
    """Return what was paid for a session that has just ended without a result, if anything was.

    What no provider can return is noted, for staff to hand back.
    """
    if session.status not in REFUNDED_STATUSES or session.paid_at is None:
        return
    partner = accounts.name(tx, session.account_id)
    if find_refund(list_refunds(tx, partner, session), session) is not None:
        return
    if not ask_provider(tx, partner, session, now):
        owe(tx, partner, session, now)


def find_owed(tx: Connection, partner: str, session: Row[Any]) -> Row[Any] | None:
    """Return the first refund that staff has to hand back."""
    refunds = list_refunds(tx, partner, session)
    owed = (each for each in refunds if each.provider == BY_HAND and each.state == OPEN)
    return next(owed, None)


def refuse_second_refund(tx: Connection, partner: str, session: Row[Any]) -> None:
    """Raise WrongState for a payment that was not made, or goes back already."""
    if session.paid_at is None:
        raise WrongState("Nothing was paid for the session.")
    found = find_refund(list_refunds(tx, partner, session), session)
    if found is not None:
        is_over = found.state == REFUNDED
        raise WrongState(f"The payment {'was returned' if is_over else 'is on its way back'}.")


def ask_provider(tx: Connection, partner: str, session: Row[Any], now: datetime) -> bool:
    """Ask the provider that took a payment to return it; False if it cannot."""
    account = payment_accounts.find(tx, partner)
    if account is None or account.provider != session.paid_by or not session.payment_reference:
        return False
    order = build_order(session, session.payment_reference)
    return charges.ask_for_refund(tx, account, str(session.id), order, now)


def owe(tx: Connection, partner: str, session: Row[Any], now: datetime) -> Row[Any] | None:
    """Note that staff hands a payment back; return the charge."""
    return charges.owe_refund(tx, partner, str(session.id), build_order(session, ""), now)


def build_order(session: Row[Any], payment_ref: str) -> RefundOrder:
    """Return the order for the refund of a session's whole price."""
    amount, currency = session.price_amount, session.price_currency
    return RefundOrder(generate_charge_id(), amount, currency, payment_ref)
