"""Any message to any RPC, over gRPC itself: an answer or a refusal, and nothing in between.

The RPCs are found, not listed. A refusal stores nothing; UNKNOWN and INTERNAL are never an answer.
`FUZZ_EXAMPLES` sets how many messages each RPC gets: see `make fuzz`.
"""

import importlib
import json
import os
from typing import Any

import grpc
import pytest
from google.protobuf.json_format import ParseDict
from google.protobuf.message import Message
from google.protobuf.message_factory import GetMessageClass
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from chassis.server.interceptor import find_role
from tests.messages import DEMO, collect_words, draw_changed, draw_message
from tests.serving import PEOPLE, SERVICES, USERS, Served, build_basic

EXAMPLES = int(os.environ.get("FUZZ_EXAMPLES", "8"))
RPCS = [
    (name, service.name, method.name)
    for name in SERVICES
    for service in importlib.import_module(
        f"protos.{name}_pb2"
    ).DESCRIPTOR.services_by_name.values()
    for method in service.methods
]
# What a refused call writes on purpose: attempts to log in are counted.
WRITTEN_BY_REFUSALS = {"LogIn": {"login_attempts"}}
# The requests that make something to name in others.
MAKERS = {
    "sessions": ("SessionService", "CreateSession", "session"),
    "orders": ("OrderService", "CreateOrder", "order"),
    "subscriptions": ("SubscriptionService", "CreateSubscription", "subscription"),
}
FUZZ = settings(
    max_examples=EXAMPLES,
    deadline=None,
    derandomize="FUZZ_EXAMPLES" not in os.environ,
    suppress_health_check=list(HealthCheck),
)


def find_method(service: str, kind: str, rpc: str) -> Any:
    """The descriptor of an RPC."""
    module = importlib.import_module(f"protos.{service}_pb2")
    return module.DESCRIPTOR.services_by_name[kind].methods_by_name[rpc]


def build_example(service: str) -> Any:
    """The demo body of a service as a request."""
    kind, rpc, name = MAKERS[service]
    body = json.loads((DEMO / f"{name}.json").read_text())
    for free in ("partner_info", "discounts"):
        if free in body:
            body[free] = json.dumps(body[free])
    return ParseDict(body, GetMessageClass(find_method(service, kind, rpc).input_type)())


def call(served: Served, kind: str, rpc: str, request: Message, who: str) -> tuple[Any, str]:
    """The answer of an RPC and the name of its status."""
    module = importlib.import_module(f"protos.{served.name}_pb2_grpc")
    stub = getattr(module, f"{kind}Stub")(served.channel)
    metadata = [("authorization", build_basic(PEOPLE[served.name][who]))]
    if served.name == "orders" and who in USERS:
        metadata.append(("user-email", USERS[who]))
    try:
        return getattr(stub, rpc)(request, timeout=60, metadata=metadata), "OK"
    except grpc.RpcError as error:
        status: Any = error
        return status.details(), status.code().name


def collect(served: Served, unique: str) -> dict[str, list[Any]]:
    """Words that mean something to a service: those of the demo, and ids of what there is."""
    kind, rpc, _ = MAKERS[served.name]
    request = build_example(served.name)
    for name in ("session_key", "reference"):
        if name in request.DESCRIPTOR.fields_by_name:
            setattr(request, name, unique)
    made, status = call(served, kind, rpc, request, "client")
    # Another test may have configured the partner so that it takes no such session.
    assert status == "OK" or served.name == "sessions", made
    ids: dict[str, Any] = {"partner": "demo-partner", "session_key": unique}
    if served.name != "sessions":
        ids[f"{served.name.removesuffix('s')}_id"] = made.id
    if served.name == "subscriptions":
        cart = made.last_persisted_cart
        ids |= {"code": cart.code, "reference_uuid": cart.cart_items[0].reference_uuid}
        ids |= {"cart_item_reference_uuid": ids["reference_uuid"], "product_id": cart.code}
    return collect_words(ids)


@pytest.mark.parametrize(("service", "kind", "rpc"), RPCS, ids=lambda each: str(each))
def test_any_message_is_answered_or_refused(
    request: pytest.FixtureRequest, engine: str, unique: str, service: str, kind: str, rpc: str
) -> None:
    served: Served = request.getfixturevalue(service)
    method = find_method(service, kind, rpc)
    who = find_role(method.containing_service)
    words = collect(served, unique)
    drawn: st.SearchStrategy[Message] = draw_message(method.input_type, words)
    example = build_example(service)
    if example.DESCRIPTOR is method.input_type:
        drawn |= draw_changed(example, words)
    counted = WRITTEN_BY_REFUSALS.get(rpc, set())
    kept = served.rows()

    @FUZZ
    @given(drawn)
    def holds(message: Message) -> None:
        nonlocal kept
        before = kept
        answer, status = call(served, kind, rpc, message, who)
        assert status not in ("UNKNOWN", "INTERNAL", "DEADLINE_EXCEEDED", "UNAVAILABLE"), answer
        kept = served.rows()
        if status != "OK":
            changed = {name for name in before if before[name] != kept[name]}
            assert changed <= counted, (status, answer)

    holds()


def test_every_rpc_is_found() -> None:
    assert len(RPCS) >= 50
    assert {service for service, _, _ in RPCS} == set(SERVICES)
