"""Records what a payment provider reports."""

from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row

from chassis.payments.charges import PAGE, generate_charge_id
from chassis.payments.providers import TAKEN, RefundOrder, Report
from sessions_svc.actions.payments.record_payment import settle
from sessions_svc.rules.products import owes_payment
from sessions_svc.rules.statuses import has_ended
from sessions_svc.store.payments import lock_session
from sessions_svc.store.tables import charges, payment_accounts


def receive_payment_callback(
    tx: Connection, partner: str, signature: str, body: bytes, now: datetime
) -> None:
    """Record a callback that is signed for a partner; raise Invalid for any other."""
    account = payment_accounts.find_for_callback(tx, partner, body)
    found = charges.read_callback(tx, account, body, signature, now)
    if found is not None:
        record_outcome(tx, *found, now, None)


def record_outcome(
    tx: Connection, charge: Row[Any], report: Report, now: datetime, reason: str | None
) -> None:
    """Record what became of a charge, once; `reason` says why a call for it was given up.

    Money for what is paid already or has another price, or for a session that has ended, goes back.
    """
    session = lock_session(tx, int(charge.subject))
    if not charges.record(tx, charge, report, now, reason):
        return
    if charge.kind != PAGE or report.outcome != TAKEN:
        return
    is_price = (charge.amount, charge.currency) == (session.price_amount, session.price_currency)
    if is_price and owes_payment(session) and not has_ended(session.status):
        settle(tx, session, charge.provider, report.payment_ref, now)
        return
    return_surplus(tx, charge, report.payment_ref, now)


def return_surplus(
    tx: Connection, charge: Row[Any], payment_ref: str | None, now: datetime
) -> None:
    """Return what a page took that is not owed, or note it for staff if no provider can."""
    account = payment_accounts.find(tx, charge.owner)
    order = RefundOrder(
        generate_charge_id(), charge.amount, charge.currency, payment_ref or str(charge.id)
    )
    if account is None or not payment_ref:
        charges.owe_refund(tx, charge.owner, charge.subject, order, now)
    else:
        charges.ask_for_refund(tx, account, charge.subject, order, now)
