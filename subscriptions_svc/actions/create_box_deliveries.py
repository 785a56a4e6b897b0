"""CreateBoxDeliveries: registers boxes handed over, all or nothing."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from sqlalchemy import Connection, Row

from chassis.context import get_caller, get_current_call
from chassis.validation import refuse
from protos import subscriptions_pb2 as pb
from subscriptions_svc.documents.box_deliveries import build_delivered_item, build_over_delivery
from subscriptions_svc.documents.events import build_boxes_delivered
from subscriptions_svc.rules.years import compute_year
from subscriptions_svc.store.box_deliveries import DeliveryContext, add_deliveries, read_tallies
from subscriptions_svc.store.cart_items import find_lenses
from subscriptions_svc.store.subscriptions import ensure_confirmed
from subscriptions_svc.store.tables import outbox


def create_box_deliveries(
    tx: Connection, subscription: Row[Any], values: Mapping[str, Any], now: datetime
) -> pb.CreateBoxDeliveriesResponse:
    """Hand over boxes; raises WrongState, or Invalid, for too many boxes only as the last fault.

    The caller holds the subscription's lock.
    """
    ensure_confirmed(subscription, now)
    quantities: dict[str, int] = {}
    for delivery in values["deliveries"]:
        uuid = delivery["cart_item_reference_uuid"]
        quantities[uuid] = quantities.get(uuid, 0) + delivery["quantity"]
    lenses = find_lenses(tx, subscription.id, quantities)
    refuse(
        (f"deliveries.{index}.cart_item_reference_uuid", "Must be of a contact lens of the cart.")
        for index, delivery in enumerate(values["deliveries"])
        if delivery["cart_item_reference_uuid"] not in lenses
    )
    year = compute_year(subscription.activated_at, now, ZoneInfo(subscription.time_zone))
    context = DeliveryContext(
        subscription.id, year, get_caller().id, get_current_call().request_id, now
    )
    deliveries = [(lenses[uuid], quantity) for uuid, quantity in quantities.items()]
    delivered, without_room = add_deliveries(tx, deliveries, context)
    if without_room:
        raise build_over_delivery(without_room, read_tallies(tx, subscription.id, year))
    outbox.add(tx, build_boxes_delivered(subscription, quantities, now), now)
    items = [build_delivered_item(subscription, lens, delivered[lens.id]) for lens, _ in deliveries]
    return pb.CreateBoxDeliveriesResponse(deliveries=items)
