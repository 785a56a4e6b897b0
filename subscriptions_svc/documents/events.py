"""Events for a merchant's endpoint: forms, in the vendor's fields.

Each function builds one event, which the action adds to the outbox in its transaction; a merchant
without an endpoint receives none. `subscriptions/boxes_delivered` and
`subscriptions/renting_plan_changed` are sent only to endpoints that ask for them. Moments are
formatted as the vendor does, in the merchant's time zone:
`2026-03-01 13:00:00.651999000 CET +01:00`.
"""

from collections.abc import Mapping
from datetime import date, datetime
from typing import Any
from urllib.parse import urlencode
from zoneinfo import ZoneInfo

from sqlalchemy import Row

from chassis.events.formats import FORM_TYPE
from chassis.events.outbox import TEST, Event, generate_event_id

CREATED = "subscriptions/created"
ACTIVATED = "subscriptions/activated"
CANCELLED = "subscriptions/cancelled"
UPDATED = "subscriptions/updated"
PAYMENT_STATUS_CHANGED = "subscriptions/payment_status_changed"
INSTALMENT_DATE_CHANGED = "subscriptions/instalment_date_changed"
BOXES_DELIVERED = "subscriptions/boxes_delivered"
RENTING_PLAN_CHANGED = "subscriptions/renting_plan_changed"
CUSTOMER_UPDATED = "subscriptions/customer_updated"
ACCOUNT_IN_DEBT = "order/account_in_debt"
ACCOUNT_UP_TO_DATE = "order/account_up_to_date"
EVENT_TYPES = (
    CREATED,
    ACTIVATED,
    CANCELLED,
    UPDATED,
    PAYMENT_STATUS_CHANGED,
    CUSTOMER_UPDATED,
    INSTALMENT_DATE_CHANGED,
    ACCOUNT_IN_DEBT,
    ACCOUNT_UP_TO_DATE,
    BOXES_DELIVERED,
    RENTING_PLAN_CHANGED,
)


def build_test_event(merchant_id: str, _now: datetime) -> Event:
    """Return what `events test` sends: an event that reports nothing."""
    event_id = generate_event_id()
    fields = [("charset", "UTF-8"), ("event", TEST), ("event_id", event_id)]
    return Event(merchant_id, TEST, TEST, urlencode(fields), FORM_TYPE, id=event_id)


def build_created(subscription: Row[Any], contract_number: str) -> Event:
    """Return the event of a confirmation, whether by the shopper or by staff."""
    return _build_event(subscription, CREATED, [("contract_number", contract_number)])


def build_activated(subscription: Row[Any], activated_at: datetime) -> Event:
    """Return the event of a first year that has begun."""
    fields = [("activated_at", format_moment(activated_at, subscription.time_zone))]
    return _build_event(subscription, ACTIVATED, fields)


def build_cancelled(subscription: Row[Any], now: datetime) -> Event:
    """Return the event of a cancellation."""
    return _build_event(subscription, CANCELLED, [_build_updated_at(subscription, now)])


def build_updated(subscription: Row[Any], now: datetime) -> Event:
    """Return the event of a changed cart that has come into force, or of a changed lens."""
    return _build_event(subscription, UPDATED, [_build_updated_at(subscription, now)])


def build_payment_status_changed(
    subscription: Row[Any], now: datetime, *, successful: bool
) -> Event:
    """Return the event of a payment that was made, or has failed."""
    fields = [
        _build_updated_at(subscription, now),
        ("successful", "true" if successful else "false"),
    ]
    return _build_event(subscription, PAYMENT_STATUS_CHANGED, fields)


def build_customer_updated(subscription: Row[Any], now: datetime) -> Event:
    """Return the event of a change in what is kept of a customer; it does not say what."""
    return _build_event(subscription, CUSTOMER_UPDATED, [_build_updated_at(subscription, now)])


def build_account_in_debt(subscription: Row[Any], now: datetime) -> Event:
    """Return the event of a payment that has failed in a confirmed subscription."""
    return _build_event(subscription, ACCOUNT_IN_DEBT, [_build_updated_at(subscription, now)])


def build_account_up_to_date(subscription: Row[Any], now: datetime) -> Event:
    """Return the event of a debt that was paid."""
    return _build_event(subscription, ACCOUNT_UP_TO_DATE, [_build_updated_at(subscription, now)])


def build_renting_plan_changed(subscription: Row[Any], now: datetime) -> Event:
    """Return the event of a monthly price or a number of months that has changed."""
    fields = [_build_updated_at(subscription, now)]
    return _build_event(subscription, RENTING_PLAN_CHANGED, fields, on_request=True)


def build_instalment_date_changed(
    subscription: Row[Any], month: int, due_on: date, now: datetime
) -> Event:
    """Return the event of a payment that is due on another day."""
    fields = [
        _build_updated_at(subscription, now),
        ("month", str(month)),
        ("due_on", due_on.isoformat()),
    ]
    return _build_event(subscription, INSTALMENT_DATE_CHANGED, fields)


def build_boxes_delivered(
    subscription: Row[Any], quantities: Mapping[str, int], now: datetime
) -> Event:
    """Return the event of boxes handed over in one call, with each item's by reference_uuid."""
    fields = [("delivered_at", format_moment(now, subscription.time_zone))]
    for uuid, quantity in quantities.items():
        fields.append(("deliveries[][cart_item_reference_uuid]", uuid))
        fields.append(("deliveries[][quantity]", str(quantity)))
    return _build_event(subscription, BOXES_DELIVERED, fields, on_request=True)


def format_moment(moment: datetime, time_zone: str) -> str:
    """Format a moment as the vendor does; nanoseconds, which nobody has measured, are zero."""
    local = moment.astimezone(ZoneInfo(time_zone))
    offset = f"{local:%z}"
    return f"{local:%Y-%m-%d %H:%M:%S.%f}000 {local:%Z} {offset[:3]}:{offset[3:5]}"


def _build_updated_at(subscription: Row[Any], now: datetime) -> tuple[str, str]:
    return "updated_at", format_moment(now, subscription.time_zone)


def _build_event(
    subscription: Row[Any],
    type_: str,
    more_fields: list[tuple[str, str]],
    *,
    on_request: bool = False,
) -> Event:
    event_id = generate_event_id()
    fields = [
        ("charset", "UTF-8"),
        ("utf", "√"),
        ("event", type_),
        ("event_id", event_id),
        ("order_ref", subscription.id),
        ("order_ref_1", subscription.reference),
        ("order_ref_2", ""),
        *([("person_ref", ref)] if (ref := subscription.person_ref) else []),
        *more_fields,
    ]
    return Event(
        owner=subscription.merchant_id,
        stream=subscription.id,
        type=type_,
        body=urlencode(fields),
        content_type=FORM_TYPE,
        on_request=on_request,
        id=event_id,
    )
