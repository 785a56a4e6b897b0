"""What a shopper does on the page behind a link: looks at the cart, and confirms it."""

from datetime import UTC, datetime
from typing import Any

import grpc
from google.protobuf.json_format import MessageToDict

from protos.subscriptions_pb2 import (
    ConfirmCartByCodeRequest,
    GetCartByCodeRequest,
    OpenCartByCodeRequest,
    ShopperCart,
)
from protos.subscriptions_pb2_grpc import ShopperServiceStub
from tests.serving import Failure, Served, decode

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
LATE_EVENING = datetime(2026, 3, 1, 23, 30, tzinfo=UTC)  # the 2nd of March in Madrid


def look(served: Served, code: str, **metadata: str) -> ShopperCart:
    """Return the cart behind a code, without an account."""
    stub, request = ShopperServiceStub(served.channel), GetCartByCodeRequest(code=code)
    return stub.GetCartByCode(request, timeout=20, metadata=tuple(metadata.items()))


def open_cart(served: Served, code: str) -> ShopperCart:
    """Return the cart behind a code, as looked at by a person."""
    request = OpenCartByCodeRequest(code=code)
    return ShopperServiceStub(served.channel).OpenCartByCode(request, timeout=20)


def accept(served: Served, code: str, *, accepted: bool = True) -> ShopperCart:
    """Confirm the cart behind a code."""
    request = ConfirmCartByCodeRequest(code=code, terms_accepted=accepted)
    return ShopperServiceStub(served.channel).ConfirmCartByCode(request, timeout=20)


def find_refusal(rpc: Any, *arguments: Any, **options: Any) -> Failure:
    """Return the Failure with which a call is refused."""
    try:
        answer = rpc(*arguments, **options)
    except grpc.RpcError as error:
        return decode(error)
    raise AssertionError(f"not refused: {answer}")


def to_document(cart: ShopperCart) -> Any:
    """A cart as JSON."""
    return MessageToDict(cart, preserving_proto_field_name=True)


def build_lens(eye: str) -> dict[str, Any]:
    """A contact lens as the shopper sees it."""
    return {
        "name": f"{eye.capitalize()} contact lens",
        "quantity": 1,
        "monthly": {"value": "1000", "string": "10,00 €"},
        "eye": eye,
        "boxes_a_year": 4,
    }


PACKAGE = {
    "name": "Contact lens package",
    "quantity": 1,
    "monthly": {"value": "2000", "string": "20,00 €"},
    "items": [build_lens("left"), build_lens("right")],
}
SUNGLASSES = {
    "name": "Sunglasses",
    "quantity": 1,
    "monthly": {"value": "1458", "string": "14,58 €"},
    "changes": True,
}
DRAFT = {
    "state": "open",
    "shop": "Tienda Moderna",
    "locale": "es-ES",
    "given_names": "John",
    "items": [PACKAGE],
    "monthly": {"value": "2000", "string": "20,00 €"},
    "total_months": 24,
    "currency": "EUR",
    "phone": "+34 910 000 000",
    "email": "hola@tienda-moderna.example",
}
