"""RefundPayment, by hand and through the provider that took the money, on both engines."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import Any

import grpc
import pytest

from protos.subscriptions_pb2 import Payment, RefundPaymentRequest
from tests.chassis.events.receiver import hang
from tests.serving import Served, decode
from tests.stripe_stub import Stub, build_event, fail, run_stub
from tests.subscriptions_svc.payments import (
    call_provider,
    confirm_by_link,
    connect,
    ensure_sums,
    list_payments,
    opened_monthly,
    pay_page,
    read_ledger,
    refund,
    report_refund,
    send_callback,
    settle,
)
from tests.subscriptions_svc.shop import UNKNOWN, create_activated, get, solicit

RPC = "RefundPayment"
NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)


@pytest.fixture(autouse=True)
def monthly(subscriptions: Served) -> Iterator[None]:
    with opened_monthly(subscriptions), subscriptions.clock.at(NOW):
        yield
        ensure_sums(subscriptions)


@pytest.fixture
def stub(subscriptions: Served) -> Iterator[Stub]:
    with run_stub() as running:
        connect(subscriptions, running)
        yield running


def take(served: Served, body: Any) -> Payment:
    """A payment that was taken by hand."""
    made = create_activated(served, body, NOW)
    return settle(served, list_payments(served, made.id)[0])


def take_by_page(served: Served, body: Any, stub: Stub) -> Payment:
    """A payment that the provider took."""
    made = solicit(served, body)
    confirm_by_link(served, made)
    call_provider(served)
    send_callback(served, pay_page(stub, list_payments(served, made.id)[0]))
    return list_payments(served, made.id)[0]


def read(served: Served, payment: Payment) -> Payment:
    return list_payments(served, payment.subscription_id)[payment.month - 1]


def test_it_works(subscriptions: Served, body: Any) -> None:
    payment = take(subscriptions, body)
    part = refund(subscriptions, payment, amount=500, reference="bank 1")
    assert (part.state, part.taken, part.refunded) == ("taken", 2000, 500)
    whole = refund(subscriptions, payment)
    assert (whole.state, whole.refunded) == ("refunded", 2000)
    assert read_ledger(subscriptions, payment)[1:] == [
        ("refunded", 500, "by_hand", "bank 1"),
        ("refunded", 1500, "by_hand", None),
    ]
    assert get(subscriptions, payment.subscription_id).payment_status == "paid"


@pytest.mark.parametrize("amount", [0, -1, 2001, 10**12 + 1])
def test_more_or_less_than_was_taken_is_refused(
    subscriptions: Served, body: Any, amount: int
) -> None:
    payment = take(subscriptions, body)
    request = RefundPaymentRequest(payment_id=payment.id, amount=amount)
    failure = subscriptions.refusal(RPC, request, "staff", desk=True)
    assert [fault.path for fault in failure.faults] == ["amount"]


def test_what_was_not_taken_cannot_go_back(subscriptions: Served, body: Any) -> None:
    made = create_activated(subscriptions, body, NOW)
    (payment,) = list_payments(subscriptions, made.id)
    request = RefundPaymentRequest(payment_id=payment.id)
    assert subscriptions.refusal(RPC, request, "staff", desk=True).reason == "WRONG_STATE"
    request = RefundPaymentRequest(payment_id=UNKNOWN)
    assert subscriptions.refusal(RPC, request, "staff", desk=True).reason == "NOT_FOUND"


def test_many_at_once_give_back_no_more_than_was_taken(subscriptions: Served, body: Any) -> None:
    payment = take(subscriptions, body)

    def work(_: int) -> bool:
        try:
            refund(subscriptions, payment, amount=300)
        except grpc.RpcError:
            return False
        return True

    with ThreadPoolExecutor(6) as pool:
        done = list(pool.map(work, range(12)))
    assert (sum(done), read(subscriptions, payment).refunded) == (6, 1800)


def test_what_a_provider_took_goes_back_through_it(
    subscriptions: Served, body: Any, stub: Stub
) -> None:
    payment = take_by_page(subscriptions, body, stub)
    asked = refund(subscriptions, payment, amount=500)
    assert (asked.refunded, asked.refunding) == (0, 500)
    call_provider(subscriptions)
    done = read(subscriptions, payment)
    assert (done.state, done.refunded, done.refunding) == ("taken", 500, 0)
    (refunded,) = stub.refunds.values()
    assert (refunded["payment_intent"], refunded["amount"]) == ("pi_1", 500)
    # Reported again by a callback: in the books already.
    send_callback(subscriptions, report_refund(stub, "succeeded"))
    assert read(subscriptions, payment) == done


def test_a_refund_on_its_way_is_ended_by_its_callback(
    subscriptions: Served, body: Any, stub: Stub
) -> None:
    payment = take_by_page(subscriptions, body, stub)
    stub.refund_status = "pending"
    refund(subscriptions, payment)
    call_provider(subscriptions)
    assert read(subscriptions, payment).refunding == 2000
    request = RefundPaymentRequest(payment_id=payment.id)
    assert subscriptions.refusal(RPC, request, "staff", desk=True).reason == "WRONG_STATE"
    send_callback(subscriptions, report_refund(stub, "succeeded"))
    done = read(subscriptions, payment)
    assert (done.state, done.refunded, done.refunding) == ("refunded", 2000, 0)


def test_a_refund_that_the_provider_refuses_can_be_asked_for_again(
    subscriptions: Served, body: Any, stub: Stub
) -> None:
    payment = take_by_page(subscriptions, body, stub)
    stub.answers = [fail(400, "invalid_request_error", "No.")]
    refund(subscriptions, payment)
    call_provider(subscriptions)
    assert (read(subscriptions, payment).refunding, read(subscriptions, payment).refunded) == (0, 0)
    refund(subscriptions, payment)
    call_provider(subscriptions)
    assert read(subscriptions, payment).state == "refunded"


def test_a_refund_whose_answer_was_lost_is_made_once(
    subscriptions: Served, body: Any, stub: Stub
) -> None:
    payment = take_by_page(subscriptions, body, stub)
    stub.answers = [hang]
    refund(subscriptions, payment)
    call_provider(subscriptions, timeout=0.3)
    with subscriptions.clock.at(NOW + timedelta(minutes=5)):
        call_provider(subscriptions)
    keys = [call.headers["idempotency-key"] for call in stub.calls[-2:]]
    assert keys[0] == keys[1]
    assert read(subscriptions, payment).refunded == 2000


def test_a_callback_about_the_other_kind_of_charge_changes_nothing(
    subscriptions: Served, body: Any, stub: Stub
) -> None:
    payment = take_by_page(subscriptions, body, stub)
    refund(subscriptions, payment, amount=500)
    stub.refund_status = "pending"
    call_provider(subscriptions)
    (session,), (refunded,) = stub.sessions.values(), stub.refunds.values()
    before = subscriptions.rows()
    page = {**session, "client_reference_id": refunded["metadata"]["charge_id"]}
    page |= {"amount_total": 500, "payment_status": "paid"}
    other = {**refunded, "amount": 2000, "status": "succeeded"}
    other["metadata"] = {"charge_id": session["client_reference_id"]}
    for type_, about in (("checkout.session.completed", page), ("refund.updated", other)):
        with pytest.raises(grpc.RpcError) as failed:
            send_callback(subscriptions, build_event(type_, about))
        assert decode(failed.value).message == "The callback is about another kind of charge."
    assert subscriptions.rows() == before
