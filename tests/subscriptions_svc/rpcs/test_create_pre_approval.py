"""CreatePreApproval, called directly over gRPC on both engines."""

from datetime import UTC, datetime
from typing import Any

import pytest
from google.protobuf.json_format import ParseDict
from grpc import StatusCode

from protos.subscriptions_pb2 import CreatePreApprovalRequest
from tests.serving import Served
from tests.subscriptions_svc.bodies import build_material
from tests.subscriptions_svc.shop import OTHER_STORE, build_cancellation, pay, solicit

RPC = "CreatePreApproval"
NOW = datetime(2026, 3, 1, 23, 30, tzinfo=UTC)  # 2 March in Madrid
SHOPPER = {
    "given_names": "John",
    "surnames": "Doe Jr",
    "nin": "12345678Z",
    "email": "john@example.com",
    "mobile_phone": "+34666777888",
    "date_of_birth": "2000-12-20",
}


def build_request(merchant: Any = None, **shopper: Any) -> CreatePreApprovalRequest:
    values = {name: value for name, value in (SHOPPER | shopper).items() if value is not None}
    of = merchant or {"reference": "tienda_moderna", "store_ref": "tienda_moderna"}
    return ParseDict({"merchant": of, "shopper": values}, CreatePreApprovalRequest())


def answer(served: Served, **shopper: Any) -> tuple[bool, int, str]:
    with served.clock.at(NOW):
        told = served.call(RPC, build_request(**shopper))
    return told.approved, told.amount_limit.value, told.amount_limit.string


def test_it_works(subscriptions: Served) -> None:
    before = subscriptions.rows()
    assert answer(subscriptions, nin="00000000T") == (True, 150_000, "1.500,00 €")
    assert subscriptions.rows() == before


def test_only_what_decides_is_required(subscriptions: Served) -> None:
    names = ("given_names", "surnames", "email", "mobile_phone")
    assert answer(subscriptions, nin="00000000T", **dict.fromkeys(names))[0]


@pytest.mark.parametrize(
    ("born", "approved"),
    [("2008-03-02", True), ("2008-03-03", False), ("2026-03-02", False), ("1900-01-01", True)],
)
def test_a_shopper_is_an_adult_where_the_merchant_is(
    subscriptions: Served, born: str, approved: bool
) -> None:
    limit = 150_000 if approved else 0
    assert answer(subscriptions, nin="00000001R", date_of_birth=born)[:2] == (approved, limit)


def test_what_a_shopper_owes_here_is_taken_from_the_limit(subscriptions: Served, body: Any) -> None:
    nin = {"nin": "00000002W", "nin_control": None}

    def solicit_for(price: int, quantity: int = 1) -> Any:
        cart = [build_material(price_with_tax=price, quantity=quantity)]
        told = {name: value for name, value in nin.items() if value}
        return solicit(subscriptions, body, **told, cart_items=cart, nin_control="0012201M")

    first = solicit_for(50_000)
    assert answer(subscriptions, nin="00000002W")[:2] == (True, 100_000)
    solicit_for(10_000, 10)
    assert answer(subscriptions, nin="00000002W") == (False, 0, "0,00 €")
    assert answer(subscriptions, nin="00000003A")[:2] == (True, 150_000)
    subscriptions.call("CancelSubscription", build_cancellation(first.id))
    assert answer(subscriptions, nin="00000002W")[:2] == (True, 50_000)


def test_a_failed_payment_ends_the_trust_of_this_merchant_alone(
    subscriptions: Served, body: Any
) -> None:
    made = solicit(subscriptions, body, "other", merchant=OTHER_STORE, nin="00000004G")
    pay(subscriptions, made.id, successful=False)
    assert answer(subscriptions, nin="00000004G")[0]
    own = solicit(subscriptions, body, nin="00000004G")
    assert answer(subscriptions, nin="00000004G")[0]
    pay(subscriptions, own.id, successful=False)
    for written in ("00000004G", "00000004-g", "00000004 G"):
        assert answer(subscriptions, nin=written)[:2] == (False, 0)


@pytest.mark.parametrize(
    ("shopper", "reason", "paths"),
    [
        ({"nin": None}, "MALFORMED", ["shopper.nin"]),
        ({"date_of_birth": None}, "MALFORMED", ["shopper.date_of_birth"]),
        ({"surnames": "x" * 256}, "MALFORMED", ["shopper.surnames"]),
        ({"nin": "12345678A"}, "INVALID", ["shopper.nin"]),
        ({"date_of_birth": "200/12/24"}, "INVALID", ["shopper.date_of_birth"]),
        ({"date_of_birth": "2026-03-03"}, "INVALID", ["shopper.date_of_birth"]),
        (
            {"email": "john", "nin": "x", "date_of_birth": "2001-02-29"},
            "INVALID",
            ["shopper.date_of_birth", "shopper.email", "shopper.nin"],
        ),
    ],
)
def test_faults_have_their_path(
    subscriptions: Served, shopper: Any, reason: str, paths: list[str]
) -> None:
    with subscriptions.clock.at(NOW):
        failure = subscriptions.refusal(RPC, build_request(**shopper))
    assert (failure.code, failure.reason) == (StatusCode.INVALID_ARGUMENT, reason)
    assert sorted(fault.path for fault in failure.faults) == paths


def test_the_store_is_the_merchants_and_the_merchant_the_accounts(subscriptions: Served) -> None:
    wrong = build_request({"reference": "tienda_moderna", "store_ref": "otra_tienda"})
    assert [fault.path for fault in subscriptions.refusal(RPC, wrong).faults] == [
        "merchant.store_ref"
    ]
    for id_ in ("otra_tienda", "unknown"):
        others = build_request({"reference": id_, "store_ref": id_})
        assert subscriptions.refusal(RPC, others).reason == "UNAUTHENTICATED"


def test_a_key_keeps_the_answer(subscriptions: Served, body: Any, unique: str) -> None:
    request = build_request(nin="00000005M")
    with subscriptions.clock.at(NOW):
        first = subscriptions.call(RPC, request, idempotency_key=unique)
        solicit(subscriptions, body, nin="00000005M")
        assert subscriptions.call(RPC, request, idempotency_key=unique) == first
        assert subscriptions.call(RPC, request) != first
