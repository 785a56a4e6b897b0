"""Parameters of a lens change; its boxes, its price and what was handed over do not."""

from datetime import UTC, date, datetime
from io import StringIO
from typing import Any

import pytest

from protos.subscriptions_pb2 import (
    CartItem,
    ChangeGraduationRequest,
    ListDeliveriesRequest,
    Subscription,
)
from subscriptions_svc.documents.report import write_report
from subscriptions_svc.store.box_deliveries import find_wrong_counters
from tests.serving import Served
from tests.subscriptions_svc.bodies import build_material
from tests.subscriptions_svc.shop import (
    UNKNOWN,
    build_delivery,
    create_confirmed,
    get,
    list_lenses,
    set_status,
    solicit,
)

START = datetime(2026, 3, 1, 12, tzinfo=UTC)


def change(served: Served, made: Subscription, item: CartItem, **fields: str) -> CartItem:
    answer: CartItem = served.call("ChangeGraduation", build_change(made, item, **fields))
    return answer


def build_change(made: Subscription, item: CartItem, **fields: Any) -> ChangeGraduationRequest:
    return ChangeGraduationRequest(
        subscription_id=made.id, reference_uuid=item.reference_uuid, **fields
    )


def list_ledger(served: Served, made: Subscription) -> list[tuple[str, str, int]]:
    found = served.call("ListDeliveries", ListDeliveriesRequest(subscription_id=made.id))
    return [(each.reference, each.name, each.quantity) for each in found.data]


def test_it_stays_the_same_item_with_its_boxes(subscriptions: Served, body: Any) -> None:
    made = create_confirmed(subscriptions, body)
    left, right = list_lenses(made)
    subscriptions.call("CreateBoxDeliveries", build_delivery(made.id, (left.reference_uuid, 3)))
    before = list_lenses(get(subscriptions, made.id))[0]
    answer = change(subscriptions, made, left, reference="CL-L-2", name="-2.25")
    expected = CartItem()
    expected.CopyFrom(before)
    expected.reference, expected.name = "CL-L-2", "-2.25"
    assert answer == expected
    found = get(subscriptions, made.id)
    assert list_lenses(found) == [expected, right]
    one_more = build_delivery(made.id, (left.reference_uuid, 2))
    assert subscriptions.refusal("CreateBoxDeliveries", one_more).reason == "OVER_DELIVERY"


def test_the_ledger_shows_each_lens_as_it_was_handed_over(subscriptions: Served, body: Any) -> None:
    with subscriptions.clock.at(START):  # all at one instant: the order decides
        made = create_confirmed(subscriptions, body)
        left, right = list_lenses(made)
        for turn in ("second", "third", "fourth"):
            deliveries = build_delivery(made.id, (left.reference_uuid, 1))
            subscriptions.call("CreateBoxDeliveries", deliveries)
            change(subscriptions, made, left, name=turn)
        change(subscriptions, made, left, reference="CL-L-2", name="last")
        deliveries = build_delivery(made.id, (left.reference_uuid, 1), (right.reference_uuid, 1))
        subscriptions.call("CreateBoxDeliveries", deliveries)
    ledger = [
        ("CL-RIGHT-001", "Right contact lens", 1),
        ("CL-L-2", "last", 1),
        ("CL-LEFT-001", "third", 1),
        ("CL-LEFT-001", "second", 1),
        ("CL-LEFT-001", "Left contact lens", 1),
    ]
    assert list_ledger(subscriptions, made) == ledger
    written = StringIO()
    with subscriptions.database.stream() as tx:
        write_report(tx, date(2026, 3, 1), date(2026, 3, 1), written)
        assert find_wrong_counters(tx) == []
    lines = [line.split(",") for line in written.getvalue().splitlines() if made.id in line]
    assert [(line[7], line[9], int(line[11])) for line in lines] == ledger[::-1]


def test_what_is_the_same_leaves_no_trace(subscriptions: Served, body: Any) -> None:
    made = create_confirmed(subscriptions, body)
    left, _ = list_lenses(made)
    before = subscriptions.rows()
    assert change(subscriptions, made, left, name=left.name) == left
    after = subscriptions.rows()
    for name in ("cart_items", "graduation_changes", "outbox"):
        assert after[name] == before[name]


def test_only_a_lens_of_the_cart_changes(subscriptions: Served, body: Any) -> None:
    cart = [build_material(), *body("subscription")["cart_items"]]
    made = create_confirmed(subscriptions, body, cart_items=cart)
    glasses, package = made.last_persisted_cart.cart_items
    for item in (glasses, package):
        failure = subscriptions.refusal("ChangeGraduation", build_change(made, item, name="x"))
        assert [fault.path for fault in failure.faults] == ["reference_uuid"]
    for uuid in (UNKNOWN, "x"):
        unknown = CartItem(reference_uuid=uuid)
        failure = subscriptions.refusal("ChangeGraduation", build_change(made, unknown, name="x"))
        assert failure.reason == "NOT_FOUND"


def test_wrong_shapes_are_malformed(subscriptions: Served, body: Any) -> None:
    made = create_confirmed(subscriptions, body)
    left, _ = list_lenses(made)
    for fields in ({}, {"name": " "}, {"reference": "x" * 256}):
        request = build_change(made, left, **fields)
        assert subscriptions.refusal("ChangeGraduation", request).reason == "MALFORMED"


@pytest.mark.parametrize("status", ["draft", "waiting_for_payment", "cancelled", "finished"])
def test_it_needs_a_confirmed_subscription(subscriptions: Served, body: Any, status: str) -> None:
    made = solicit(subscriptions, body)
    set_status(subscriptions, made.id, status)
    assert not get(subscriptions, made.id).available_actions.change_graduation
    request = build_change(made, list_lenses(made)[0], name="x")
    assert subscriptions.refusal("ChangeGraduation", request).reason == "NOT_ALLOWED"


def test_a_repeated_key_changes_once(subscriptions: Served, body: Any, unique: str) -> None:
    made = create_confirmed(subscriptions, body)
    left, _ = list_lenses(made)
    request = build_change(made, left, name="x")
    told = subscriptions.call("ChangeGraduation", request, idempotency_key=unique)
    change(subscriptions, made, left, name="y")
    assert subscriptions.call("ChangeGraduation", request, idempotency_key=unique) == told
    assert list_lenses(get(subscriptions, made.id))[0].name == "y"
