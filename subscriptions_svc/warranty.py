"""Repairs and replacements of what was handed over and is no contact lens."""

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row, insert

from chassis.context import caller, current_call
from chassis.errors import Fault
from chassis.validation import refuse
from subscriptions_svc import found
from subscriptions_svc.changes import NOT_ALLOWED
from subscriptions_svc.rules_cart import CONTACT_LENS
from subscriptions_svc.rules_ending import charge_faults
from subscriptions_svc.store import warranty_events
from subscriptions_svc.views import View, views

_ADD = insert(warranty_events)


def register(
    tx: Connection,
    subscription: Row[Any],
    values: Mapping[str, Any],
    faults: Iterable[Fault],
    now: datetime,
) -> None:
    """Keep an event; raises Invalid with the faults of its form too, or WrongState."""
    view = views(tx, [subscription], now)[0]
    refuse(faults, charge_faults(values), product_faults(values, view))
    found.ensure_confirmed(subscription, now, reason=NOT_ALLOWED)
    item = next(each for each in view.items if each.reference_uuid == values["product_id"])
    row = {
        "item_id": item.id,
        "type": values["type"],
        "charged_amount": values["charged_amount"],
        "name": values.get("name"),
        "description": values.get("description"),
        "account_id": caller().id,
        "request_id": current_call().request_id,
        "created_at": now,
    }
    tx.execute(_ADD, row)


def product_faults(values: Mapping[str, Any], view: View) -> Iterable[tuple[str, str]]:
    """A product that is none of the cart, was not handed over, or is or holds a contact lens."""
    uuid = values.get("product_id")
    if uuid is None:
        return
    product = next((item for item in view.items if item.reference_uuid == uuid), None)
    if product is None:
        yield "product_id", "Must be the reference_uuid of an item of the cart."
        return
    whole = [item for item in view.items if product.id in (item.id, item.parent_id)]
    if any(item.type == CONTACT_LENS for item in whole):
        yield "product_id", "Must not be a contact lens, or a package with one."
    elif product.activated_at is None:
        yield "product_id", "Was not handed over."
