"""ConfirmSubscription, called directly over gRPC on both engines."""

import re
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from typing import Any

import pytest
from grpc import StatusCode

from protos.subscriptions_pb2 import ConfirmSubscriptionRequest
from tests.serving import Served
from tests.subscriptions_svc.shop import (
    OTHER_STORE,
    UNKNOWN,
    confirm,
    create_activated,
    get,
    set_status,
    solicit,
)

RPC = "ConfirmSubscription"
CONFIRMED_AT = datetime(2026, 3, 1, 12, 0, 0, 651_000, tzinfo=UTC)


def test_it_works(subscriptions: Served, body: Any) -> None:
    made = solicit(subscriptions, body)
    with subscriptions.clock.at(CONFIRMED_AT):
        answer = confirm(subscriptions, made.id)
        assert answer == get(subscriptions, made.id)
    assert (answer.status, answer.payment_status) == ("activating", "pending")
    assert answer.confirmed_at.ToJsonString() == "2026-03-01T12:00:00.651Z"
    assert re.fullmatch("[0-9A-HJKMNP-TV-Z]{12}", answer.contract_number)
    assert not made.HasField("contract_number")
    assert not answer.HasField("activated_at")


@pytest.mark.parametrize("status", ["sent", "in_progress", "waiting_for_payment"])
def test_whatever_is_not_confirmed_can_be(subscriptions: Served, body: Any, status: str) -> None:
    made = solicit(subscriptions, body)
    set_status(subscriptions, made.id, status)
    assert confirm(subscriptions, made.id).status == "activating"


def test_a_confirmed_one_stays_as_it_is(subscriptions: Served, body: Any) -> None:
    made = solicit(subscriptions, body)
    with subscriptions.clock.at(CONFIRMED_AT):
        first = confirm(subscriptions, made.id)
        before = subscriptions.rows()
        assert confirm(subscriptions, made.id) == first
    active = create_activated(subscriptions, body, CONFIRMED_AT)
    assert confirm(subscriptions, active.id).status == "active"
    assert {tuple(row) for row in before["subscriptions"]} <= {
        tuple(row) for row in subscriptions.rows()["subscriptions"]
    }


@pytest.mark.parametrize("status", ["cancelled", "finished"])
def test_an_ended_one_is_refused(subscriptions: Served, body: Any, status: str) -> None:
    made = solicit(subscriptions, body)
    set_status(subscriptions, made.id, status)
    before = subscriptions.rows()
    request = ConfirmSubscriptionRequest(subscription_id=made.id)
    failure = subscriptions.refusal(RPC, request, "staff", desk=True)
    assert (failure.code, failure.reason) == (StatusCode.FAILED_PRECONDITION, "WRONG_STATE")
    assert subscriptions.rows() == before


def test_staff_confirms_for_every_merchant(subscriptions: Served, body: Any) -> None:
    made = solicit(subscriptions, body, "other", merchant=OTHER_STORE)
    confirm(subscriptions, made.id)
    assert get(subscriptions, made.id, "other").status == "activating"


@pytest.mark.parametrize("wrong", [UNKNOWN, "", "7", "\0"])
def test_an_id_of_nothing_is_not_found(subscriptions: Served, wrong: str) -> None:
    request = ConfirmSubscriptionRequest(subscription_id=wrong)
    failure = subscriptions.refusal(RPC, request, "staff", desk=True)
    assert failure.code is StatusCode.NOT_FOUND


def test_only_staff_may_confirm(subscriptions: Served, body: Any) -> None:
    request = ConfirmSubscriptionRequest(subscription_id=solicit(subscriptions, body).id)
    assert subscriptions.refusal(RPC, request, desk=True).reason == "FORBIDDEN"
    assert subscriptions.refusal(RPC, request, "", desk=True).reason == "UNAUTHENTICATED"


def test_two_confirmations_at_once_give_one_contract_number(
    subscriptions: Served, body: Any
) -> None:
    for _ in range(5):
        made = solicit(subscriptions, body)
        with ThreadPoolExecutor(8) as pool:
            answers = list(pool.map(lambda _, of=made: confirm(subscriptions, of.id), range(8)))
        told = {(each.contract_number, each.confirmed_at.ToJsonString()) for each in answers}
        assert len(told) == 1
