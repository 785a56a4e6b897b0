"""CreateSubscription, called directly over gRPC on both engines."""

import uuid
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from typing import Any

import grpc
import pytest
from google.protobuf.json_format import MessageToDict
from grpc import StatusCode

from chassis.errors import Fault
from protos.subscriptions_pb2 import CreateSubscriptionRequest, Subscription
from tests.serving import Failure, Served, decode
from tests.subscriptions_svc.bodies import build_lens, build_material, build_package
from tests.subscriptions_svc.shop import (
    OTHER_STORE,
    WITHOUT_DISCOUNT,
    build_solicitation,
    create_activated,
    get,
    set_status,
    solicit,
)

UUID = "aaaaaaaa-aaaa-4aaa-8aaa-aaaaaaaaaaaa"


def list_paths(failure: Failure) -> list[str]:
    return [fault.path for fault in failure.faults]


def remove_ids(value: Any) -> Any:
    """A document whose ids are all alike."""
    if isinstance(value, dict):
        ids = ("id", "reference_uuid", "code")
        return {name: UUID if name in ids else remove_ids(each) for name, each in value.items()}
    return [remove_ids(each) for each in value] if isinstance(value, list) else value


NOTHING = {"string": "0,00 €"}


def build_lens_answer(eye: str) -> dict[str, Any]:
    return {
        "id": UUID,
        "type": "contact_lens_subscription",
        "reference": f"CL-{eye.upper()}-001",
        "reference_uuid": UUID,
        "name": f"{eye.capitalize()} contact lens",
        "price_with_tax": {"value": "25000", "string": "250,00 €"},
        "quantity": 1,
        "total_with_tax": {"value": "25000", "string": "250,00 €"},
        "subscription_price": {"value": "1000", "string": "10,00 €"},
        "status": "pending",
        "product_data": {"eye": eye},
        "box_count": 4,
        "exchange_cycle": 12,
        "delivered_boxes": 0,
        "remaining_boxes": 4,
        "cancellation_cost_kept": NOTHING,
        "cancellation_cost_returned": NOTHING,
        **WITHOUT_DISCOUNT,
    }


def test_it_works(subscriptions: Served, body: Any) -> None:
    with subscriptions.clock.at(datetime(2026, 3, 1, 12, 0, 0, 651_000, tzinfo=UTC)):
        created = subscriptions.call(
            "CreateSubscription",
            build_solicitation(body, reference="ref001-5", discounts='[{"a": 1}]'),
        )
    for item in created.last_persisted_cart.cart_items:
        assert str(uuid.UUID(item.id)) == item.id
        assert str(uuid.UUID(item.reference_uuid)) == item.reference_uuid
    told = remove_ids(MessageToDict(created, preserving_proto_field_name=True))
    assert told == {
        "id": UUID,
        "created_at": "2026-03-01T12:00:00.651Z",
        "total_months": 24,
        "customer": {
            "given_names": "John",
            "surnames": "Doe Jr",
            "email": "john@example.com",
            "phone": "679959234",
            "full_name": "John Doe Jr",
        },
        "status": "draft",
        "payment_status": "pending",
        "reference": "ref001-5",
        "discounts": '[{"a": 1}]',
        "available_actions": {
            "withdraw": True,
            "send_sms": True,
            "update_customer_info": True,
        },
        "last_persisted_cart": {
            "id": UUID,
            "reference": "ref001-5",
            "code": UUID,
            "cart_items": [
                {
                    "id": UUID,
                    "type": "subscription_package",
                    "reference": "PKG-001",
                    "reference_uuid": UUID,
                    "name": "Contact lens package",
                    "price_with_tax": {"value": "50000", "string": "500,00 €"},
                    "quantity": 1,
                    "total_with_tax": {"value": "50000", "string": "500,00 €"},
                    "subscription_price": {"value": "2000", "string": "20,00 €"},
                    "status": "pending",
                    "items": [build_lens_answer("left"), build_lens_answer("right")],
                    "cancellation_cost_kept": NOTHING,
                    "cancellation_cost_returned": NOTHING,
                    **WITHOUT_DISCOUNT,
                }
            ],
        },
    }


def test_the_default_monthly_price_is_a_twenty_fourth_rounded_half_up(
    subscriptions: Served, body: Any
) -> None:
    told = {**build_material(reference="TOLD"), "subscription_price": 0, "subscription_vat_rate": 0}
    cart = [
        {**build_material(), "quantity": 3},
        told,
        build_package(build_material(), {**told, "quantity": 2}),
    ]
    created = solicit(subscriptions, body, cart_items=cart)
    items = created.last_persisted_cart.cart_items
    assert [item.subscription_price.value for item in items] == [1458, 0, 1458]
    assert items[0].total_with_tax.string == "1.050,00 €"
    assert [item.HasField("subscription_vat_rate") for item in items] == [False, True, False]
    assert not items[2].HasField("reference")


def test_amounts_may_be_the_largest_that_rules_allow(subscriptions: Served, body: Any) -> None:
    dear = {**build_material(), "price_with_tax": 10**12, "subscription_price": 10**12}
    cart = [build_package(*(dear for _ in range(100)))]
    failure = subscriptions.refusal("CreateSubscription", build_solicitation(body, cart_items=cart))
    assert sorted(list_paths(failure)) == ["cart_items.0.items", "cart_items.0.price_with_tax"]
    created = solicit(
        subscriptions, body, cart_items=[dear, {**build_material(), "quantity": 10**6}]
    )
    assert created.last_persisted_cart.cart_items[0].price_with_tax.value == 10**12


def test_texts_may_be_long_and_in_any_script(subscriptions: Served, body: Any) -> None:
    names = {"given_names": "Ł" * 255, "surnames": "ﷺ" * 255, "address": "🏠" * 255}
    created = solicit(subscriptions, body, **names, reference="ß" * 223 + uuid.uuid4().hex)
    assert get(subscriptions, created.id).customer.surnames == "ﷺ" * 255


def test_all_faults_of_shape_are_malformed_at_once(subscriptions: Served, body: Any) -> None:
    before = subscriptions.rows()
    cart = [{**build_material(), "quantity": 0}, build_package(build_lens("up"))]
    wrong = build_solicitation(body, merchant=None, reference="", cart_items=cart)
    failure = subscriptions.refusal("CreateSubscription", wrong)
    assert (failure.code, failure.reason) == (StatusCode.INVALID_ARGUMENT, "MALFORMED")
    assert sorted(list_paths(failure)) == [
        "cart_items.0.quantity",
        "cart_items.1.items.0.product_data.eye",
        "merchant",
        "reference",
    ]
    assert subscriptions.rows() == before


def test_all_faults_of_meaning_are_invalid_at_once(subscriptions: Served, body: Any) -> None:
    before = subscriptions.rows()
    wrong = build_solicitation(
        body,
        merchant={"id": "tienda_moderna", "store_ref": "otra_tienda"},
        email="john",
        date_of_birth="2999-01-01",
        nin="12345678A",
        nin_control="0012202M",
        cart_items=[
            build_lens("left"),
            {
                **build_package(build_lens("left"), build_lens("left"), build_lens("both")),
                "price_with_tax": 1,
            },
        ],
    )
    failure = subscriptions.refusal("CreateSubscription", wrong)
    assert (failure.code, failure.reason) == (StatusCode.INVALID_ARGUMENT, "INVALID")
    assert sorted(list_paths(failure)) == [
        "cart_items.0.type",
        "cart_items.1.items.1.product_data.eye",
        "cart_items.1.items.2.product_data.eye",
        "cart_items.1.price_with_tax",
        "date_of_birth",
        "email",
        "merchant.store_ref",
        "nin",
        "nin_control",
    ]
    assert subscriptions.rows() == before


def test_an_empty_request_names_what_is_missing(subscriptions: Served) -> None:
    failure = subscriptions.refusal("CreateSubscription", CreateSubscriptionRequest())
    assert sorted(list_paths(failure)) == ["cart_items", "merchant", "reference"]


@pytest.mark.parametrize("merchant_id", ["otra_tienda", "unknown", "tienda_moderna ", "' --"])
def test_a_merchant_of_another_account_is_unauthenticated(
    subscriptions: Served, body: Any, merchant_id: str
) -> None:
    merchant = {"id": merchant_id, "store_ref": "tienda_moderna"}
    request = build_solicitation(body, merchant=merchant, email="also wrong")
    failure = subscriptions.refusal("CreateSubscription", request)
    assert (failure.code, failure.reason) == (StatusCode.UNAUTHENTICATED, "UNAUTHENTICATED")
    shapeless = build_solicitation(body, merchant=merchant, reference=None)
    assert subscriptions.refusal("CreateSubscription", shapeless).reason == "MALFORMED"


def test_a_control_character_is_refused(subscriptions: Served, body: Any) -> None:
    request = build_solicitation(body, city="Barce\0lona", given_names="\x1b[31m", address="a\tb")
    failure = subscriptions.refusal("CreateSubscription", request)
    assert sorted(list_paths(failure)) == ["address", "city", "given_names"]


def test_a_live_reference_is_a_merchants_own_and_used_once(
    subscriptions: Served, body: Any
) -> None:
    first = solicit(subscriptions, body)
    again = build_solicitation(body, reference=first.reference)
    before = subscriptions.rows()
    failure = subscriptions.refusal("CreateSubscription", again)
    assert (failure.code, failure.reason) == (StatusCode.ALREADY_EXISTS, "ALREADY_EXISTS")
    assert subscriptions.rows() == before
    solicit(subscriptions, body, "other", merchant=OTHER_STORE, reference=first.reference)
    set_status(subscriptions, first.id)
    assert subscriptions.call("CreateSubscription", again).reference == first.reference


def test_a_finished_subscription_frees_its_reference(subscriptions: Served, body: Any) -> None:
    made = create_activated(subscriptions, body, datetime(2024, 1, 1, tzinfo=UTC))
    again = build_solicitation(body, reference=made.reference)
    with subscriptions.clock.at(datetime(2025, 12, 31, 22, 59, tzinfo=UTC)):
        assert subscriptions.refusal("CreateSubscription", again).reason == "ALREADY_EXISTS"
    with subscriptions.clock.at(datetime(2025, 12, 31, 23, tzinfo=UTC)):
        subscriptions.call("CreateSubscription", again)
    assert get(subscriptions, made.id).status == "finished"


def test_one_of_many_equal_solicitations_at_once_is_taken(subscriptions: Served, body: Any) -> None:
    request = build_solicitation(body)

    def attempt(_: int) -> str:
        try:
            subscriptions.call("CreateSubscription", request)
        except grpc.RpcError as error:
            return decode(error).reason
        return "created"

    with ThreadPoolExecutor(12) as pool:
        outcomes = sorted(pool.map(attempt, range(12)))
    assert outcomes == ["ALREADY_EXISTS"] * 11 + ["created"]


def test_one_idempotency_key_has_one_effect(subscriptions: Served, body: Any, unique: str) -> None:
    request = build_solicitation(body)

    def attempt(_: int) -> Subscription:
        answer: Subscription = subscriptions.call(
            "CreateSubscription", request, idempotency_key=unique
        )
        return answer

    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(attempt, range(8)))
    assert answers == [answers[0]] * 8
    other = subscriptions.refusal(
        "CreateSubscription", build_solicitation(body), idempotency_key=unique
    )
    assert other.reason == "IDEMPOTENCY_MISMATCH"
    assert other.faults == (
        Fault("Idempotency-Key", "Was used for another request; use a new key."),
    )


def test_staff_and_nobody_may_not_solicit(subscriptions: Served, body: Any) -> None:
    request = build_solicitation(body)
    assert subscriptions.refusal("CreateSubscription", request, "staff").reason == "FORBIDDEN"
    assert subscriptions.refusal("CreateSubscription", request, "").reason == "UNAUTHENTICATED"
