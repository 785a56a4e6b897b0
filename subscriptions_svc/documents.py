"""What shops see of a subscription: rows to messages."""

from collections.abc import Mapping, Sequence
from datetime import date, datetime
from typing import Any
from zoneinfo import ZoneInfo

from google.protobuf.timestamp_pb2 import Timestamp
from sqlalchemy import Connection, Row

from protos import subscriptions_pb2 as pb
from subscriptions_svc import boxes, carts, rules
from subscriptions_svc.boxes import Tally
from subscriptions_svc.money import money_string
from subscriptions_svc.years import Boxes, current_month, local_day, next_delivery_date, year_of


def subscriptions(tx: Connection, rows: Sequence[Row[Any]], now: datetime) -> list[pb.Subscription]:
    """Each subscription with its cart, by two queries for all of them."""
    items: dict[str, list[Row[Any]]] = {row.id: [] for row in rows}
    for item in carts.items_of(tx, list(items)):
        items[item.subscription_id].append(item)
    tallies = boxes.tallies(tx, {row.id: year(row, now) for row in rows})
    return [_subscription(row, items[row.id], tallies, now) for row in rows]


def cart_item(tx: Connection, row: Row[Any], item_id: str, now: datetime) -> pb.CartItem:
    """One item of a subscription, with what is inside it."""
    items = [item for item in carts.items_of(tx, [row.id]) if item_id in (item.id, item.parent_id)]
    return _items(row, items, boxes.tallies(tx, {row.id: year(row, now)}))[0]


def year(row: Row[Any], now: datetime) -> int:
    """The current year of a subscription."""
    return year_of(row.activated_at, now, ZoneInfo(row.time_zone))


def delivered_item(row: Row[Any], item: Row[Any], delivered: int) -> pb.DeliveredItem:
    """A contact lens of which boxes were delivered."""
    return pb.DeliveredItem(
        id=item.id,
        type=item.type,
        reference=item.reference,
        reference_uuid=item.reference_uuid,
        name=item.name,
        quantity=item.quantity,
        box_count=item.box_count,
        delivered_boxes=delivered,
        remaining_boxes=item.box_count - delivered,
        **_money(row, item),
    )


def _subscription(
    row: Row[Any], items: Sequence[Row[Any]], tallies: Mapping[str, Tally], now: datetime
) -> pb.Subscription:
    tz, status = ZoneInfo(row.time_zone), rules.Status(row.status)
    lenses = [_boxes(item, tallies, tz) for item in items if item.type == rules.CONTACT_LENS]
    last = max((each.last_delivery for each in lenses if each.last_delivery), default=None)
    following = next_delivery_date(
        lenses, row.activated_at, now, tz, row.total_months, ended=status not in rules.LIVE
    )
    names = [name for name in (row.given_names, row.surnames) if name]
    return pb.Subscription(
        id=row.id,
        created_at=_moment(row.created_at),
        activated_at=_moment(row.activated_at),
        renewal_at=_moment(row.renewal_at),
        confirmed_at=_moment(row.confirmed_at),
        current_month=current_month(row.activated_at, now, tz, row.total_months),
        total_months=row.total_months,
        customer=pb.Customer(
            given_names=row.given_names,
            surnames=row.surnames,
            email=row.email,
            phone=row.mobile_phone,
            full_name=" ".join(names) or None,
        ),
        status=status,
        payment_status=row.payment_status,
        reference=row.reference,
        contract_number=row.contract_number,
        discounts=row.discounts,
        last_delivery_date=_day(last),
        next_delivery_date=_day(following),
        available_actions=pb.AvailableActions(**_actions(row, items, lenses, now)),
        last_persisted_cart=pb.Cart(
            id=row.cart_id,
            reference=row.reference,
            code=row.cart_code,
            cart_items=_items(row, items, tallies),
        ),
    )


def _actions(
    row: Row[Any], items: Sequence[Row[Any]], lenses: Sequence[Boxes], now: datetime
) -> dict[str, bool]:
    return rules.available_actions(
        rules.Status(row.status),
        row.confirmed_at,
        now,
        payment_status=rules.PaymentStatus(row.payment_status),
        country=row.country,
        has_email=row.email is not None,
        has_phone=row.mobile_phone is not None,
        sms_count=0,
        pending_items=sum(item.activated_at is None for item in items),
        active_materials=sum(
            item.type == rules.MATERIAL and item.activated_at is not None for item in items
        ),
        remaining_boxes=sum(each.box_count - each.delivered_boxes for each in lenses),
    )


def _boxes(item: Row[Any], tallies: Mapping[str, Tally], tz: ZoneInfo) -> Boxes:
    delivered, last = tallies.get(item.id, Tally())
    return Boxes(item.box_count, delivered, last and local_day(last, tz))


def _items(
    row: Row[Any], items: Sequence[Row[Any]], tallies: Mapping[str, Tally]
) -> list[pb.CartItem]:
    """Items in their order, those of a package inside it; the first is in none."""
    outer: list[pb.CartItem] = []
    packages: dict[str, pb.CartItem] = {}
    for item in items:
        made = packages[item.id] = _item(row, item, tallies.get(item.id, Tally()).delivered)
        if item.parent_id in packages:
            packages[item.parent_id].items.append(made)
        else:
            outer.append(made)
    return outer


def _item(row: Row[Any], item: Row[Any], delivered: int) -> pb.CartItem:
    made = pb.CartItem(
        id=item.id,
        type=item.type,
        reference=item.reference,
        reference_uuid=item.reference_uuid,
        name=item.name,
        quantity=item.quantity,
        status="active" if item.activated_at else "pending",
        activated_at=_moment(item.activated_at),
        subscription_vat_rate=item.subscription_vat_rate,
        **_money(row, item),
    )
    if item.type == rules.CONTACT_LENS:
        made.product_data.eye = item.eye
        made.box_count = item.box_count
        made.exchange_cycle = item.exchange_cycle
        made.delivered_boxes = delivered
        made.remaining_boxes = item.box_count - delivered
    return made


def _money(row: Row[Any], item: Row[Any]) -> dict[str, Any]:
    amounts = {
        "price_with_tax": item.price_with_tax,
        "total_with_tax": item.price_with_tax * item.quantity,
        "subscription_price": item.subscription_price,
    }
    return {
        name: pb.Money(value=value, string=money_string(value, row.locale, row.currency))
        for name, value in amounts.items()
    }


def _moment(instant: datetime | None) -> Timestamp | None:
    """An instant to the millisecond, which is what the dialect writes."""
    if instant is None:
        return None
    moment = Timestamp()
    moment.FromDatetime(instant.replace(microsecond=instant.microsecond // 1000 * 1000))
    return moment


def _day(day: date | None) -> str | None:
    return day.isoformat() if day else None
