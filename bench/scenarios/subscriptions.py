"""Subscriptions under load: reads, new ones, and boxes that are handed over.

No eye may get more boxes than its cap, and no box that was granted may be forgotten.
"""

import uuid
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import grpc
from google.protobuf.json_format import ParseDict

from bench.load.grpc import GrpcConnection, pack_call
from bench.load.sockets import Address, Connection
from bench.scenarios.bodies import (
    DEMO_CALLERS,
    DEMO_STAFF,
    Caller,
    build_http_request,
    build_keyed_subscription,
    list_value_paths,
    load_demo_body,
)
from bench.scenarios.client import require_success, send_request
from bench.scenarios.scenario import (
    CALLS_PER_CONNECTION,
    CreateOverGrpc,
    CreateOverHttp,
    HttpScenario,
    ReadOverGrpc,
    ReadOverHttp,
    lower_names,
)
from protos import subscriptions_pb2 as pb
from protos.subscriptions_pb2_grpc import SubscriptionDeskServiceStub, SubscriptionServiceStub

PATH = "/api/public/v1/subscriptions"
SERVICE = "/optigate.subscriptions.v1.SubscriptionService"
MERCHANT = DEMO_CALLERS["subscriptions"]
MERCHANT_HEADERS = {"Authorization": MERCHANT.basic}
HUGE_CAP_BOXES, REACHED_CAP_BOXES = 1_000_000, 25  # no load reaches the one, each the other
HUGE_CAPS = 9  # subscriptions with a huge cap, beside one whose cap is reached


@contextmanager
def open_stubs(address: Address) -> Iterator[tuple[Any, Any]]:
    """Yield the stubs of shops and of the desk."""
    with grpc.insecure_channel(f"{address[0]}:{address[1]}") as channel:
        yield SubscriptionServiceStub(channel), SubscriptionDeskServiceStub(channel)


def call_options(caller: Caller) -> dict[str, Any]:
    """Return the deadline and metadata of a call."""
    return {"timeout": 10, "metadata": [("authorization", caller.basic)]}


def confirm_subscription(address: Address, box_count: int) -> tuple[str, list[str]]:
    """Create and confirm a subscription; return its id and its lenses' reference_uuids."""
    body = {**load_demo_body("subscription"), "reference": f"bench-{uuid.uuid4()}"}
    for item in body["cart_items"][0]["items"]:
        item["box_count"] = box_count
    request = ParseDict(body, pb.CreateSubscriptionRequest())
    with open_stubs(address) as (shop, desk):
        created = shop.CreateSubscription(request, **call_options(MERCHANT))
        confirmation = pb.ConfirmSubscriptionRequest(subscription_id=created.id)
        desk.ConfirmSubscription(confirmation, **call_options(DEMO_STAFF))
    items = created.last_persisted_cart.cart_items[0].items
    return created.id, [item.reference_uuid for item in items]


def count_delivered(address: Address, id_: str) -> int:
    """Return how many boxes of the left eye a subscription has on record as handed over."""
    request = pb.GetSubscriptionRequest(subscription_id=id_)
    with open_stubs(address) as (shop, _):
        found = shop.GetSubscription(request, **call_options(MERCHANT))
    return int(found.last_persisted_cart.cart_items[0].items[0].delivered_boxes)


def create_delivered_subscription(address: Address) -> str:
    """Create a subscription as the peers have it: two boxes of the left eye, one of the right."""
    id_, (left, right) = confirm_subscription(address, 4)
    with open_stubs(address) as (shop, _):
        request = build_deliveries(id_, {left: 2, right: 1})
        shop.CreateBoxDeliveries(request, **call_options(MERCHANT))
    return id_


def build_deliveries(id_: str, boxes: Mapping[str, int]) -> pb.CreateBoxDeliveriesRequest:
    """Return the message that hands over boxes by item."""
    return pb.CreateBoxDeliveriesRequest(
        subscription_id=id_,
        deliveries=[
            pb.NewDelivery(cart_item_reference_uuid=item, quantity=quantity)
            for item, quantity in boxes.items()
        ],
    )


def read_subscription(address: Address, id_: str, caller: Caller = MERCHANT) -> ReadOverHttp:
    """GET /api/public/v1/subscriptions/:id."""
    path, headers = f"{PATH}/{id_}", {"Authorization": caller.basic}
    scenario = ReadOverHttp(address, build_http_request("GET", path, headers, host=address[0]))
    scenario.fields = set(
        list_value_paths(require_success(send_request(address, "GET", path, headers)))
    )
    return scenario


def read_subscription_over_grpc(
    address: Address, id_: str, caller: Caller = MERCHANT
) -> ReadOverGrpc:
    """GetSubscription."""
    message = pb.GetSubscriptionRequest(subscription_id=id_).SerializeToString()
    headers = {"Authorization": caller.basic}
    return ReadOverGrpc(address, f"{SERVICE}/GetSubscription", headers, message)


def create_subscriptions(address: Address, caller: Caller = MERCHANT) -> CreateOverHttp:
    """POST /api/public/v1/subscriptions."""
    headers = {"Authorization": caller.basic}
    request = build_http_request("POST", PATH, headers, build_keyed_subscription(), host=address[0])
    return CreateOverHttp(address, request)


def create_subscriptions_over_grpc(address: Address, caller: Caller = MERCHANT) -> CreateOverGrpc:
    """CreateSubscription."""
    message = ParseDict(
        build_keyed_subscription(), pb.CreateSubscriptionRequest()
    ).SerializeToString()
    headers = {"Authorization": caller.basic}
    return CreateOverGrpc(address, f"{SERVICE}/CreateSubscription", headers, message)


class DeliverOverHttp(HttpScenario):
    """Boxes are handed over one at a time; one request in ten asks past a reached cap."""

    granted_status, refused_status = 200, 422

    def __init__(self, address: Address, service: Address) -> None:
        """Load `address`; `service` is the gRPC address at which the records are read."""
        self.service = service
        caps = [REACHED_CAP_BOXES, *[HUGE_CAP_BOXES] * HUGE_CAPS]
        self.subscriptions = [(cap, *confirm_subscription(service, cap)) for cap in caps]
        requests = [self.build(id_, items[0]) for _, id_, items in self.subscriptions]
        super().__init__(address, requests, self.granted_status)
        self.expected = frozenset({self.granted_status, self.refused_status})
        self.granted: Counter[int] = Counter()

    def build(self, id_: str, item: str) -> bytes:
        """Return the request for one box of an item."""
        body = {"deliveries": [{"cart_item_reference_uuid": item, "quantity": 1}]}
        return build_http_request("POST", f"{PATH}/{id_}/box_deliveries", MERCHANT_HEADERS, body)

    def check(self, number: int, status: int, body: bytes) -> None:
        """Count a box that was granted."""
        if status == self.granted_status:
            self.granted[number % len(self.requests)] += 1

    def list_broken_promises(self) -> list[str]:
        """Return the subscriptions whose records are below what was granted, or above the cap."""
        faults = []
        for index, (cap, id_, _) in enumerate(self.subscriptions):
            granted, recorded = self.granted[index], count_delivered(self.service, id_)
            if not granted <= recorded <= cap:
                faults.append(f"of {cap} boxes {granted} were granted, {recorded} are on record")
        return faults


class DeliverOverGrpc(DeliverOverHttp):
    """The same over gRPC."""

    granted_status, refused_status = 0, grpc.StatusCode.INVALID_ARGUMENT.value[0]

    def __init__(self, address: Address) -> None:
        super().__init__(address, address)

    def build(self, id_: str, item: str) -> bytes:
        """Return the call for one box of an item."""
        return pack_call(build_deliveries(id_, {item: 1}).SerializeToString())

    def connect(self) -> Connection:
        """Open a connection for CreateBoxDeliveries."""
        rpc = f"{SERVICE}/CreateBoxDeliveries"
        return GrpcConnection(
            self.address, rpc, lower_names(MERCHANT_HEADERS), CALLS_PER_CONNECTION
        )
