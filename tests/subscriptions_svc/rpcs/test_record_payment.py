"""RecordPayment, and the shopper's confirmation that waits for it, on both engines."""

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from typing import Any

import pytest
from grpc import StatusCode

from protos.subscriptions_pb2 import RecordPaymentRequest, Subscription
from subscriptions_svc.rules.statuses import Status
from subscriptions_svc.store.transitions import move_forward
from tests.serving import Served
from tests.subscriptions_svc.shop import (
    OTHER_STORE,
    UNKNOWN,
    confirm,
    confirm_as_shopper,
    create_activated,
    get,
    pay,
    set_status,
    solicit,
)

RPC = "RecordPayment"
NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)


def test_it_works(subscriptions: Served, body: Any) -> None:
    made = solicit(subscriptions, body)
    assert made.payment_status == "pending"
    answer = pay(subscriptions, made.id)
    assert (answer.status, answer.payment_status) == ("draft", "paid")
    assert answer == get(subscriptions, made.id)
    assert pay(subscriptions, made.id, successful=False).payment_status == "failed"
    assert pay(subscriptions, made.id).payment_status == "paid"


def test_what_the_shopper_has_confirmed_waits_for_its_payment(
    subscriptions: Served, body: Any
) -> None:
    made = solicit(subscriptions, body)
    waiting = confirm_as_shopper(subscriptions, made.id, NOW)
    assert (waiting.status, waiting.HasField("confirmed_at")) == ("waiting_for_payment", False)
    assert confirm_as_shopper(subscriptions, made.id, NOW) == waiting
    assert pay(subscriptions, made.id, successful=False).status == "waiting_for_payment"
    with subscriptions.clock.at(NOW):
        paid = pay(subscriptions, made.id)
    assert (paid.status, paid.confirmed_at.ToDatetime(UTC)) == ("activating", NOW)
    assert paid.HasField("contract_number")


def test_what_is_paid_before_is_confirmed_at_once(subscriptions: Served, body: Any) -> None:
    made = pay(subscriptions, solicit(subscriptions, body).id)
    found = confirm_as_shopper(subscriptions, made.id, NOW)
    assert (found.status, found.confirmed_at.ToDatetime(UTC)) == ("activating", NOW)


def test_staff_confirms_without_a_payment(subscriptions: Served, body: Any) -> None:
    made = solicit(subscriptions, body)
    confirm_as_shopper(subscriptions, made.id, NOW)
    found = confirm(subscriptions, made.id)
    assert (found.status, found.payment_status) == ("activating", "pending")
    assert pay(subscriptions, made.id).confirmed_at == found.confirmed_at


def test_an_unconfirmed_one_moves_forward_only(subscriptions: Served, body: Any) -> None:
    made = solicit(subscriptions, body)
    moved = []
    for to in ("in_progress", "sent", "in_progress", "waiting_for_payment", "sent"):
        with subscriptions.database.write() as tx:
            moved.append(move_forward(tx, made.id, Status(to)))
    assert moved == [True, False, False, True, False]
    assert get(subscriptions, made.id).status == "waiting_for_payment"
    confirm(subscriptions, made.id)
    with subscriptions.database.write() as tx:
        assert not move_forward(tx, made.id, Status.SENT)


def test_a_payment_changes_no_date_of_an_active_one(subscriptions: Served, body: Any) -> None:
    made = create_activated(subscriptions, body, NOW)
    with subscriptions.clock.at(NOW):
        before, paid = get(subscriptions, made.id), pay(subscriptions, made.id)
    before.payment_status = "paid"
    before.available_actions.change_item = True
    assert paid == before


def test_the_same_again_changes_nothing(subscriptions: Served, body: Any) -> None:
    made = pay(subscriptions, solicit(subscriptions, body).id)
    before = subscriptions.rows()
    assert pay(subscriptions, made.id) == made
    assert subscriptions.rows() == before


@pytest.mark.parametrize("status", ["cancelled", "finished"])
def test_an_ended_one_is_refused(subscriptions: Served, body: Any, status: str) -> None:
    made = solicit(subscriptions, body)
    set_status(subscriptions, made.id, status)
    request = RecordPaymentRequest(subscription_id=made.id, successful=True)
    failure = subscriptions.refusal(RPC, request, "staff", desk=True)
    assert (failure.code, failure.reason) == (StatusCode.FAILED_PRECONDITION, "WRONG_STATE")
    assert get(subscriptions, made.id).payment_status == "pending"


def test_staff_records_for_every_merchant_and_nobody_else_may(
    subscriptions: Served, body: Any
) -> None:
    made = solicit(subscriptions, body, "other", merchant=OTHER_STORE)
    request = RecordPaymentRequest(subscription_id=made.id, successful=True)
    assert subscriptions.refusal(RPC, request, "other", desk=True).reason == "FORBIDDEN"
    assert subscriptions.refusal(RPC, request, "", desk=True).reason == "UNAUTHENTICATED"
    assert pay(subscriptions, made.id).payment_status == "paid"


def test_an_id_of_nothing_is_not_found_and_how_it_went_is_required(
    subscriptions: Served, body: Any
) -> None:
    for wrong in (UNKNOWN, "", "7", "\0"):
        request = RecordPaymentRequest(subscription_id=wrong)
        failure = subscriptions.refusal(RPC, request, "staff", desk=True)
        assert failure.code is StatusCode.NOT_FOUND
    request = RecordPaymentRequest(subscription_id=solicit(subscriptions, body).id)
    failure = subscriptions.refusal(RPC, request, "staff", desk=True)
    assert (failure.reason, [fault.path for fault in failure.faults]) == (
        "MALFORMED",
        ["successful"],
    )


def test_payments_and_confirmations_at_once_confirm_once(subscriptions: Served, body: Any) -> None:
    for _ in range(5):
        made = solicit(subscriptions, body)

        def work(turn: int, of: Subscription = made) -> None:
            if turn % 2:
                pay(subscriptions, of.id)
            else:
                confirm_as_shopper(subscriptions, of.id, NOW)

        with ThreadPoolExecutor(6) as pool:
            list(pool.map(work, range(6)))
        found = get(subscriptions, made.id)
        assert (found.status, found.payment_status) == ("activating", "paid")
