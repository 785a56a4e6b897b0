"""What shops see of a subscription: views to messages. Its carts are in `cart_documents`."""

from collections.abc import Sequence
from datetime import date, datetime
from typing import Any

from sqlalchemy import Connection, Row

from protos import subscriptions_pb2 as pb
from subscriptions_svc.documents.carts import cart, items, moment, pending_cart
from subscriptions_svc.rules import subscriptions as rules
from subscriptions_svc.rules.available_actions import available_actions
from subscriptions_svc.rules.carts import CONTACT_LENS, MATERIAL
from subscriptions_svc.rules.shapes import ITEMS_MAX
from subscriptions_svc.rules.years import Boxes, local_day, next_delivery_date
from subscriptions_svc.store.views import View, views


def subscriptions(tx: Connection, rows: Sequence[Row[Any]], now: datetime) -> list[pb.Subscription]:
    """Each subscription with its carts, by one query for all of them."""
    return [_subscription(view) for view in views(tx, rows, now)]


def cart_item(tx: Connection, row: Row[Any], item_id: str, now: datetime) -> pb.CartItem:
    """One item of a subscription, with what is inside it."""
    view = views(tx, [row], now)[0]
    return items(view, [each for each in view.items if item_id in (each.id, each.parent_id)])[0]


def _subscription(view: View) -> pb.Subscription:
    row = view.row
    lenses = [_boxes(view, item) for item in view.items if item.type == CONTACT_LENS]
    handed_over = [view.tally(item).last_delivered_at for item in view.every]
    last = max((moment for moment in handed_over if moment), default=None)
    ended = view.status not in rules.LIVE
    following = next_delivery_date(
        lenses, row.activated_at, view.now, view.tz, row.total_months, ended=ended
    )
    names = [name for name in (row.given_names, row.surnames) if name]
    return pb.Subscription(
        id=row.id,
        created_at=moment(row.created_at),
        activated_at=moment(row.activated_at),
        renewal_at=moment(row.renewal_at),
        confirmed_at=moment(row.confirmed_at),
        current_month=view.month,
        total_months=row.total_months,
        customer=pb.Customer(
            given_names=row.given_names,
            surnames=row.surnames,
            email=row.email,
            phone=row.mobile_phone,
            full_name=" ".join(names) or None,
        ),
        status=view.status,
        payment_status=row.payment_status,
        reference=row.reference,
        contract_number=row.contract_number,
        discounts=row.discounts,
        last_delivery_date=_day(last and local_day(last, view.tz)),
        next_delivery_date=_day(following),
        available_actions=pb.AvailableActions(**actions(view)),
        last_persisted_cart=cart(view),
        pending_cart=pending_cart(view),
    )


def actions(view: View) -> dict[str, bool]:
    """What may be done with a subscription now."""
    row, lenses = view.row, [item for item in view.items if item.type == CONTACT_LENS]
    return available_actions(
        view.status,
        row.confirmed_at,
        view.now,
        payment_status=rules.PaymentStatus(row.payment_status),
        country=row.country,
        has_email=row.email is not None,
        has_phone=row.mobile_phone is not None,
        email_count=row.email_count,
        sms_count=row.sms_count,
        has_pending_cart=row.pending_id is not None,
        has_room=sum(item.parent_id is None for item in view.items) < ITEMS_MAX,
        exchangeable_items=sum(view.exchangeable(item) for item in view.items),
        pending_items=sum(item.activated_at is None for item in view.items),
        active_materials=sum(
            item.type == MATERIAL and item.activated_at is not None for item in view.items
        ),
        remaining_boxes=sum(max(0, item.box_count - view.tally(item).delivered) for item in lenses),
    )


def _boxes(view: View, item: Row[Any]) -> Boxes:
    delivered, last = view.tally(item)
    return Boxes(item.box_count, delivered, last and local_day(last, view.tz))


def _day(day: date | None) -> str | None:
    return day.isoformat() if day else None
