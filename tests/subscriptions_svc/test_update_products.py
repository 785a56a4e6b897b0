"""UpdateProducts and the confirmation of the cart that it proposes, on both engines."""

from datetime import UTC, datetime
from typing import Any

from google.protobuf.json_format import ParseDict

from protos.subscriptions_pb2 import UpdateProductsRequest
from tests.serving import Served
from tests.subscriptions_svc.bodies import material
from tests.subscriptions_svc.shop import activated, confirm, get

RPC = "UpdateProducts"
START = datetime(2026, 3, 1, 12, tzinfo=UTC)


def update(subscription_id: str, *cart: Any) -> UpdateProductsRequest:
    values = {"subscription_id": subscription_id, "cart_items": list(cart)}
    return ParseDict(values, UpdateProductsRequest())


def test_it_works(subscriptions: Served, body: Any) -> None:
    with subscriptions.clock.at(START):
        made = activated(subscriptions, body, START)
        whole = made.last_persisted_cart.cart_items[0]
        answer = subscriptions.call(RPC, update(made.id, {"id": whole.id}, material()))
        assert (answer.success, answer.message) == (
            True,
            "Productos de suscripción actualizados exitosamente",
        )
        pending = get(subscriptions, made.id)
        assert pending.last_persisted_cart == made.last_persisted_cart
        found = confirm(subscriptions, made.id)
    assert [item.name for item in found.last_persisted_cart.cart_items] == [
        "Contact lens package",
        "Sunglasses",
    ]
    assert not found.HasField("pending_cart")
    assert found.last_persisted_cart == pending.pending_cart
