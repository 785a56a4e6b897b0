"""Payments as staff sees them."""

from typing import Any

from sqlalchemy import Connection, Row

from protos import subscriptions_pb2 as pb
from subscriptions_svc.rules.statuses import Status
from subscriptions_svc.store.paying.payments import find_payment, list_of_subscription
from subscriptions_svc.store.paying.tables import charges
from subscriptions_svc.store.views import View


def read_payment(tx: Connection, payment_id: str) -> pb.Payment:
    """Return a payment as it stands."""
    return build_payment(tx, find_payment(tx, payment_id))


def build_payment(tx: Connection, row: Row[Any]) -> pb.Payment:
    """Return a payment, with the page on which it can be paid."""
    return pb.Payment(
        id=row.id,
        subscription_id=row.subscription_id,
        merchant_id=row.merchant_id,
        month=row.month,
        amount=row.amount,
        currency=row.currency,
        due_on=row.due_on.isoformat(),
        state=row.state,
        taken=row.taken,
        refunded=row.refunded,
        refunding=row.refunding,
        page_url=find_page_url(tx, row),
    )


def find_page_url(tx: Connection, row: Row[Any]) -> str | None:
    """Return the address of the page on which a payment can be paid, once it is made."""
    page = charges.find_payable(tx, row.merchant_id, row.id)
    return page.url if page else None


def find_first_page_url(tx: Connection, view: View) -> str | None:
    """Return the address of the page for the payment that a subscription waits for."""
    if view.status is not Status.WAITING_FOR_PAYMENT:
        return None
    first = next(iter(list_of_subscription(tx, view.row.id)), None)
    return find_page_url(tx, first) if first else None
