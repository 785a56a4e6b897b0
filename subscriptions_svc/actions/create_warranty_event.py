"""CreateWarrantyEvent: registers the repair or replacement of an item."""

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row

from chassis.errors import Fault
from chassis.validation import refuse
from protos import subscriptions_pb2 as pb
from subscriptions_svc.notices.phrases import describe_warranty_event
from subscriptions_svc.rules.warranty_events import (
    Product,
    find_charge_faults,
    find_product_faults,
)
from subscriptions_svc.store.personal import expect_erasure
from subscriptions_svc.store.subscriptions import ensure_confirmed
from subscriptions_svc.store.views import NOT_ALLOWED, read_view
from subscriptions_svc.store.warranty_events import add_warranty_event


def create_warranty_event(
    tx: Connection,
    subscription: Row[Any],
    values: Mapping[str, Any],
    faults: Iterable[Fault],
    now: datetime,
) -> pb.CreateWarrantyEventResponse:
    """Record a warranty event; raises Invalid, with the `faults` of its shape too, or WrongState.

    The caller holds the subscription's lock.
    """
    products = [
        Product(
            item.id, item.reference_uuid, item.parent_id, item.type, item.activated_at is not None
        )
        for item in read_view(tx, subscription, now).items
    ]
    refuse(faults, find_charge_faults(values), find_product_faults(values, products))
    ensure_confirmed(subscription, now, reason=NOT_ALLOWED)
    product = next(each for each in products if each.reference_uuid == values["product_id"])
    add_warranty_event(tx, product.id, values, now)
    expect_erasure(tx, subscription.id)
    message = describe_warranty_event(subscription.locale)
    return pb.CreateWarrantyEventResponse(success=True, message=message)
