"""CreateBoxDeliveries, called directly over gRPC on both engines."""

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from typing import Any

import pytest
from google.protobuf.json_format import MessageToDict
from grpc import StatusCode
from sqlalchemy import update

from protos.subscriptions_pb2 import (
    CreateBoxDeliveriesRequest,
    CreateBoxDeliveriesResponse,
    OverDelivery,
)
from subscriptions_svc.store import tables as store
from tests.serving import Failure, Served
from tests.subscriptions_svc.bodies import build_lens, build_material, build_package
from tests.subscriptions_svc.shop import (
    OTHER_STORE,
    UNKNOWN,
    activate,
    build_delivery,
    create_activated,
    create_confirmed,
    get,
    list_boxes,
    list_lenses,
    set_status,
    solicit,
)

RPC = "CreateBoxDeliveries"


def utc(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def read_remaining(failure: Failure) -> list[tuple[str, int]]:
    """The offending eyes of an over-delivery, and what they have left."""
    assert (failure.code, failure.reason) == (StatusCode.INVALID_ARGUMENT, "OVER_DELIVERY")
    over = OverDelivery()
    assert failure.details[0].Unpack(over)
    return [(item.cart_item_reference_uuid, item.remaining_boxes) for item in over.items]


def read_ledger(served: Served, subscription_id: str) -> list[tuple[Any, ...]]:
    """Year, quantity, account, request and moment of each delivery, in their order."""
    rows = served.rows()["box_deliveries"]
    return [row[3:8] for row in sorted(rows) if row[1] == subscription_id]


def test_it_works(subscriptions: Served, body: Any) -> None:
    made = create_confirmed(subscriptions, body)
    left, right = list_lenses(made)
    request = build_delivery(made.id, (right.reference_uuid, 1), (left.reference_uuid, 2))
    answer = subscriptions.call(RPC, request)
    money = {"value": "25000", "string": "250,00 €"}
    assert MessageToDict(answer, preserving_proto_field_name=True) == {
        "deliveries": [
            {
                "id": item.id,
                "type": "contact_lens_subscription",
                "reference": f"CL-{eye.upper()}-001",
                "reference_uuid": item.reference_uuid,
                "name": f"{eye.capitalize()} contact lens",
                "quantity": 1,
                "box_count": 4,
                "delivered_boxes": delivered,
                "remaining_boxes": 4 - delivered,
                "price_with_tax": money,
                "total_with_tax": money,
                "subscription_price": {"value": "1000", "string": "10,00 €"},
            }
            for item, eye, delivered in ((right, "right", 1), (left, "left", 2))
        ]
    }
    assert list_boxes(get(subscriptions, made.id)) == [(2, 2), (1, 3)]


def test_equal_calls_accumulate(subscriptions: Served, body: Any) -> None:
    made = create_confirmed(subscriptions, body)
    request = build_delivery(made.id, (list_lenses(made)[0].reference_uuid, 2))
    answers = [subscriptions.call(RPC, request).deliveries[0] for _ in range(2)]
    assert [(each.delivered_boxes, each.remaining_boxes) for each in answers] == [(2, 2), (4, 0)]
    failure = subscriptions.refusal(RPC, request)
    assert read_remaining(failure) == [(list_lenses(made)[0].reference_uuid, 0)]


def test_an_idempotency_key_delivers_once(subscriptions: Served, body: Any, unique: str) -> None:
    made = create_confirmed(subscriptions, body)
    request = build_delivery(made.id, (list_lenses(made)[0].reference_uuid, 1))

    def attempt(_: int) -> CreateBoxDeliveriesResponse:
        answer: CreateBoxDeliveriesResponse = subscriptions.call(
            RPC, request, idempotency_key=unique
        )
        return answer

    with ThreadPoolExecutor(12) as pool:
        answers = list(pool.map(attempt, range(12)))
    assert answers == [answers[0]] * 12
    assert list_boxes(get(subscriptions, made.id)) == [(1, 3), (0, 4)]


def test_an_item_named_twice_is_summed_before_the_cap(subscriptions: Served, body: Any) -> None:
    made = create_confirmed(subscriptions, body)
    left, right = (item.reference_uuid for item in list_lenses(made))
    answer = subscriptions.call(RPC, build_delivery(made.id, (left, 1), (right, 1), (left, 2)))
    assert [(each.reference_uuid, each.delivered_boxes) for each in answer.deliveries] == [
        (left, 3),
        (right, 1),
    ]
    failure = subscriptions.refusal(RPC, build_delivery(made.id, (right, 2), (right, 2)))
    assert read_remaining(failure) == [(right, 3)]


def test_a_call_is_all_or_nothing_and_names_every_offending_eye(
    subscriptions: Served, body: Any
) -> None:
    made = create_confirmed(
        subscriptions,
        body,
        cart_items=[
            build_package(build_lens("left"), build_lens("right")),
            build_package(build_lens("both", box_count=9)),
        ],
    )
    left, right, both = (item.reference_uuid for item in list_lenses(made))
    subscriptions.call(RPC, build_delivery(made.id, (left, 3)))
    before = subscriptions.rows()
    failure = subscriptions.refusal(RPC, build_delivery(made.id, (right, 5), (both, 1), (left, 2)))
    assert read_remaining(failure) == [(right, 4), (left, 1)]
    failure = subscriptions.refusal(RPC, build_delivery(made.id, (both, 9), (both, 1)))
    assert read_remaining(failure) == [(both, 9)]
    failure = subscriptions.refusal(RPC, build_delivery(made.id, (both, 1_000_000), (left, 1)))
    assert read_remaining(failure) == [(both, 9)]
    assert subscriptions.rows() == before


def test_ledger_entries_have_account_moment_and_quantity(subscriptions: Served, body: Any) -> None:
    made = create_confirmed(subscriptions, body)
    left, right = (item.reference_uuid for item in list_lenses(made))
    moment = utc("2026-03-01T12:00:00.123456")
    with subscriptions.clock.at(moment):
        request = build_delivery(made.id, (left, 1), (right, 2), (left, 1))
        subscriptions.call(RPC, request, x_request_id="till-7")
    account = next(row[0] for row in subscriptions.rows()["accounts"] if row[1] == "demo-merchant")
    assert read_ledger(subscriptions, made.id) == [
        (1, 2, account, "till-7", moment),
        (1, 2, account, "till-7", moment),
    ]


def test_what_is_no_contact_lens_of_the_cart_is_invalid(subscriptions: Served, body: Any) -> None:
    cart = [*body("subscription")["cart_items"], build_material()]
    made = create_confirmed(subscriptions, body, cart_items=cart)
    foreign = list_lenses(create_confirmed(subscriptions, body))[0].reference_uuid
    whole, sunglasses = (each.reference_uuid for each in made.last_persisted_cart.cart_items)
    left = list_lenses(made)[0]
    named = [left.reference_uuid, whole, sunglasses, foreign, UNKNOWN, "x", left.id]
    named.append(left.reference_uuid.upper())
    before = subscriptions.rows()
    failure = subscriptions.refusal(RPC, build_delivery(made.id, *((uuid, 99) for uuid in named)))
    assert failure.reason == "INVALID"
    assert {fault.message for fault in failure.faults} == {"Must be of a contact lens of the cart."}
    assert [fault.path for fault in failure.faults] == [
        f"deliveries.{index}.cart_item_reference_uuid" for index in range(1, 8)
    ]
    assert subscriptions.rows() == before


@pytest.mark.parametrize(
    ("entries", "paths"),
    [
        ([], ["deliveries"]),
        ([("", 1)], ["deliveries.0.cart_item_reference_uuid"]),
        ([("x\0", 1)], ["deliveries.0.cart_item_reference_uuid"]),
        ([(UNKNOWN, 0), (UNKNOWN, -1)], ["deliveries.0.quantity", "deliveries.1.quantity"]),
        ([(UNKNOWN, 2**31 - 1)], ["deliveries.0.quantity"]),
        ([(UNKNOWN, 1)] * 101, ["deliveries"]),
    ],
)
def test_a_wrong_shape_is_malformed(
    subscriptions: Served, body: Any, entries: list[tuple[str, int]], paths: list[str]
) -> None:
    # Also before the confirmation: shape comes before state.
    request = build_delivery(solicit(subscriptions, body).id, *entries)
    failure = subscriptions.refusal(RPC, request)
    assert (failure.code, failure.reason) == (StatusCode.INVALID_ARGUMENT, "MALFORMED")
    assert [fault.path for fault in failure.faults] == paths


def test_a_quantity_is_not_assumed(subscriptions: Served, body: Any) -> None:
    request = CreateBoxDeliveriesRequest(subscription_id=create_confirmed(subscriptions, body).id)
    request.deliveries.add(cart_item_reference_uuid=UNKNOWN)
    failure = subscriptions.refusal(RPC, request)
    assert [fault.path for fault in failure.faults] == ["deliveries.0.quantity"]


@pytest.mark.parametrize("wrong", [UNKNOWN, "", "7", "\0"])
def test_not_found_comes_before_the_shape(subscriptions: Served, wrong: str) -> None:
    assert subscriptions.refusal(RPC, build_delivery(wrong)).code is StatusCode.NOT_FOUND


def test_the_merchant_comes_before_the_shape(subscriptions: Served, body: Any) -> None:
    others = create_confirmed(subscriptions, body, "other", merchant=OTHER_STORE)
    assert subscriptions.refusal(RPC, build_delivery(others.id)).reason == "UNAUTHENTICATED"
    good = build_delivery(others.id, (list_lenses(others)[0].reference_uuid, 1))
    before = subscriptions.rows()
    assert subscriptions.refusal(RPC, good).reason == "UNAUTHENTICATED"
    assert subscriptions.refusal(RPC, good, "staff").reason == "FORBIDDEN"
    assert subscriptions.refusal(RPC, good, "").reason == "UNAUTHENTICATED"
    assert subscriptions.rows() == before


def test_boxes_wait_for_the_confirmation_and_stop_at_the_end(
    subscriptions: Served, body: Any
) -> None:
    made = solicit(subscriptions, body)
    request = build_delivery(made.id, (UNKNOWN, 1))  # state comes before meaning
    unconfirmed = "The shopper has not confirmed the cart."
    for status, message in (
        ("draft", unconfirmed),
        ("sent", unconfirmed),
        ("in_progress", unconfirmed),
        ("waiting_for_payment", "The subscription waits for payment."),
    ):
        set_status(subscriptions, made.id, status)
        failure = subscriptions.refusal(RPC, request)
        assert (failure.code, failure.reason) == (StatusCode.FAILED_PRECONDITION, "WRONG_STATE")
        assert failure.message == message
    for status in ("cancelled", "finished"):
        set_status(subscriptions, made.id, status)
        failure = subscriptions.refusal(RPC, request)
        assert (failure.reason, failure.message) == ("WRONG_STATE", "The subscription has ended.")
    over = create_activated(subscriptions, body, utc("2024-01-01T12:00"))
    with subscriptions.clock.at(utc("2025-12-31T23:00")):
        late = build_delivery(over.id, (list_lenses(over)[0].reference_uuid, 1))
        assert subscriptions.refusal(RPC, late).reason == "WRONG_STATE"


@pytest.mark.parametrize(
    ("activated_at", "last_of_year_one", "first_of_year_two"),
    [
        # Midnight in Madrid is an hour before that of UTC in winter, two in summer.
        ("2025-03-01T12:00", "2026-02-28T22:59:59.999999", "2026-02-28T23:00"),
        ("2025-07-01T12:00", "2026-06-30T21:59:59.999999", "2026-06-30T22:00"),
        ("2025-06-30T23:00", "2026-06-30T21:59:59.999999", "2026-06-30T22:00"),
        ("2024-02-29T12:00", "2025-02-27T22:59:59.999999", "2025-02-27T23:00"),
    ],
)
def test_a_new_year_begins_with_all_boxes(
    subscriptions: Served,
    body: Any,
    activated_at: str,
    last_of_year_one: str,
    first_of_year_two: str,
) -> None:
    made = create_activated(subscriptions, body, utc(activated_at))
    left = list_lenses(made)[0].reference_uuid
    with subscriptions.clock.at(utc(last_of_year_one)):
        subscriptions.call(RPC, build_delivery(made.id, (left, 4)))
        assert read_remaining(subscriptions.refusal(RPC, build_delivery(made.id, (left, 1)))) == [
            (left, 0)
        ]
        assert list_boxes(get(subscriptions, made.id)) == [(4, 0), (0, 4)]
    with subscriptions.clock.at(utc(first_of_year_two)):
        assert list_boxes(get(subscriptions, made.id)) == [(0, 4), (0, 4)]
        answer = subscriptions.call(RPC, build_delivery(made.id, (left, 3))).deliveries[0]
        assert (answer.delivered_boxes, answer.remaining_boxes) == (3, 1)
        assert read_remaining(subscriptions.refusal(RPC, build_delivery(made.id, (left, 2)))) == [
            (left, 1)
        ]
    assert [row[:2] for row in read_ledger(subscriptions, made.id)] == [(1, 4), (2, 3)]


def test_29_february_comes_back_in_the_fourth_year(subscriptions: Served, body: Any) -> None:
    made = create_activated(subscriptions, body, utc("2024-02-29T12:00"))
    left = list_lenses(made)[0].reference_uuid
    with subscriptions.database.write() as tx:  # no call extends a subscription yet
        of = store.subscriptions.c.id == made.id
        tx.execute(update(store.subscriptions).where(of).values(renewal_at=utc("2034-01-01")))
    for moment in ("2027-02-27T23:00", "2028-02-28T22:59", "2028-02-28T23:00"):
        with subscriptions.clock.at(utc(moment)):
            subscriptions.call(RPC, build_delivery(made.id, (left, 1)))
    assert [row[:2] for row in read_ledger(subscriptions, made.id)] == [(4, 1), (4, 1), (5, 1)]


def test_boxes_before_the_activation_count_in_year_one(subscriptions: Served, body: Any) -> None:
    with subscriptions.clock.at(utc("2025-01-10T12:00")):
        made = create_confirmed(subscriptions, body)
        left = list_lenses(made)[0].reference_uuid
        subscriptions.call(RPC, build_delivery(made.id, (left, 3)))
    with subscriptions.clock.at(utc("2025-03-01T12:00")):
        activate(subscriptions, made.id, made.last_persisted_cart.cart_items[0].reference_uuid)
        assert list_boxes(get(subscriptions, made.id)) == [(3, 1), (0, 4)]
        assert read_remaining(subscriptions.refusal(RPC, build_delivery(made.id, (left, 2)))) == [
            (left, 1)
        ]
    with subscriptions.clock.at(utc("2026-02-28T23:00")):
        assert list_boxes(get(subscriptions, made.id)) == [(0, 4), (0, 4)]
