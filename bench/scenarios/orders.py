"""Orders under load."""

from collections.abc import Mapping, Sequence
from typing import Any

import grpc
from google.protobuf.json_format import ParseDict

from bench.load.sockets import Address
from bench.scenarios.bodies import (
    DEMO_CALLERS,
    Caller,
    OrderVariation,
    build_http_request,
    list_value_paths,
    load_demo_order,
    vary_demo_order,
    vary_patient,
)
from bench.scenarios.client import require_success, send_request
from bench.scenarios.scenario import CreateOverGrpc, CreateOverHttp, ReadOverHttp
from protos import orders_pb2
from protos.orders_pb2_grpc import OrderServiceStub

CREATE_ORDER = "/optigate.orders.v1.OrderService/CreateOrder"
CLIENT = DEMO_CALLERS["orders"]


def fetch_bearer(address: Address, caller: Caller = CLIENT) -> str:
    """Return an Authorization header with a new token, fetched over HTTP."""
    body = {"client_id": caller.name, "client_secret": caller.secret}
    answer = send_request(address, "POST", "/v1/oauth/token", {}, body)
    return f"Bearer {require_success(answer)['token']}"


def fetch_bearer_over_grpc(address: Address, caller: Caller = CLIENT) -> str:
    """Return an Authorization header with a new token, fetched over gRPC."""
    with grpc.insecure_channel(f"{address[0]}:{address[1]}") as channel:
        request = orders_pb2.CreateTokenRequest(client_id=caller.name, client_secret=caller.secret)
        return f"Bearer {OrderServiceStub(channel).CreateToken(request, timeout=10).token}"


def fetch_headers(address: Address, caller: Caller = CLIENT) -> dict[str, str]:
    """Return what each call of the orders API sends, with a new token."""
    return {"Authorization": fetch_bearer(address, caller), "User-Email": caller.user_email}


def choose_variations(caller: Caller, body: Mapping[str, Any] | None) -> list[OrderVariation]:
    """Return variations of the demo order, or of `body`."""
    return vary_demo_order() if body is None else vary_patient(body, caller.user_email)


def create_orders(
    address: Address, caller: Caller = CLIENT, body: Mapping[str, Any] | None = None
) -> CreateOverHttp:
    """POST /v1/orders."""
    bearer = {"Authorization": fetch_bearer(address, caller)}
    requests = [
        build_http_request(
            "POST", "/v1/orders", bearer | variation.headers, variation.body, host=address[0]
        )
        for variation in choose_variations(caller, body)
    ]
    return CreateOverHttp(address, requests)


def create_orders_over_grpc(
    address: Address | Sequence[Address],
    caller: Caller = CLIENT,
    body: Mapping[str, Any] | None = None,
) -> CreateOverGrpc:
    """CreateOrder, on one server or on several in turn."""
    first = address if isinstance(address, tuple) else address[0]
    metadata = {"Authorization": fetch_bearer_over_grpc(first, caller)}
    variations = choose_variations(caller, body)
    messages = [
        ParseDict(variation.body, orders_pb2.CreateOrderRequest()).SerializeToString()
        for variation in variations
    ]
    own = [variation.headers for variation in variations]
    return CreateOverGrpc(address, CREATE_ORDER, metadata, messages, own)


def read_order(
    address: Address, caller: Caller = CLIENT, body: Mapping[str, Any] | None = None
) -> ReadOverHttp:
    """GET /v1/orders/:id, of an order that is made for it."""
    headers = fetch_headers(address, caller)
    created = send_request(address, "POST", "/v1/orders", headers, body or load_demo_order())
    path = f"/v1/orders/{require_success(created)['id']}"
    scenario = ReadOverHttp(address, build_http_request("GET", path, headers, host=address[0]))
    scenario.fields = set(
        list_value_paths(require_success(send_request(address, "GET", path, headers)))
    )
    return scenario


def find_accepted_faults(address: Address) -> list[str]:
    """Return the faulty orders that a contender accepts: it must apply the same rules."""
    order, headers = load_demo_order(), fetch_headers(address)
    eye = order["rx"]["right_eye"]
    orders: dict[str, dict[str, Any]] = {
        "a cylinder without an axis": {"rx": {**order["rx"], "right_eye": {**eye, "axis": None}}},
        "a sphere off the scale": {"rx": {**order["rx"], "right_eye": {**eye, "sphere": -99}}},
        "a coat that the material cannot have": {"lens": {**order["lens"], "coats": ["coat_0"]}},
        "a mounting that the lab does not offer": {"mounting_option": "Glued"},
        "another client's lab": {"lab": "lab_456"},
        "a number as text": {"frame": {**order["frame"], "eye_size": "50"}},
        "an unknown field": {"unknown": 1},
    }
    strangers = {
        "no token": {"User-Email": CLIENT.user_email},
        "a wrong token": {**headers, "Authorization": "Bearer tok_wrong"},
        "a user of another client": {**headers, "User-Email": "stranger@example.org"},
    }
    attempts = {what: (headers, order | change) for what, change in orders.items()}
    attempts |= {what: (wrong, order) for what, wrong in strangers.items()}
    return [
        what
        for what, (sent, body) in attempts.items()
        if send_request(address, "POST", "/v1/orders", sent, body)[0] == 201
    ]


def ignores_keys(address: Address) -> bool:
    """Return whether a contender makes a second order of a repeated Idempotency-Key."""
    headers = {**fetch_headers(address), "Idempotency-Key": "bench-repeated-key"}
    ids = {
        require_success(send_request(address, "POST", "/v1/orders", headers, load_demo_order()))[
            "id"
        ]
        for _ in range(2)
    }
    return len(ids) > 1
