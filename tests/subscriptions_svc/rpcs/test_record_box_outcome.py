"""RecordBoxOutcome: what became of boxes handed to a carrier, on both engines."""

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import Any

import grpc
import pytest
from grpc import StatusCode

from protos import subscriptions_pb2 as pb
from subscriptions_svc.store.box_deliveries import find_wrong_counters
from subscriptions_svc.store.subscriptions import NOBODY, find_subscription
from tests.serving import Served
from tests.subscriptions_svc.bodies import build_lens, build_package
from tests.subscriptions_svc.shop import (
    UNKNOWN,
    activate,
    build_delivery,
    change_cart,
    create_activated,
    create_confirmed,
    get,
    list_boxes,
    list_lenses,
    pay,
)

RPC = "RecordBoxOutcome"
NOON = datetime(2030, 3, 1, 12, tzinfo=UTC)


def send(served: Served, made: pb.Subscription, boxes: int, which: int = 0) -> pb.Delivery:
    """Hand boxes to a carrier; return the entry of the ledger."""
    request = build_delivery(made.id, (list_lenses(made)[which].reference_uuid, boxes))
    request.deliveries[0].outcome = "unknown"
    served.call("CreateBoxDeliveries", request)
    return read_ledger(served, made)[0]


def read_ledger(served: Served, made: pb.Subscription) -> list[pb.Delivery]:
    request = pb.ListDeliveriesRequest(subscription_id=made.id)
    return list(served.call("ListDeliveries", request).data)


def build_outcome(made: pb.Subscription, entry: pb.Delivery, outcome: str) -> Any:
    return pb.RecordBoxOutcomeRequest(
        subscription_id=made.id, delivery_id=entry.id, outcome=outcome
    )


def find_wrong(served: Served) -> list[Any]:
    with served.database.read() as tx:
        return find_wrong_counters(tx)


def test_it_works(subscriptions: Served, body: Any) -> None:
    made = create_confirmed(subscriptions, body)
    entry = send(subscriptions, made, 3)
    assert (entry.outcome, entry.HasField("outcome_at")) == ("unknown", False)
    # Meanwhile they count against the cap.
    assert list_boxes(get(subscriptions, made.id)) == [(3, 1), (0, 4)]
    over = build_delivery(made.id, (list_lenses(made)[0].reference_uuid, 2))
    assert subscriptions.refusal("CreateBoxDeliveries", over).reason == "OVER_DELIVERY"
    request = build_outcome(made, entry, "delivered")
    with subscriptions.clock.at(NOON):
        answer = subscriptions.call(RPC, request)
    assert (answer.id, answer.outcome, answer.quantity) == (entry.id, "delivered", 3)
    assert answer.outcome_at.ToDatetime(UTC) == NOON
    assert read_ledger(subscriptions, made) == [answer]
    assert subscriptions.call(RPC, request) == answer  # a repeat changes nothing
    assert list_boxes(get(subscriptions, made.id)) == [(3, 1), (0, 4)]
    assert find_wrong(subscriptions) == []


def test_returned_boxes_no_longer_count(subscriptions: Served, body: Any) -> None:
    made = create_confirmed(subscriptions, body)
    entry = send(subscriptions, made, 4)
    sent = get(subscriptions, made.id)
    assert sent.available_actions.cancel
    assert sent.last_delivery_date
    subscriptions.call(RPC, build_outcome(made, entry, "returned"))
    found = get(subscriptions, made.id)
    assert list_boxes(found) == [(0, 4), (0, 4)]
    # Nothing was handed over: within 24 hours, ending is free again.
    assert not found.available_actions.cancel
    assert not found.last_delivery_date
    assert find_wrong(subscriptions) == []
    again = build_delivery(made.id, (list_lenses(made)[0].reference_uuid, 4))
    subscriptions.call("CreateBoxDeliveries", again)
    assert [each.outcome for each in read_ledger(subscriptions, made)] == ["delivered", "returned"]


def test_earlier_boxes_stay(subscriptions: Served, body: Any) -> None:
    made = create_activated(subscriptions, body, NOON)
    lens = list_lenses(made)[0].reference_uuid
    with subscriptions.clock.at(NOON):
        subscriptions.call("CreateBoxDeliveries", build_delivery(made.id, (lens, 1)))
    with subscriptions.clock.at(NOON + timedelta(days=30)):
        entry = send(subscriptions, made, 2)
        subscriptions.call(RPC, build_outcome(made, entry, "returned"))
        found = get(subscriptions, made.id)
    assert (list_boxes(found)[0], found.last_delivery_date) == ((1, 3), "2030-03-01")
    assert find_wrong(subscriptions) == []


def test_the_days_of_withdrawal_begin_with_what_did_not_come_back(
    subscriptions: Served, body: Any
) -> None:
    made = create_confirmed(subscriptions, body)
    first, second, third = (NOON + timedelta(days=days) for days in (0, 9, 20))
    with subscriptions.clock.at(first):
        entry = send(subscriptions, made, 1)
    for moment in (second, third):
        with subscriptions.clock.at(moment):
            send(subscriptions, made, 1)
    subscriptions.call(RPC, build_outcome(made, entry, "returned"))
    with subscriptions.database.read() as tx:
        assert find_subscription(tx, made.id, NOBODY).first_delivery_at == second
    last = list_lenses(made)[1].reference_uuid
    activate(subscriptions, made.id, last)
    for each in read_ledger(subscriptions, made)[:2]:
        subscriptions.call(RPC, build_outcome(made, each, "returned"))
    with subscriptions.database.read() as tx:
        found = find_subscription(tx, made.id, NOBODY)
    assert found.first_delivery_at not in (None, first, second, third)


def test_a_box_of_last_year_comes_back_to_last_year(subscriptions: Served, body: Any) -> None:
    made = create_activated(subscriptions, body, NOON)
    with subscriptions.clock.at(NOON + timedelta(days=360)):
        entry = send(subscriptions, made, 2)
    with subscriptions.clock.at(NOON + timedelta(days=370)):
        send(subscriptions, made, 1)
        subscriptions.call(RPC, build_outcome(made, entry, "returned"))
        assert list_boxes(get(subscriptions, made.id))[0] == (1, 3)
    assert find_wrong(subscriptions) == []


def test_the_box_of_an_exchanged_lens_leaves_the_new_ones_count(
    subscriptions: Served, body: Any
) -> None:
    package = build_package(build_lens("left"), build_lens("right"))
    made = create_activated(subscriptions, body, NOON, cart_items=[package])
    with subscriptions.clock.at(NOON):
        pay(subscriptions, made.id)
        entry = send(subscriptions, made, 3)
        changed = change_cart(
            subscriptions, made.id, build_package(build_lens("left"), build_lens("right"))
        )
        assert list_boxes(changed) == [(3, 1), (0, 4)]
        subscriptions.call(RPC, build_outcome(made, entry, "returned"))
        assert list_boxes(get(subscriptions, made.id)) == [(0, 4), (0, 4)]
    assert find_wrong(subscriptions) == []


def test_both_outcomes_of_one_item_in_a_call(subscriptions: Served, body: Any) -> None:
    made = create_confirmed(subscriptions, body)
    uuid = list_lenses(made)[0].reference_uuid
    request = build_delivery(made.id, (uuid, 1), (uuid, 2), (uuid, 1))
    request.deliveries[1].outcome = "unknown"
    [item] = subscriptions.call("CreateBoxDeliveries", request).deliveries
    assert item.delivered_boxes == 4
    entries = {each.outcome: each.quantity for each in read_ledger(subscriptions, made)}
    assert entries == {"unknown": 2, "delivered": 2}
    assert find_wrong(subscriptions) == []


def test_refusals(subscriptions: Served, body: Any) -> None:
    made, other = (create_confirmed(subscriptions, body) for _ in range(2))
    uuid = list_lenses(made)[0].reference_uuid
    subscriptions.call("CreateBoxDeliveries", build_delivery(made.id, (uuid, 1)))
    [known] = read_ledger(subscriptions, made)
    unknown = send(subscriptions, made, 1)
    before = subscriptions.rows()
    for id_, entry, outcome, code, reason in (
        (made.id, known.id, "returned", StatusCode.FAILED_PRECONDITION, "NOT_ALLOWED"),
        (made.id, known.id, "delivered", StatusCode.FAILED_PRECONDITION, "NOT_ALLOWED"),
        (made.id, unknown.id, "lost", StatusCode.INVALID_ARGUMENT, "MALFORMED"),
        (made.id, "", "returned", StatusCode.INVALID_ARGUMENT, "MALFORMED"),
        (made.id, "x", "returned", StatusCode.NOT_FOUND, "NOT_FOUND"),
        (made.id, "٣", "returned", StatusCode.NOT_FOUND, "NOT_FOUND"),
        (made.id, "9" * 200, "returned", StatusCode.NOT_FOUND, "NOT_FOUND"),
        (other.id, unknown.id, "returned", StatusCode.NOT_FOUND, "NOT_FOUND"),
        (UNKNOWN, unknown.id, "returned", StatusCode.NOT_FOUND, "NOT_FOUND"),
    ):
        request = pb.RecordBoxOutcomeRequest(
            subscription_id=id_, delivery_id=entry, outcome=outcome
        )
        failure = subscriptions.refusal(RPC, request)
        assert (failure.code, failure.reason) == (code, reason)
    assert subscriptions.rows() == before
    subscriptions.call(RPC, build_outcome(made, unknown, "returned"))
    late = subscriptions.refusal(RPC, build_outcome(made, unknown, "delivered"))
    assert late.reason == "NOT_ALLOWED"


def test_an_unknown_outcome_is_the_only_other_one(subscriptions: Served, body: Any) -> None:
    made = create_confirmed(subscriptions, body)
    request = build_delivery(made.id, (list_lenses(made)[0].reference_uuid, 1))
    request.deliveries[0].outcome = "returned"
    failure = subscriptions.refusal("CreateBoxDeliveries", request)
    assert [each.path for each in failure.faults] == ["deliveries.0.outcome"]


@pytest.mark.parametrize("others", ["returned", "delivered"])
def test_at_once_one_outcome_is_recorded(subscriptions: Served, body: Any, others: str) -> None:
    made = create_confirmed(subscriptions, body)
    entry = send(subscriptions, made, 2)

    def record(outcome: str) -> str:
        try:
            answer: str = subscriptions.call(RPC, build_outcome(made, entry, outcome)).outcome
        except grpc.RpcError:
            return "refused"
        return answer

    with ThreadPoolExecutor(8) as pool:
        results = list(pool.map(record, [others, "returned"] * 4))
    [found] = read_ledger(subscriptions, made)
    assert found.outcome in results
    assert set(results) <= {found.outcome, "refused"}
    left = 4 if found.outcome == "returned" else 2
    assert list_boxes(get(subscriptions, made.id))[0] == (4 - left, left)
    assert find_wrong(subscriptions) == []
