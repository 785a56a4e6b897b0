"""Faults of the field over gRPC, on both engines: each was once answered otherwise."""

from datetime import UTC, datetime
from typing import Any

import pytest
from google.protobuf.message_factory import GetMessageClass
from grpc import StatusCode

from chassis.errors import Fault
from protos import subscriptions_pb2 as pb
from tests.serving import Served
from tests.subscriptions_svc.bodies import build_lens, build_package
from tests.subscriptions_svc.shop import (
    build_delivery,
    build_solicitation,
    confirm,
    confirm_as_shopper,
    get,
    list_boxes,
    list_lenses,
    pay,
    solicit,
)

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
SERVICES = pb.DESCRIPTOR.services_by_name
RPCS = [
    (service, method.name)
    for service in ("SubscriptionService", "SubscriptionDeskService")
    for method in SERVICES[service].methods
]


@pytest.mark.parametrize(("service", "rpc"), RPCS)
def test_a_key_of_256_characters_is_malformed(
    subscriptions: Served, service: str, rpc: str
) -> None:
    request = GetMessageClass(SERVICES[service].methods_by_name[rpc].input_type)()
    desk = service == "SubscriptionDeskService"
    failure = subscriptions.refusal(
        rpc, request, "staff" if desk else "client", desk=desk, idempotency_key="x" * 256
    )
    assert (failure.code, failure.reason) == (StatusCode.INVALID_ARGUMENT, "MALFORMED")
    assert failure.faults == (Fault("Idempotency-Key", "Must be 1-255 visible ASCII characters."),)


@pytest.mark.parametrize("quantity", [2, 10**6])
def test_a_package_of_more_than_one_is_refused(
    subscriptions: Served, body: Any, quantity: int
) -> None:
    cart = [build_package(build_lens("left"), build_lens("right"), quantity=quantity)]
    failure = subscriptions.refusal("CreateSubscription", build_solicitation(body, cart_items=cart))
    assert (failure.code, failure.reason) == (StatusCode.INVALID_ARGUMENT, "INVALID")
    assert failure.faults == (Fault("cart_items.0.quantity", "Must be 1 for a package."),)


def test_between_confirmation_and_payment_it_waits_for_payment(
    subscriptions: Served, body: Any
) -> None:
    paid, staffed = solicit(subscriptions, body), solicit(subscriptions, body)
    for made in (paid, staffed):
        confirm_as_shopper(subscriptions, made.id, NOON)
        request = build_delivery(made.id, (list_lenses(made)[0].reference_uuid, 1))
        failure = subscriptions.refusal("CreateBoxDeliveries", request)
        assert (failure.code, failure.reason) == (StatusCode.FAILED_PRECONDITION, "WRONG_STATE")
        assert failure.message == "The subscription waits for payment."
    both_ways = (pay(subscriptions, paid.id), confirm(subscriptions, staffed.id))
    for made in both_ways:
        subscriptions.call(
            "CreateBoxDeliveries", build_delivery(made.id, (list_lenses(made)[0].reference_uuid, 1))
        )
        assert list_boxes(get(subscriptions, made.id)) == [(1, 3), (0, 4)]
