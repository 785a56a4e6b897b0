"""ChangeGraduation: changes the parameters of a contact lens, and nothing that was handed over."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row

from chassis.errors import NotFound
from chassis.validation import refuse
from protos import subscriptions_pb2 as pb
from subscriptions_svc.documents.carts import build_cart_item
from subscriptions_svc.documents.events import build_updated
from subscriptions_svc.rules.carts import CONTACT_LENS
from subscriptions_svc.rules.prescriptions.schemas import find_prescription_faults
from subscriptions_svc.rules.years import to_local_day
from subscriptions_svc.store.graduation.changes import change_lens
from subscriptions_svc.store.lenses.prescriptions import replace_prescription
from subscriptions_svc.store.subscriptions import find_own_subscription
from subscriptions_svc.store.tables import outbox
from subscriptions_svc.store.views import ensure_allowed, read_view


def change_graduation(
    tx: Connection, subscription: Row[Any], values: Mapping[str, Any], now: datetime
) -> pb.CartItem:
    """Change the parameters of a lens of the cart; raises NotFound, WrongState or Invalid.

    It stays the same item, at the same price and with the same boxes. The caller holds the
    subscription's lock.
    """
    view = read_view(tx, subscription, now)
    uuid = values["reference_uuid"]
    item = next((each for each in view.items if each.reference_uuid == uuid), None)
    if item is None:
        raise NotFound("The subscription has no such item.")
    if item.type != CONTACT_LENS:
        refuse([("reference_uuid", "Must be of a contact lens of the cart.")])
    ensure_allowed(view, "change_graduation")
    refuse(find_prescription_faults(values, item.eye, to_local_day(now, view.tz), ""))
    is_changed = change_lens(tx, item, values, now)
    is_changed |= "prescription" in values and replace_prescription(
        tx, subscription, item, values["prescription"], now
    )
    if is_changed:
        outbox.add(tx, build_updated(subscription, now), now)
    subscription = find_own_subscription(tx, subscription.id)
    return build_cart_item(read_view(tx, subscription, now), item.id)
