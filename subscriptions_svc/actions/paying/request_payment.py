"""RequestPayment: asks the merchant's provider for a page on which a payment is paid."""

from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row

from chassis.errors import WrongState
from chassis.languages import find_language
from chassis.payments.charges import generate_charge_id
from chassis.payments.providers import Account, PageOrder
from protos import subscriptions_pb2 as pb
from subscriptions_svc.documents.paying.payments import read_payment
from subscriptions_svc.notices.phrases import describe_month
from subscriptions_svc.rules.paying.payments import OUTSTANDING
from subscriptions_svc.store.paying.payments import list_of_subscription, lock_payment
from subscriptions_svc.store.paying.tables import accounts, charges


def request_payment(tx: Connection, payment_id: str, public_url: str, now: datetime) -> pb.Payment:
    """Ask for a page unless one can be paid; raises NotFound, WrongState."""
    payment, subscription = lock_payment(tx, payment_id)
    if payment.state not in OUTSTANDING:
        raise WrongState("The payment was taken or refunded.")
    account = accounts.find(tx, payment.merchant_id)
    if account is None:
        raise WrongState("The merchant has no payment provider: record the payment by hand.")
    _ask_for_page(tx, account, payment, subscription, public_url, now)
    return read_payment(tx, payment.id)


def request_first_payment(
    tx: Connection, subscription: Row[Any], public_url: str, now: datetime
) -> None:
    """Ask for a page for what a subscription waits for, if its merchant has a provider."""
    payment = next(iter(list_of_subscription(tx, subscription.id)), None)
    account = accounts.find(tx, subscription.merchant_id)
    if account is not None and payment is not None and payment.state in OUTSTANDING:
        _ask_for_page(tx, account, payment, subscription, public_url, now)


def _ask_for_page(
    tx: Connection,
    account: Account,
    payment: Row[Any],
    subscription: Row[Any],
    public_url: str,
    now: datetime,
) -> None:
    link = f"{public_url}/s/{subscription.cart_code}"
    order = PageOrder(
        charge_id=generate_charge_id(),
        amount=payment.amount,
        currency=payment.currency,
        description=describe_month(subscription.locale, subscription.shop, payment.month),
        success_url=link,
        cancel_url=link,
        language=find_language(subscription.locale),
    )
    charges.ask_for_page(tx, account, payment.id, order, now)
