"""ConfirmSubscription: confirms for the shopper whatever waits for them."""

from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row

from protos import subscriptions_pb2 as pb
from subscriptions_svc.documents.events import (
    build_created,
    build_renting_plan_changed,
    build_updated,
)
from subscriptions_svc.documents.subscriptions import read_subscription
from subscriptions_svc.rules.statuses import UNCONFIRMED, PaymentStatus, Status
from subscriptions_svc.store.box_deliveries import carry_over
from subscriptions_svc.store.cart_items import complete_packages, replace_items
from subscriptions_svc.store.paying.payments import list_of_subscription
from subscriptions_svc.store.paying.schedule import open_payments
from subscriptions_svc.store.pending_carts import PendingCart, claim_cart
from subscriptions_svc.store.subscriptions import NOBODY, ensure_live, find_subscription
from subscriptions_svc.store.tables import outbox
from subscriptions_svc.store.transitions import begin_contract, move_forward, set_cart, set_term
from subscriptions_svc.store.views import (
    View,
    ensure_active,
    ensure_exchangeable,
    read_view,
)


def confirm_subscription(tx: Connection, subscription: Row[Any], now: datetime) -> pb.Subscription:
    """Confirm whatever waits for the shopper: the subscription, or its pending cart.

    Raises WrongState. The caller holds the subscription's lock.
    """
    confirm_waiting_cart(tx, subscription, now)
    return read_subscription(tx, subscription.id, now)


def confirm_waiting_cart(
    tx: Connection, subscription: Row[Any], now: datetime, *, code: str | None = None
) -> bool:
    """Confirm the cart that waits for the shopper; returns whether anything has changed.

    The shopper confirms the cart that has the code of the link; staff, without a code, whichever
    waits. What the shopper confirms waits for its payment unless that was made; staff need not
    wait. Raises WrongState when the subscription has ended or its pending cart is no longer
    allowed; nothing is written then. The caller holds the subscription's lock.
    """
    ensure_live(subscription, now)
    if Status(subscription.status) in UNCONFIRMED:
        if code is None or subscription.payment_status == PaymentStatus.PAID:
            return confirm_solicitation(tx, subscription, now)
        open_payments(tx, subscription, now)
        if subscription.monthly_payments and not list_of_subscription(tx, subscription.id):
            return confirm_solicitation(tx, subscription, now)  # it costs nothing
        return move_forward(tx, subscription.id, Status.WAITING_FOR_PAYMENT)
    cart = claim_cart(tx, subscription.id, code)
    return cart is not None and _put_into_force(tx, subscription, cart, now)


def confirm_solicitation(tx: Connection, subscription: Row[Any], now: datetime) -> bool:
    """Confirm an unconfirmed subscription, which gets its contract number; True if it was."""
    number = begin_contract(tx, subscription.id, now)
    if number is None:
        return False
    outbox.add(tx, build_created(subscription, number), now)
    return True


def extend_term(tx: Connection, view: View, now: datetime) -> bool:
    """Extend the agreed months for a change after the first year; returns whether they are."""
    term = view.find_extended_term()
    return term != view.term and set_term(tx, view.row, term, view.year, now)


def _put_into_force(
    tx: Connection, subscription: Row[Any], cart: PendingCart, now: datetime
) -> bool:
    view = read_view(tx, subscription, now)
    ensure_active(view)
    ensure_exchangeable(view, {row["id"] for row in cart.rows})
    if not set_cart(tx, subscription.id, cart.id, cart.code, now):
        return False
    replace_items(tx, subscription.id, cart.id, cart.rows, now)
    extends = extend_term(tx, view, now)
    complete_packages(tx, subscription.id, now)
    carry_over(tx, subscription.id, cart.id, view.year)
    after = read_view(tx, find_subscription(tx, subscription.id, NOBODY), now)
    if extends or after.monthly_price != view.monthly_price:
        outbox.add(tx, build_renting_plan_changed(subscription, now), now)
    outbox.add(tx, build_updated(subscription, now), now)
    return True
