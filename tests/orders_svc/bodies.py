"""Orders as the rules see them, for tests to change, and what is refused of them."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from google.protobuf.json_format import ParseDict
from marshmallow import ValidationError

from orders_svc.rules.offer import Offer, find_offer_faults
from orders_svc.rules.order import CREATE_ORDER_REQUEST
from protos.orders_pb2 import CreateOrderRequest

EXAMPLE = Path(__file__).parents[2] / "demo" / "order.json"
Body = dict[str, Any]

LAB = {"lab": "lab_123", "account_number": "1234567"}
REDO_DATA = {"type": "Remake", "reason": "scratched", "reference": "INV-9"}
SUBMISSION_BLOCKS = [
    ("redo", "redo_data", REDO_DATA),
    ("multi_pair", "multi_pair_data", {"reference": "TRAY-77"}),
]
OFFER = Offer(
    settings={
        "frame_handling_options": ["Frame to Come", "Lenses Only"],
        "frame_materials": ["Metal", "Zyl"],
        "mounting_options": ["Edged & Mount", "Uncuts Only"],
        "order_types": ["rx", "frame"],
        "redo_types": ["Remake", "Warranty"],
        "services": ["Roll & Polish Edges", "Add/Replace Nose Pads"],
    },
    styles={"style_789": "multifocal"},
    materials={"material_123"},
    colors={"color_123", "color_456"},
    coats={"coat_123": "ar", "coat_456": "scratch", "coat_789": "ar"},
    tints={"Gray", "Brown"},
)

MISSING = "Missing data for required field."
BLANK = "Must not be blank."


def request(sent: Body, **changes: Any) -> CreateOrderRequest:
    """An order as it arrives over gRPC."""
    return ParseDict({**sent, **changes}, CreateOrderRequest())


def example() -> Body:
    """The example body: an rx order for the lab with every block but redo and multi pair."""
    body: Body = json.loads(EXAMPLE.read_text())
    return body


def put(body: Body, path: str, *value: Any) -> None:
    """Set the value at a dotted path; without a value, take it away."""
    *blocks, name = path.split(".")
    for block in blocks:
        body = body.setdefault(block, {})
    if value:
        body[name] = value[0]
    else:
        del body[name]


def paths(messages: Any, path: str = "") -> dict[str, list[str]]:
    """Messages by dotted path; those of a whole schema would show as `_schema`."""
    if not isinstance(messages, Mapping):
        return {path: messages}
    found: dict[str, list[str]] = {}
    for name, each in messages.items():
        found |= paths(each, f"{path}.{name}" if path else str(name))
    return found


def refusal(body: Body) -> tuple[dict[str, list[str]], Body]:
    """The faults of an order by path, and what is left of it."""
    try:
        return {}, CREATE_ORDER_REQUEST.load(body)
    except ValidationError as error:
        return paths(error.messages_dict), dict(error.valid_data or {})


def find_faults(body: Body) -> dict[str, list[str]]:
    """The faults of an order by path."""
    return refusal(body)[0]


def find_offer_paths(body: Body, offer: Offer | None = OFFER) -> list[str]:
    """Where the valid part of an order is not what the lab offers."""
    return [path for path, _ in find_offer_faults(refusal(body)[1], offer)]
