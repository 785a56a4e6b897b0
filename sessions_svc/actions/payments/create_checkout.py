"""Asks the partner's provider for a page on which the price of an exam is paid."""

from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row

from chassis.payments.charges import generate_charge_id
from chassis.payments.providers import PageOrder
from sessions_svc.rules.links import build_exam_url
from sessions_svc.rules.products import owes_payment
from sessions_svc.rules.statuses import Status
from sessions_svc.store.links import get_open_exam
from sessions_svc.store.partners import find_settings
from sessions_svc.store.tables import charges, payment_accounts

DESCRIPTION = "Vision test"


def create_checkout(
    tx: Connection,
    exam_token: str,
    exam: str,
    public_url: str,
    now: datetime,
    language: str | None = None,
) -> Row[Any]:
    """Ask for the page, unless there is one, and return the exam; raise NotFound or WrongState."""
    found = get_open_exam(tx, exam_token, now, lock=True)
    account = payment_accounts.find(tx, found.partner)
    if account and found.status == Status.AWAITING_CHECKOUT and owes_payment(found):
        host = find_settings(tx, found.account_id).link_host
        back = build_exam_url(public_url, host, exam)
        order = PageOrder(
            charge_id=generate_charge_id(),
            amount=found.price_amount,
            currency=found.price_currency,
            description=DESCRIPTION,
            success_url=back,
            cancel_url=back,
            language=language,
        )
        charges.ask_for_page(tx, account, str(found.id), order, now)
    return found
