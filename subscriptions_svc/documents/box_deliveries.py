"""Boxes handed over: the items of a call, the ledger, and the error for too many boxes."""

from collections.abc import Iterable, Mapping
from typing import Any

from sqlalchemy import Row

from chassis.errors import Invalid
from protos import subscriptions_pb2 as pb
from subscriptions_svc.documents.carts import list_prices
from subscriptions_svc.documents.money import build_money, to_timestamp
from subscriptions_svc.store.box_deliveries import NO_BOXES, Tally


def build_delivered_item(merchant: Any, lens: Row[Any], delivered: int) -> pb.DeliveredItem:
    """Return a contact lens with its boxes after a delivery."""
    return pb.DeliveredItem(
        id=lens.id,
        type=lens.type,
        reference=lens.reference,
        reference_uuid=lens.reference_uuid,
        name=lens.name,
        quantity=lens.quantity,
        box_count=lens.box_count,
        delivered_boxes=delivered,
        remaining_boxes=max(0, lens.box_count - delivered),
        **build_money(merchant, list_prices(lens)),
    )


def build_over_delivery(lenses: Iterable[Row[Any]], tallies: Mapping[str, Tally]) -> Invalid:
    """Return the error that lists the boxes remaining per item."""
    detail = pb.OverDelivery()
    for lens in lenses:
        left = max(0, lens.box_count - tallies.get(lens.id, NO_BOXES).delivered)
        detail.items.add(cart_item_reference_uuid=lens.reference_uuid, remaining_boxes=left)
    return Invalid(
        "More boxes than remain in this subscription year.", reason="OVER_DELIVERY", detail=detail
    )


def build_delivery(row: Row[Any]) -> pb.Delivery:
    """Return an entry of the ledger as shops see it."""
    return pb.Delivery(
        delivered_at=to_timestamp(row.delivered_at),
        cart_item_reference_uuid=row.reference_uuid,
        reference=row.reference,
        name=row.name,
        product_data=pb.ProductData(eye=row.eye),
        quantity=row.quantity,
        subscription_year=row.year,
        account=row.account,
        request_id=row.request_id,
        id=str(row.id),
        outcome=row.outcome,
        outcome_at=to_timestamp(row.recorded_at),
    )
