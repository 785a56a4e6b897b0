"""Boxes handed over, all or nothing; and the refusal of more than remain."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from sqlalchemy import Connection, Row

from chassis.context import caller, current_call
from chassis.errors import Invalid
from chassis.validation import refuse
from protos import subscriptions_pb2 as pb
from subscriptions_svc import boxes, carts, events
from subscriptions_svc.cart_documents import delivered_item
from subscriptions_svc.years import year_of


def deliver(
    tx: Connection, subscription: Row[Any], entries: list[dict[str, Any]], now: datetime
) -> pb.CreateBoxDeliveriesResponse:
    """Hand over boxes, all or nothing; raises Invalid, over-delivery only when nothing else is."""
    wanted: dict[str, int] = {}
    for entry in entries:
        uuid = entry["cart_item_reference_uuid"]
        wanted[uuid] = wanted.get(uuid, 0) + entry["quantity"]
    lenses = carts.lenses(tx, subscription.id, wanted)
    refuse(
        (f"deliveries.{index}.cart_item_reference_uuid", "Must be of a contact lens of the cart.")
        for index, entry in enumerate(entries)
        if entry["cart_item_reference_uuid"] not in lenses
    )
    year = year_of(subscription.activated_at, now, ZoneInfo(subscription.time_zone))
    delivery = boxes.Delivery(subscription.id, year, caller().id, current_call().request_id, now)
    delivered, without_room = boxes.deliver(
        tx, [(lenses[uuid], quantity) for uuid, quantity in wanted.items()], delivery
    )
    if without_room:
        tallies = boxes.tallies(tx, subscription.id, year)
        raise over_delivery(without_room, tallies)
    events.boxes_delivered(tx, subscription, wanted, now)
    items = [
        delivered_item(subscription, lenses[uuid], delivered[lenses[uuid].id]) for uuid in wanted
    ]
    return pb.CreateBoxDeliveriesResponse(deliveries=items)


def over_delivery(items: list[Row[Any]], tallies: Mapping[str, boxes.Tally]) -> Invalid:
    """The refusal that tells of each item how many boxes are left."""
    over = pb.OverDelivery()
    for item in items:
        left = max(0, item.box_count - tallies.get(item.id, boxes.Tally()).delivered)
        over.items.add(cart_item_reference_uuid=item.reference_uuid, remaining_boxes=left)
    return Invalid(
        "More boxes than remain in this subscription year.", reason="OVER_DELIVERY", detail=over
    )
