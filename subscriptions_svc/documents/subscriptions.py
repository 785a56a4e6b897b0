"""Subscriptions as shops see them. Their carts are in `carts`."""

from datetime import date, datetime
from typing import Any

from sqlalchemy import Connection, Row

from protos import subscriptions_pb2 as pb
from subscriptions_svc.documents.carts import fill_cart, fill_pending_cart
from subscriptions_svc.documents.money import to_timestamp
from subscriptions_svc.rules.carts import CONTACT_LENS
from subscriptions_svc.rules.statuses import LIVE
from subscriptions_svc.rules.years import Boxes, compute_next_delivery_date, to_local_day
from subscriptions_svc.store.subscriptions import find_subscription
from subscriptions_svc.store.views import View, read_view

NO_GIFT_KITS = 0  # ours: no gift kit is stored or handed out here


def read_subscription(tx: Connection, subscription_id: str, now: datetime) -> pb.Subscription:
    """Return a subscription as it stands now."""
    return build_subscription(read_view(tx, find_subscription(tx, subscription_id), now))


def build_subscription(view: View) -> pb.Subscription:
    """Return a subscription with its carts."""
    row = view.row
    last, following = find_delivery_days(view)
    subscription = pb.Subscription(
        id=row.id,
        created_at=to_timestamp(row.created_at),
        activated_at=to_timestamp(row.activated_at),
        renewal_at=to_timestamp(view.renewal_at),
        confirmed_at=to_timestamp(row.confirmed_at),
        current_month=view.month,
        total_months=view.total_months,
        customer=_build_customer(row),
        status=view.status,
        payment_status=row.payment_status,
        reference=row.reference,
        contract_number=row.contract_number,
        discounts=row.discounts,
        gift_kits_remaining=NO_GIFT_KITS,
        gift_kits_delivered=NO_GIFT_KITS,
        last_delivery_date=_format_day(last),
        next_delivery_date=_format_day(following),
        available_actions=pb.AvailableActions(**view.find_available_actions()),
    )
    fill_cart(subscription.last_persisted_cart, view)
    if row.pending_id is not None:
        fill_pending_cart(subscription.pending_cart, view)
    return subscription


def _build_customer(row: Row[Any]) -> pb.Customer:
    names = [name for name in (row.given_names, row.surnames) if name]
    return pb.Customer(
        given_names=row.given_names,
        surnames=row.surnames,
        email=row.email,
        phone=row.mobile_phone,
        full_name=" ".join(names) or None,
        person_ref=row.person_ref,
    )


def find_delivery_days(view: View) -> tuple[date | None, date | None]:
    """Return the day of the newest delivery, and that of the next one."""
    lenses = []
    for item in view.items:
        if item.type == CONTACT_LENS:
            delivered, last = view.find_tally(item)
            lenses.append(Boxes(item.box_count, delivered, last and to_local_day(last, view.tz)))
    moments = [view.find_tally(item).last_delivered_at for item in view.all_items]
    newest = max((moment for moment in moments if moment), default=None)
    following = compute_next_delivery_date(
        lenses,
        view.row.activated_at,
        view.now,
        view.tz,
        sum(view.term),
        ended=view.status not in LIVE,
    )
    return newest and to_local_day(newest, view.tz), following


def _format_day(day: date | None) -> str | None:
    return day.isoformat() if day else None
