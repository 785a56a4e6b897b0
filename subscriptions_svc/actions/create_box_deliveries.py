"""CreateBoxDeliveries: registers boxes handed over, all or nothing."""

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from sqlalchemy import Connection, Row

from chassis.context import get_caller, get_current_call
from chassis.validation import refuse
from protos import subscriptions_pb2 as pb
from subscriptions_svc.documents.box_deliveries import build_delivered_item, build_over_delivery
from subscriptions_svc.documents.events import build_boxes_delivered
from subscriptions_svc.documents.prescriptions import (
    build_prescription_faults,
    build_prescription_refusal,
)
from subscriptions_svc.rules.prescriptions.outcomes import DELIVERED
from subscriptions_svc.rules.prescriptions.policies import Hindrance, Policy
from subscriptions_svc.rules.years import compute_year
from subscriptions_svc.store.box_deliveries import DeliveryContext, add_deliveries, read_tallies
from subscriptions_svc.store.cart_items import find_lenses
from subscriptions_svc.store.subscriptions import ensure_confirmed
from subscriptions_svc.store.tables import outbox
from subscriptions_svc.store.transitions import record_first_delivery
from subscriptions_svc.store.views import read_view


def create_box_deliveries(
    tx: Connection, subscription: Row[Any], values: Mapping[str, Any], now: datetime
) -> pb.CreateBoxDeliveriesResponse:
    """Hand over boxes; raises WrongState, or Invalid, for too many boxes only as the last fault.

    The caller holds the subscription's lock.
    """
    ensure_confirmed(subscription, now)
    quantities = _sum_quantities(values["deliveries"])
    lenses = find_lenses(tx, subscription.id, quantities)
    refuse(
        (f"deliveries.{index}.cart_item_reference_uuid", "Must be of a contact lens of the cart.")
        for index, delivery in enumerate(values["deliveries"])
        if delivery["cart_item_reference_uuid"] not in lenses
    )
    warnings = _find_hindrances(tx, subscription, quantities, now)
    year = compute_year(subscription.activated_at, now, ZoneInfo(subscription.time_zone))
    context = DeliveryContext(
        subscription.id, year, get_caller().id, get_current_call().request_id, now
    )
    deliveries = [(lenses[uuid], by_outcome) for uuid, by_outcome in quantities.items()]
    delivered, without_room = add_deliveries(tx, deliveries, context)
    if without_room:
        raise build_over_delivery(without_room, read_tallies(tx, subscription.id, year))
    record_first_delivery(tx, subscription, now)
    totals = {uuid: sum(by_outcome.values()) for uuid, by_outcome in quantities.items()}
    outbox.add(tx, build_boxes_delivered(subscription, totals, now), now)
    items = [build_delivered_item(subscription, lens, delivered[lens.id]) for lens, _ in deliveries]
    return pb.CreateBoxDeliveriesResponse(
        deliveries=items, warnings=build_prescription_faults(warnings)
    )


def _sum_quantities(deliveries: Iterable[Mapping[str, Any]]) -> dict[str, dict[str, int]]:
    """Return the boxes of each item by their outcome."""
    quantities: dict[str, dict[str, int]] = {}
    for delivery in deliveries:
        of_item = quantities.setdefault(delivery["cart_item_reference_uuid"], {})
        outcome = delivery.get("outcome", DELIVERED)
        of_item[outcome] = of_item.get(outcome, 0) + delivery["quantity"]
    return quantities


def _find_hindrances(
    tx: Connection, subscription: Row[Any], uuids: Iterable[str], now: datetime
) -> list[tuple[str, Hindrance]]:
    """Return what the merchant's policy warns of; raises Invalid for what it refuses."""
    if subscription.prescription_policy == Policy.NONE:
        return []
    view = read_view(tx, subscription, now)
    items = {item.reference_uuid: item for item in view.items}
    hindrances = [(uuid, view.find_hindrance(items[uuid])) for uuid in uuids]
    found = [(uuid, each) for uuid, each in hindrances if each is not None]
    if refused := [(uuid, each) for uuid, each in found if each.refuses]:
        raise build_prescription_refusal(refused)
    return found
