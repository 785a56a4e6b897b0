"""What is asked under load, over HTTP and over gRPC, and the promises watched meanwhile.

Every answer is looked at: ids are unique, a document read twice is the same,
no eye gets more boxes than its cap and none that was granted is forgotten.
"""

import http.client
import json
import uuid
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import grpc
from google.protobuf.json_format import ParseDict
from google.protobuf.message import Message

from bench.load.generator import Address, Http, Wire
from bench.load.grpc import Grpc
from bench.scenarios.bodies import CLIENT, ORDER, USER_EMAIL, basic, demo, http_request
from protos import orders_pb2, sessions_pb2, subscriptions_pb2
from protos.orders_pb2_grpc import OrderServiceStub
from protos.subscriptions_pb2_grpc import SubscriptionDeskServiceStub, SubscriptionServiceStub

SUBSCRIPTIONS = "/api/public/v1/subscriptions"
MERCHANT = {"Authorization": basic("demo-merchant")}
STREAMS = 8  # calls at a time on one gRPC connection
PLACE = b"#" * 32  # where each request has a key of its own
BIG, SMALL = 1_000_000, 25  # caps: one that no load reaches, and one that each load passes


def ask(
    address: Address, method: str, path: str, headers: Mapping[str, str], body: Any = None
) -> tuple[int, Any]:
    """One request outside of the load: status and parsed answer."""
    connection = http.client.HTTPConnection(*address, timeout=20)
    try:
        content = None if body is None else json.dumps(body)
        given = {"Content-Type": "application/json"} if content else {}
        connection.request(method, path, content, {**given, **headers})
        response = connection.getresponse()
        return response.status, json.loads(response.read() or b"null")
    finally:
        connection.close()


def must(answered: tuple[int, Any]) -> Any:
    """The answer of a request that succeeds."""
    code, body = answered
    if code not in (200, 201):
        raise RuntimeError(f"refused with {code}: {str(body)[:80]}")
    return body


def order_headers(address: Address) -> dict[str, str]:
    """What each call of the orders API sends; takes a token."""
    token = must(ask(address, "POST", "/v1/oauth/token", {}, CLIENT))["token"]
    return {"Authorization": f"Bearer {token}", "User-Email": USER_EMAIL}


def metadata(headers: Mapping[str, str]) -> dict[str, str]:
    """The same for gRPC."""
    return {name.lower(): value for name, value in headers.items()}


def grpc_order_headers(address: Address) -> dict[str, str]:
    """The same, with a token by gRPC."""
    with grpc.insecure_channel(f"{address[0]}:{address[1]}") as channel:
        request = orders_pb2.CreateTokenRequest(**CLIENT)
        token = OrderServiceStub(channel).CreateToken(request, timeout=10).token
    return {"Authorization": f"Bearer {token}", "User-Email": USER_EMAIL}


class Asking:
    """Requests over HTTP that must be answered with one status."""

    def __init__(self, address: Address, request: bytes, expected: int) -> None:
        self.address = address
        self.bytes = request
        self.varies = PLACE in request
        self.expected = frozenset({expected})

    def connect(self) -> Wire:
        return Http(self.address)

    def request(self, number: int) -> bytes:
        return self.bytes.replace(PLACE, b"%032d" % number) if self.varies else self.bytes

    def check(self, number: int, status: int, body: bytes) -> None:
        pass

    def broken(self) -> list[str]:
        return []


class Calling(Asking):
    """The same over gRPC: the bytes are a message, the status is a gRPC code."""

    def __init__(
        self, address: Address, rpc: str, headers: Mapping[str, str], message: Message | bytes
    ) -> None:
        packed = message if isinstance(message, bytes) else message.SerializeToString()
        super().__init__(address, packed, 0)
        self.rpc, self.metadata = rpc, metadata(headers)

    def connect(self) -> Wire:
        return Grpc(self.address, self.rpc, self.metadata, STREAMS)


class Making(Asking):
    """Something is made by each request: no two answers are the same."""

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        self.answers: list[bytes] = []

    def check(self, number: int, status: int, body: bytes) -> None:
        self.answers.append(body)

    def broken(self) -> list[str]:
        twice = len(self.answers) - len(set(self.answers))
        return [f"{twice} ids were given twice"] if twice else []


class Reading(Asking):
    """One thing is read again and again: its document stays the same."""

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        self.first = b""
        self.different = 0
        self.fields: set[str] = set()  # of the document, by path

    def check(self, number: int, status: int, body: bytes) -> None:
        if body != self.first:
            self.different += bool(self.first)
            self.first = self.first or body

    def broken(self) -> list[str]:
        return [f"{self.different} reads differed"] if self.different else []


class MakingByGrpc(Making, Calling):
    """Making, over gRPC."""


class ReadingByGrpc(Reading, Calling):
    """Reading, over gRPC."""


def create_orders(address: Address) -> Making:
    """POST /v1/orders."""
    request = http_request("POST", "/v1/orders", order_headers(address), ORDER)
    return Making(address, request, 201)


def accepted_faults(address: Address) -> list[str]:
    """What is wrong with an order and yet accepted: a contender must apply the same rules."""
    headers = order_headers(address)
    eye = ORDER["rx"]["right_eye"]
    orders: dict[str, dict[str, Any]] = {
        "a cylinder without an axis": {
            "rx": {**ORDER["rx"], "right_eye": {**eye, "axis": None}},
        },
        "a sphere off the scale": {"rx": {**ORDER["rx"], "right_eye": {**eye, "sphere": -99}}},
        "a coat that the material cannot have": {"lens": {**ORDER["lens"], "coats": ["coat_0"]}},
        "a mounting that the lab does not offer": {"mounting_option": "Glued"},
        "another's lab": {"lab": "lab_456"},
        "a number as text": {"frame": {**ORDER["frame"], "eye_size": "50"}},
        "an unknown field": {"unknown": 1},
    }
    found = [
        what
        for what, change in orders.items()
        if ask(address, "POST", "/v1/orders", headers, ORDER | change)[0] == 201
    ]
    strangers = {
        "no token": {"User-Email": USER_EMAIL},
        "a wrong token": {**headers, "Authorization": "Bearer tok_wrong"},
        "another's user": {**headers, "User-Email": "stranger@example.org"},
    }
    return found + [
        what
        for what, sent in strangers.items()
        if ask(address, "POST", "/v1/orders", sent, ORDER)[0] == 201
    ]


def fields(document: Any, path: str = "") -> Iterator[str]:
    """The paths of the values in a document."""
    if isinstance(document, dict):
        for name, each in document.items():
            yield from fields(each, f"{path}.{name}" if path else name)
    elif isinstance(document, list):
        if not document:
            yield path
        for each in document:
            yield from fields(each, path)
    else:
        yield path


def read_order(address: Address) -> Reading:
    """GET /v1/orders/:id."""
    headers = order_headers(address)
    id_ = must(ask(address, "POST", "/v1/orders", headers, ORDER))["id"]
    return _reading(address, f"/v1/orders/{id_}", headers)


def read_subscription(address: Address, id_: str) -> Reading:
    """GET /api/public/v1/subscriptions/:id."""
    return _reading(address, f"{SUBSCRIPTIONS}/{id_}", MERCHANT)


def _reading(address: Address, path: str, headers: Mapping[str, str]) -> Reading:
    reading = Reading(address, http_request("GET", path, headers), 200)
    reading.fields = set(fields(must(ask(address, "GET", path, headers))))
    return reading


def _session() -> dict[str, Any]:
    return {**demo("session"), "user_key": "bench", "session_key": PLACE.decode()}


def create_sessions(address: Address) -> Making:
    """POST /api/v2/partners/sessions."""
    headers = {"Authorization": basic("demo-partner")}
    request = http_request("POST", "/api/v2/partners/sessions", headers, _session())
    return Making(address, request, 201)


def grpc_create_orders(address: Address) -> Making:
    """CreateOrder."""
    rpc = "/optigate.orders.v1.OrderService/CreateOrder"
    message = ParseDict(ORDER, orders_pb2.CreateOrderRequest())
    return MakingByGrpc(address, rpc, grpc_order_headers(address), message)


def grpc_read_subscription(address: Address, id_: str) -> Reading:
    """GetSubscription."""
    rpc = "/optigate.subscriptions.v1.SubscriptionService/GetSubscription"
    message = subscriptions_pb2.GetSubscriptionRequest(subscription_id=id_)
    return ReadingByGrpc(address, rpc, MERCHANT, message)


def grpc_create_sessions(address: Address) -> Making:
    """CreateSession."""
    body = _session()
    body["partner_info"] = json.dumps(body["partner_info"])
    message = ParseDict(body, sessions_pb2.CreateSessionRequest())
    headers = {"Authorization": basic("demo-partner")}
    rpc = "/optigate.sessions.v1.SessionService/CreateSession"
    return MakingByGrpc(address, rpc, headers, message)


@contextmanager
def subscription_stubs(address: Address) -> Iterator[tuple[Any, Any]]:
    """The stubs of shops and of the desk."""
    with grpc.insecure_channel(f"{address[0]}:{address[1]}") as channel:
        yield SubscriptionServiceStub(channel), SubscriptionDeskServiceStub(channel)


def confirmed(address: Address, box_count: int) -> tuple[str, list[str]]:
    """Make and confirm a subscription: its id and its items' reference_uuids, left and right."""
    body = {**demo("subscription"), "reference": f"bench-{uuid.uuid4()}"}
    for item in body["cart_items"][0]["items"]:
        item["box_count"] = box_count
    request = ParseDict(body, subscriptions_pb2.CreateSubscriptionRequest())
    with subscription_stubs(address) as (shop, desk):
        made = shop.CreateSubscription(request, timeout=10, metadata=_as("demo-merchant"))
        confirmation = subscriptions_pb2.ConfirmSubscriptionRequest(subscription_id=made.id)
        desk.ConfirmSubscription(confirmation, timeout=10, metadata=_as("demo-staff"))
    items = made.last_persisted_cart.cart_items[0].items
    return made.id, [item.reference_uuid for item in items]


def delivered(address: Address, id_: str) -> int:
    """How many boxes of the left eye a subscription says were handed over."""
    request = subscriptions_pb2.GetSubscriptionRequest(subscription_id=id_)
    with subscription_stubs(address) as (shop, _):
        found = shop.GetSubscription(request, timeout=10, metadata=_as("demo-merchant"))
    return int(found.last_persisted_cart.cart_items[0].items[0].delivered_boxes)


def subscription_with_boxes(address: Address) -> str:
    """A subscription as the peers have it: two boxes of the left eye, one of the right."""
    id_, (left, right) = confirmed(address, 4)
    with subscription_stubs(address) as (shop, _):
        request = delivery(id_, {left: 2, right: 1})
        shop.CreateBoxDeliveries(request, timeout=10, metadata=_as("demo-merchant"))
    return id_


def _as(name: str) -> list[tuple[str, str]]:
    return [("authorization", basic(name))]


def delivery(id_: str, boxes: Mapping[str, int]) -> subscriptions_pb2.CreateBoxDeliveriesRequest:
    """The message that hands over boxes by item."""
    return subscriptions_pb2.CreateBoxDeliveriesRequest(
        subscription_id=id_,
        deliveries=[
            subscriptions_pb2.NewDelivery(cart_item_reference_uuid=item, quantity=quantity)
            for item, quantity in boxes.items()
        ],
    )


class Delivering(Asking):
    """Boxes are handed over, one at a time; every tenth asks for what has reached its cap."""

    granted_status, refused_status = 200, 422

    def __init__(self, address: Address, subscriptions: Address) -> None:
        super().__init__(address, b"", self.granted_status)
        self.expected = frozenset({self.granted_status, self.refused_status})
        self.service = subscriptions
        caps = [SMALL, *[BIG] * 9]
        self.kept = [(cap, *confirmed(subscriptions, cap)) for cap in caps]
        self.requests = [self.build(id_, items[0]) for _, id_, items in self.kept]
        self.granted: Counter[int] = Counter()

    def build(self, id_: str, item: str) -> bytes:
        """The request for one box of an item."""
        body = {"deliveries": [{"cart_item_reference_uuid": item, "quantity": 1}]}
        return http_request("POST", f"{SUBSCRIPTIONS}/{id_}/box_deliveries", MERCHANT, body)

    def request(self, number: int) -> bytes:
        return self.requests[number % len(self.requests)]

    def check(self, number: int, status: int, body: bytes) -> None:
        if status == self.granted_status:
            self.granted[number % len(self.requests)] += 1

    def broken(self) -> list[str]:
        faults = []
        for index, (cap, id_, _) in enumerate(self.kept):
            granted, kept = self.granted[index], delivered(self.service, id_)
            if not granted <= kept <= cap:
                faults.append(f"of {cap} boxes {granted} were granted, {kept} are kept")
        return faults


class DeliveringByGrpc(Delivering):
    """The same over gRPC."""

    granted_status, refused_status = 0, grpc.StatusCode.INVALID_ARGUMENT.value[0]

    def __init__(self, address: Address) -> None:
        super().__init__(address, address)

    def build(self, id_: str, item: str) -> bytes:
        return delivery(id_, {item: 1}).SerializeToString()

    def connect(self) -> Wire:
        rpc = "/optigate.subscriptions.v1.SubscriptionService/CreateBoxDeliveries"
        return Grpc(self.address, rpc, metadata(MERCHANT), STREAMS)
