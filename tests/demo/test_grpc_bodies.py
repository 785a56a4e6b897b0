"""The bodies in demo/grpc: messages of the RPCs that they are named after, and the demo's own."""

import json
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
from google.protobuf.json_format import Parse
from google.protobuf.message import Message

from chassis.messages.reader import Reader
from demo.__main__ import HERE
from tests.serving import SERVICES, Served

FOLDER = HERE / "grpc"
FILES = sorted(FOLDER.glob("*.json"))
# The bodies over HTTP of the same calls; beside them what is in the path there.
TWINS = {
    "create_session": "session",
    "create_order": "order",
    "create_subscription": "subscription",
    "create_box_deliveries": "box_deliveries",
}
PATHS = {"create_box_deliveries": {"subscription_id": "<id of the subscription>"}}


def name_rpc(name: str) -> str:
    """`start_exam` is StartExam."""
    return "".join(word.capitalize() for word in name.split("_"))


def find_message(name: str) -> type[Message]:
    """The request of the RPC that a file is named after."""
    rpc = name_rpc(name)
    for service in SERVICES:
        module: Any = import_module(f"protos.{service}_pb2")
        for described in module.DESCRIPTOR.services_by_name.values():
            if rpc in described.methods_by_name:
                found: type[Message] = getattr(
                    module, described.methods_by_name[rpc].input_type.name
                )
                return found
    raise AssertionError(f"{name}: there is no RPC {rpc}")


def read(name: str) -> Message:
    """The message in a file."""
    return Parse((FOLDER / f"{name}.json").read_text(), find_message(name)())


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_it_is_the_message_of_its_rpc(file: Path) -> None:
    message = find_message(file.stem)
    parsed = Parse(file.read_text(), message())
    if twin := TWINS.get(file.stem):
        raw, path = ("partner_info",) if twin == "session" else (), PATHS.get(file.stem, {})
        reader = Reader(message, raw=raw, path=tuple(path))
        over_http = reader.read((HERE / f"{twin}.json").read_bytes(), **path)
        if twin == "session":
            for each in (parsed, over_http):
                each.partner_info = json.dumps(json.loads(each.partner_info))  # type: ignore[attr-defined]
        assert parsed == over_http


@pytest.mark.parametrize("engine", ["sqlite"], indirect=True)
def test_the_sessions_of_the_demo_reach_their_approval(sessions: Served) -> None:
    sessions.call("CreateSession", read("create_session"))
    for rpc in ("start_exam", "submit_exam"):
        sessions.call(name_rpc(rpc), read(rpc), "staff", desk=True)
    assert sessions.call("Approve", read("approve"), "staff", desk=True).status == "approved"


@pytest.mark.parametrize("engine", ["sqlite"], indirect=True)
def test_the_order_of_the_demo_is_taken_and_made(orders: Served) -> None:
    made = orders.call("CreateOrder", read("create_order"))
    change: Any = read("update_order")
    change.order_id = made.id
    assert orders.call("UpdateOrder", change, "staff", desk=True).lab_status == "in_progress"


@pytest.mark.parametrize("engine", ["sqlite"], indirect=True)
def test_the_subscription_of_the_demo_gets_its_boxes(subscriptions: Served) -> None:
    made = subscriptions.call("CreateSubscription", read("create_subscription"))
    confirmation: Any = read("confirm_subscription")
    confirmation.subscription_id = made.id
    subscriptions.call("ConfirmSubscription", confirmation, "staff", desk=True)
    boxes: Any = read("create_box_deliveries")
    boxes.subscription_id = made.id
    lenses = made.last_persisted_cart.cart_items[0].items
    for delivery, lens in zip(boxes.deliveries, lenses, strict=True):
        delivery.cart_item_reference_uuid = lens.reference_uuid
    delivered = subscriptions.call("CreateBoxDeliveries", boxes).deliveries
    assert [each.delivered_boxes for each in delivered] == [1, 1]
