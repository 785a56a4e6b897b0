"""An active subscription is given more months, which bind to nothing."""

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import Any

import grpc

from protos.subscriptions_pb2 import ExtendPeriodRequest, Subscription
from subscriptions_svc.actions.advance_by_time import advance_by_time
from tests.serving import Served, decode
from tests.subscriptions_svc.shop import create_activated, create_confirmed, get, set_status

START = datetime(2026, 3, 1, 12, tzinfo=UTC)
END = datetime(2028, 2, 29, 23, tzinfo=UTC)  # of 24 months
MOMENT = timedelta(microseconds=1)


def build_extension(made: Subscription, months: int | None) -> ExtendPeriodRequest:
    return ExtendPeriodRequest(subscription_id=made.id, months=months)


def extend(served: Served, made: Subscription, months: int, **metadata: Any) -> Subscription:
    answer: Subscription = served.call("ExtendPeriod", build_extension(made, months), **metadata)
    return answer


def test_it_is_renewed_for_the_months_and_ends(subscriptions: Served, body: Any) -> None:
    made = create_activated(subscriptions, body, START)
    with subscriptions.clock.at(END - MOMENT):
        answer = extend(subscriptions, made, 2)
        assert answer == get(subscriptions, made.id)
        assert (answer.total_months, answer.renewal_at) == (24, made.renewal_at)
    advance_by_time(subscriptions.database, END)
    for moment, told in (
        (END, ("active", 25)),
        (datetime(2028, 4, 30, 22, tzinfo=UTC) - MOMENT, ("active", 26)),
        (datetime(2028, 4, 30, 22, tzinfo=UTC), ("finished", 26)),
    ):
        with subscriptions.clock.at(moment):
            found = get(subscriptions, made.id)
        assert (found.status, found.current_month) == told
        (package,) = found.last_persisted_cart.cart_items
        assert package.cancellation_cost_kept.value == 0


def test_24_months_in_all_are_the_most(subscriptions: Served, body: Any) -> None:
    made = create_activated(subscriptions, body, START)
    with subscriptions.clock.at(START):
        extend(subscriptions, made, 20)
        failure = subscriptions.refusal("ExtendPeriod", build_extension(made, 5))
        assert [fault.path for fault in failure.faults] == ["months"]
        assert extend(subscriptions, made, 4).available_actions.extend_period is False
        failure = subscriptions.refusal("ExtendPeriod", build_extension(made, 1))
    assert failure.reason == "NOT_ALLOWED"


def test_wrong_months_are_malformed(subscriptions: Served, body: Any) -> None:
    made = create_activated(subscriptions, body, START)
    before = subscriptions.rows()
    for months in (None, 0, -1, 25, 2**31 - 1):
        failure = subscriptions.refusal("ExtendPeriod", build_extension(made, months))
        assert failure.reason == "MALFORMED"
    assert subscriptions.rows() == before


def test_only_an_active_one_is_extended(subscriptions: Served, body: Any) -> None:
    made = create_confirmed(subscriptions, body)
    for status in ("draft", "activating", "cancelled", "finished"):
        set_status(subscriptions, made.id, status)
        assert not get(subscriptions, made.id).available_actions.extend_period
        failure = subscriptions.refusal("ExtendPeriod", build_extension(made, 1))
        assert failure.reason == "NOT_ALLOWED"
    ended = create_activated(subscriptions, body, START)
    with subscriptions.clock.at(END):
        failure = subscriptions.refusal("ExtendPeriod", build_extension(ended, 1))
    assert failure.reason == "NOT_ALLOWED"


def test_callers_at_once_do_not_pass_the_most(subscriptions: Served, body: Any) -> None:
    made = create_activated(subscriptions, body, START)

    def attempt(_: int) -> str:
        try:
            extend(subscriptions, made, 5)
        except grpc.RpcError as error:
            return decode(error).reason
        return "done"

    with subscriptions.clock.at(START), ThreadPoolExecutor(8) as pool:
        told = sorted(pool.map(attempt, range(8)))
    assert told == ["INVALID"] * 4 + ["done"] * 4


def test_a_repeated_key_extends_once(subscriptions: Served, body: Any, unique: str) -> None:
    made = create_activated(subscriptions, body, START)
    with subscriptions.clock.at(START):
        for _ in range(2):
            extend(subscriptions, made, 12, idempotency_key=unique)
        assert extend(subscriptions, made, 12).available_actions.extend_period is False
