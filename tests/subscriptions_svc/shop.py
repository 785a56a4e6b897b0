"""What a shop does before a test begins: solicit, confirm, activate."""

import uuid
from datetime import datetime
from typing import Any

from google.protobuf.json_format import ParseDict

from protos.subscriptions_pb2 import (
    ActivateCartItemRequest,
    CancelSubscriptionRequest,
    CartItem,
    ConfirmSubscriptionRequest,
    CreateBoxDeliveriesRequest,
    CreateSubscriptionRequest,
    GetSubscriptionRequest,
    RecordPaymentRequest,
    Subscription,
    UpdateProductsRequest,
)
from subscriptions_svc.actions.confirm_subscription import confirm_waiting_cart
from subscriptions_svc.store import tables
from subscriptions_svc.store.subscriptions import NOBODY, find_subscription
from tests.serving import Served
from tests.subscriptions_svc.bodies import build_material

# What an item without a discount says of discounts.
WITHOUT_DISCOUNT = {
    f"{of}_{price}": {"string": "0,00 €"}
    for of in ("original", "catalogue", "line")
    for price in ("price_with_tax", "subscription_price")
}
UNKNOWN = "00000000-0000-4000-8000-000000000000"
OTHER_STORE = {"id": "otra_tienda", "store_ref": "otra_tienda"}


def build_solicitation(body: Any, **changes: Any) -> CreateSubscriptionRequest:
    """The demo body under a reference of its own."""
    values = {**body("subscription"), "reference": uuid.uuid4().hex, **changes}
    return ParseDict(values, CreateSubscriptionRequest())


def solicit(served: Served, body: Any, who: str = "client", **changes: Any) -> Subscription:
    """A new subscription."""
    created: Subscription = served.call(
        "CreateSubscription", build_solicitation(body, **changes), who
    )
    return created


def create_confirmed(
    served: Served, body: Any, who: str = "client", **changes: Any
) -> Subscription:
    """A subscription that staff has confirmed."""
    return confirm(served, solicit(served, body, who, **changes).id)


def create_activated(served: Served, body: Any, moment: datetime, **changes: Any) -> Subscription:
    """A subscription whose items were all handed over at a moment."""
    with served.clock.at(moment):
        made = create_confirmed(served, body, **changes)
        for item in made.last_persisted_cart.cart_items:
            activate(served, made.id, item.reference_uuid)
    return get(served, made.id)


def confirm(served: Served, subscription_id: str) -> Subscription:
    """Confirm for the shopper."""
    request = ConfirmSubscriptionRequest(subscription_id=subscription_id)
    answer: Subscription = served.call("ConfirmSubscription", request, "staff", desk=True)
    return answer


def activate(served: Served, subscription_id: str, reference_uuid: str) -> CartItem:
    """Hand over an item."""
    request = build_activation(subscription_id, reference_uuid)
    answer: CartItem = served.call("ActivateCartItem", request)
    return answer


def build_activation(subscription_id: str, reference_uuid: str) -> ActivateCartItemRequest:
    """The request to hand over an item."""
    return ActivateCartItemRequest(subscription_id=subscription_id, reference_uuid=reference_uuid)


def get(served: Served, subscription_id: str, who: str = "client") -> Subscription:
    """The subscription as it stands."""
    request = GetSubscriptionRequest(subscription_id=subscription_id)
    answer: Subscription = served.call("GetSubscription", request, who)
    return answer


def build_delivery(subscription_id: str, *entries: tuple[str, int]) -> CreateBoxDeliveriesRequest:
    """The request to hand over boxes, by reference_uuid."""
    request = CreateBoxDeliveriesRequest(subscription_id=subscription_id)
    for reference_uuid, quantity in entries:
        request.deliveries.add(cart_item_reference_uuid=reference_uuid, quantity=quantity)
    return request


def list_lenses(subscription: Subscription) -> list[CartItem]:
    """The contact lenses, in the order of the cart."""
    return [
        item
        for package in subscription.last_persisted_cart.cart_items
        for item in package.items
        if item.HasField("product_data")
    ]


def list_boxes(subscription: Subscription) -> list[tuple[int, int]]:
    """Delivered and remaining boxes of each contact lens."""
    return [(item.delivered_boxes, item.remaining_boxes) for item in list_lenses(subscription)]


def confirm_as_shopper(served: Served, subscription_id: str, now: datetime) -> Subscription:
    """Confirm the cart in force as the page behind its link does."""
    with served.database.write() as tx:
        row = find_subscription(tx, subscription_id, NOBODY, lock=True)
        confirm_waiting_cart(tx, row, now, code=row.cart_code)
    return get(served, subscription_id)


def pay(served: Served, subscription_id: str, *, successful: bool = True) -> Subscription:
    """Record a payment."""
    request = RecordPaymentRequest(subscription_id=subscription_id, successful=successful)
    answer: Subscription = served.call("RecordPayment", request, "staff", desk=True)
    return answer


def build_cart_update(subscription_id: str, *cart: Any) -> UpdateProductsRequest:
    """The request for a new cart, with kept items by their id alone."""
    kept = [{"id": item} if isinstance(item, str) else item for item in cart]
    values = {"subscription_id": subscription_id, "cart_items": kept}
    return ParseDict(values, UpdateProductsRequest())


def propose(served: Served, made: Subscription, name: str = "Sunglasses") -> str:
    """Propose to add an item to the package of a cart; return the code of the pending cart."""
    request = UpdateProductsRequest(subscription_id=made.id)
    request.cart_items.add(id=made.last_persisted_cart.cart_items[0].id)
    request.cart_items.add(**build_material(name=name))
    served.call("UpdateProducts", request)
    return get(served, made.id).pending_cart.code


def change_cart(served: Served, subscription_id: str, *cart: Any) -> Subscription:
    """Propose a new cart, and confirm it as staff."""
    served.call("UpdateProducts", build_cart_update(subscription_id, *cart))
    return confirm(served, subscription_id)


def build_cancellation(subscription_id: str, **summary: Any) -> CancelSubscriptionRequest:
    """The request to cancel a subscription, with a summary if any part of it is given."""
    values: dict[str, Any] = {"subscription_id": subscription_id, "reason": "Customer request"}
    if summary:
        values["summary"] = {"purchase_fee": 0, **summary}
    return ParseDict(values, CancelSubscriptionRequest())


def build_ending(found: Subscription) -> CancelSubscriptionRequest:
    """The request to end a subscription as its actions say; with a summary, all is returned."""
    if not found.available_actions.cancel:
        return build_cancellation(found.id)
    cart = found.last_persisted_cart.cart_items
    items = [item for whole in cart for item in (whole.items or [whole])]
    total = sum(item.cancellation_cost_returned.value for item in items)
    named = [item.reference_uuid for item in items]
    return build_cancellation(found.id, total_to_pay=total, returned_items=named)


def set_status(served: Served, subscription_id: str, status: str = "cancelled") -> None:
    """Set the status of a subscription in the store."""
    of = tables.subscriptions.c.id == subscription_id
    with served.database.write() as tx:
        tx.execute(tables.subscriptions.update().where(of).values(status=status))
