"""What a merchant's endpoint is told of its subscriptions: forms, in the vendor's fields.

Each function writes one event, in the transaction of the change that it tells of; a merchant
without an endpoint is told nothing. Boxes are told of only where the endpoint names that event.
Moments are written as the vendor writes them, in the merchant's time zone:
`2026-03-01 13:00:00.651999000 CET +01:00`.
"""

from collections.abc import Mapping
from datetime import datetime
from typing import Any
from urllib.parse import urlencode
from zoneinfo import ZoneInfo

from sqlalchemy import Connection, Row

from chassis.events.outbox import Event, new_event_id
from subscriptions_svc.store import outbox

CREATED = "subscriptions/created"
ACTIVATED = "subscriptions/activated"
CANCELLED = "subscriptions/cancelled"
UPDATED = "subscriptions/updated"
PAYMENT_STATUS_CHANGED = "subscriptions/payment_status_changed"
BOXES_DELIVERED = "subscriptions/boxes_delivered"
EVENTS = (CREATED, ACTIVATED, CANCELLED, UPDATED, PAYMENT_STATUS_CHANGED, BOXES_DELIVERED)
FORM = "application/x-www-form-urlencoded"


def created(tx: Connection, subscription: Row[Any], contract_number: str, now: datetime) -> None:
    """It is confirmed, by the shopper or by staff for the shopper."""
    _tell(tx, subscription, CREATED, now, [("contract_number", contract_number)])


def activated(
    tx: Connection, subscription: Row[Any], activated_at: datetime, now: datetime
) -> None:
    """Its first year has begun."""
    fields = [("activated_at", written(activated_at, subscription.time_zone))]
    _tell(tx, subscription, ACTIVATED, now, fields)


def cancelled(tx: Connection, subscription: Row[Any], now: datetime) -> None:
    """It has ended before its time."""
    _tell(tx, subscription, CANCELLED, now, [_updated_at(subscription, now)])


def updated(tx: Connection, subscription: Row[Any], now: datetime) -> None:
    """A changed cart has come into force."""
    _tell(tx, subscription, UPDATED, now, [_updated_at(subscription, now)])


def payment_status_changed(
    tx: Connection, subscription: Row[Any], successful: bool, now: datetime
) -> None:
    """A payment was made, or has failed."""
    fields = [_updated_at(subscription, now), ("successful", "true" if successful else "false")]
    _tell(tx, subscription, PAYMENT_STATUS_CHANGED, now, fields)


def boxes_delivered(
    tx: Connection, subscription: Row[Any], boxes: Mapping[str, int], now: datetime
) -> None:
    """Boxes were handed over in one call: how many of each item, by its reference_uuid."""
    fields = [("delivered_at", written(now, subscription.time_zone))]
    for uuid, quantity in boxes.items():
        fields.append(("deliveries[][cart_item_reference_uuid]", uuid))
        fields.append(("deliveries[][quantity]", str(quantity)))
    _tell(tx, subscription, BOXES_DELIVERED, now, fields, on_request=True)


def written(moment: datetime, time_zone: str) -> str:
    """A moment as the vendor writes it; nanoseconds that nobody has measured are zero."""
    local = moment.astimezone(ZoneInfo(time_zone))
    offset = f"{local:%z}"
    return f"{local:%Y-%m-%d %H:%M:%S.%f}000 {local:%Z} {offset[:3]}:{offset[3:5]}"


def _updated_at(subscription: Row[Any], now: datetime) -> tuple[str, str]:
    return "updated_at", written(now, subscription.time_zone)


def _tell(
    tx: Connection,
    subscription: Row[Any],
    name: str,
    now: datetime,
    more: list[tuple[str, str]],
    *,
    on_request: bool = False,
) -> None:
    event_id = new_event_id()
    fields = [
        ("charset", "UTF-8"),
        ("event", name),
        ("event_id", event_id),
        ("order_ref", subscription.id),
        ("order_ref_1", subscription.reference),
        *more,
    ]
    event = Event(
        owner=subscription.merchant_id,
        stream=subscription.id,
        type=name,
        body=urlencode(fields),
        content_type=FORM,
        on_request=on_request,
        id=event_id,
    )
    outbox.add(tx, event, now)
