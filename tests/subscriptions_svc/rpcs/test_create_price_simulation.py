"""CreatePriceSimulation, called directly over gRPC on both engines."""

from typing import Any

import pytest
from google.protobuf.json_format import MessageToDict, ParseDict
from grpc import StatusCode

from protos.subscriptions_pb2 import CreatePriceSimulationRequest
from subscriptions_svc import reference
from tests.serving import Served
from tests.subscriptions_svc.bodies import build_lens, build_material, build_package
from tests.subscriptions_svc.shop import solicit

RPC = "CreatePriceSimulation"


def build_request(*cart: Any, **more: Any) -> CreatePriceSimulationRequest:
    return ParseDict({"cart_items": list(cart), **more}, CreatePriceSimulationRequest())


def build_money(value: int, string: str) -> dict[str, str]:
    return {"value": str(value), "string": string} if value else {"string": string}


def test_it_works(subscriptions: Served) -> None:
    whole = build_package(
        build_lens("left"), build_lens("right", subscription_price=1000), name="Lenses"
    )
    before = subscriptions.rows()
    answer = subscriptions.call(RPC, build_request(build_material(quantity=3), whole))
    assert subscriptions.rows() == before
    lenses = [
        {
            "type": "contact_lens_subscription",
            "reference": f"CL-{eye}",
            "name": "Contact lens",
            "quantity": 1,
            "price_with_tax": build_money(100, "1,00 €"),
            "total_with_tax": build_money(100, "1,00 €"),
            "subscription_price": build_money(*price),
            "total_subscription_price": build_money(*price),
        }
        for eye, price in (("left", (4, "0,04 €")), ("right", (1000, "10,00 €")))
    ]
    assert MessageToDict(answer, preserving_proto_field_name=True) == {
        "cart_items": [
            {
                "type": "material_subscription",
                "reference": "SUN-1",
                "name": "Sunglasses",
                "quantity": 3,
                "price_with_tax": build_money(35000, "350,00 €"),
                "total_with_tax": build_money(105000, "1.050,00 €"),
                "subscription_price": build_money(1458, "14,58 €"),
                "total_subscription_price": build_money(4374, "43,74 €"),
            },
            {
                "type": "subscription_package",
                "name": "Lenses",
                "quantity": 1,
                "price_with_tax": build_money(200, "2,00 €"),
                "total_with_tax": build_money(200, "2,00 €"),
                "subscription_price": build_money(1004, "10,04 €"),
                "total_subscription_price": build_money(1004, "10,04 €"),
                "items": lenses,
            },
        ],
        "total_with_tax": build_money(105200, "1.052,00 €"),
        "total_subscription_price": build_money(5378, "53,78 €"),
        "total_months": 24,
    }


def test_it_shows_the_new_cost_of_the_subscription(subscriptions: Served, body: Any) -> None:
    demo = body("subscription")["cart_items"]
    told = subscriptions.call(RPC, build_request(*demo)).cart_items[0]
    made = solicit(subscriptions, body).last_persisted_cart.cart_items[0]
    for name in ("price_with_tax", "total_with_tax", "subscription_price"):
        assert getattr(told, name) == getattr(made, name)
        for each, item in zip(told.items, made.items, strict=True):
            assert getattr(each, name) == getattr(item, name)


def test_an_account_of_several_merchants_says_in_whose_currency(subscriptions: Served) -> None:
    stores = {"store_refs": ["a"]}
    merchants = [
        {"id": "yen", "currency": "JPY", "locale": "ja-JP", **stores},
        {"id": "dinar", "currency": "KWD", "locale": "en-US", **stores},
    ]
    references = [{"account": "other-merchant", "merchants": ["yen", "dinar"]}]
    loaded = reference.REFERENCE.load({"merchants": merchants, "references": references})
    with subscriptions.database.write() as tx:
        reference.load(tx, loaded)
    item = build_material(price_with_tax=1234567)
    for id_, texts in (
        ("yen", ("￥1,234,567", "￥51,440")),
        ("dinar", ("KWD1,234.567", "KWD51.440")),
    ):
        answer = subscriptions.call(RPC, build_request(item, merchant_id=id_), "other")
        told = (answer.total_with_tax.string, answer.total_subscription_price.string)
        assert told == texts
    failure = subscriptions.refusal(RPC, build_request(item), "other")
    assert (failure.reason, [fault.path for fault in failure.faults]) == (
        "INVALID",
        ["merchant_id"],
    )


@pytest.mark.parametrize("id_", ["yen", "unknown", "otra_tienda"])
def test_another_merchant_is_unauthenticated(subscriptions: Served, id_: str) -> None:
    request = build_request(build_material(), merchant_id=id_)
    assert subscriptions.refusal(RPC, request).reason == "UNAUTHENTICATED"


@pytest.mark.parametrize(
    ("cart", "reason", "paths"),
    [
        ([], "MALFORMED", ["cart_items"]),
        ([build_material(quantity=0)], "MALFORMED", ["cart_items.0.quantity"]),
        ([build_material(id="x")], "MALFORMED", ["cart_items.0.id"]),
        ([build_material(price_with_tax=-1)], "INVALID", ["cart_items.0.price_with_tax"]),
        ([build_lens("left")], "INVALID", ["cart_items.0.type"]),
        (
            [build_package(build_lens("left"), build_lens("left"), price_with_tax=1)],
            "INVALID",
            ["cart_items.0.items.1.product_data.eye", "cart_items.0.price_with_tax"],
        ),
        (
            [build_package(build_lens("left"), build_lens("right"), subscription_price=9)],
            "INVALID",
            ["cart_items.0.subscription_price"],
        ),
    ],
)
def test_faults_are_those_of_a_new_subscription(
    subscriptions: Served, body: Any, cart: Any, reason: str, paths: list[str]
) -> None:
    failure = subscriptions.refusal(RPC, build_request(*cart))
    assert (failure.code, failure.reason) == (StatusCode.INVALID_ARGUMENT, reason)
    assert sorted(fault.path for fault in failure.faults) == paths


def test_the_largest_cart_is_summed_exactly(subscriptions: Served) -> None:
    dear = build_material(price_with_tax=10**12, subscription_price=10**12)
    answer = subscriptions.call(RPC, build_request(*[dear] * 100))
    assert answer.total_with_tax.value == answer.total_subscription_price.value == 10**14
    assert answer.total_with_tax.string == "1.000.000.000.000,00 €"


def test_a_key_keeps_the_answer(subscriptions: Served, unique: str) -> None:
    request = build_request(build_material())
    first = subscriptions.call(RPC, request, idempotency_key=unique)
    assert subscriptions.call(RPC, request, idempotency_key=unique) == first
    other = build_request(build_material(quantity=2))
    failure = subscriptions.refusal(RPC, other, idempotency_key=unique)
    assert failure.reason == "IDEMPOTENCY_MISMATCH"
