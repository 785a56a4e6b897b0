"""A provider's page from the shopper's confirmation to the callback, on both engines."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import Any

import grpc
import pytest

from protos.subscriptions_pb2 import RequestPaymentRequest
from tests.chassis.events.receiver import hang
from tests.serving import Served, decode
from tests.stripe_stub import Stub, answer_json, build_event, run_stub, sign
from tests.subscriptions_svc.payments import (
    MERCHANT,
    SECRET,
    call_provider,
    confirm_by_link,
    connect,
    ensure_sums,
    list_payments,
    open_cart,
    opened_monthly,
    pay_page,
    read_ledger,
    send_callback,
    settle,
)
from tests.subscriptions_svc.shop import get, solicit

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)


@pytest.fixture
def stub(subscriptions: Served) -> Iterator[Stub]:
    with run_stub() as running, opened_monthly(subscriptions), subscriptions.clock.at(NOW):
        connect(subscriptions, running)
        yield running
        ensure_sums(subscriptions)


def refuse(served: Served, body: bytes, **options: Any) -> tuple[str, str]:
    """The reason and the message of a callback that is refused."""
    try:
        send_callback(served, body, **options)
    except grpc.RpcError as error:
        failure = decode(error)
        return failure.reason, failure.message
    raise AssertionError("not refused")


def test_it_works(subscriptions: Served, body: Any, stub: Stub) -> None:
    made = solicit(subscriptions, body)
    assert not confirm_by_link(subscriptions, made).HasField("payment_url")
    assert stub.calls == []  # never in an RPC's thread
    call_provider(subscriptions)
    cart = open_cart(subscriptions, made)
    (payment,) = list_payments(subscriptions, made.id)
    assert cart.payment_url == payment.page_url != ""
    (session,) = stub.sessions.values()
    assert (session["amount_total"], session["currency"]) == (2000, "eur")
    callback = pay_page(stub, payment)
    assert send_callback(subscriptions, callback).received
    (payment,) = list_payments(subscriptions, made.id)
    assert (payment.state, payment.taken, payment.page_url) == ("taken", 2000, "")
    charge_id = session["client_reference_id"]
    assert read_ledger(subscriptions, payment) == [("taken", 2000, "stripe", charge_id)]
    found = get(subscriptions, made.id)
    assert (found.status, found.payment_status) == ("activating", "paid")
    assert not open_cart(subscriptions, made).HasField("payment_url")


def test_a_doubled_callback_is_recorded_once(subscriptions: Served, body: Any, stub: Stub) -> None:
    made = solicit(subscriptions, body)
    confirm_by_link(subscriptions, made)
    call_provider(subscriptions)
    callback = pay_page(stub, list_payments(subscriptions, made.id)[0])
    with ThreadPoolExecutor(6) as pool:
        answers = list(pool.map(lambda _: send_callback(subscriptions, callback), range(12)))
    assert all(each.received for each in answers)
    (payment,) = list_payments(subscriptions, made.id)
    assert (payment.taken, len(read_ledger(subscriptions, payment))) == (2000, 1)


def test_a_callback_of_another_merchant_is_refused_and_changes_nothing(
    subscriptions: Served, body: Any, stub: Stub
) -> None:
    other = "whsec_of_otra_tienda"
    with opened_monthly(subscriptions, "otra_tienda"):
        connect(subscriptions, stub, "otra_tienda", other)
        made = solicit(subscriptions, body)
        confirm_by_link(subscriptions, made)
        call_provider(subscriptions)
        callback = pay_page(stub, list_payments(subscriptions, made.id)[0])
        before = subscriptions.rows()
        mismatch = ("MALFORMED", "The signature does not match.")
        assert refuse(subscriptions, callback, secret=other) == mismatch
        # As their own it names no charge of theirs: acknowledged, and nothing more.
        assert send_callback(subscriptions, callback, merchant_id="otra_tienda", secret=other)
        assert subscriptions.rows() == before


@pytest.mark.parametrize(
    ("merchant_id", "signature"),
    [
        ("nobody", None),
        ("", None),
        ("\0", None),
        (MERCHANT, ""),
        (MERCHANT, "t=1,v1=a"),
        (MERCHANT, "v1=" + "é" * 10),
        (MERCHANT, sign(b"{}", SECRET, NOW.timestamp() - 301)),
    ],
    ids=map(str, range(7)),
)
def test_what_is_not_signed_is_refused(
    subscriptions: Served, stub: Stub, merchant_id: str, signature: str | None
) -> None:
    before = subscriptions.rows()
    reason, _ = refuse(subscriptions, b"{}", merchant_id=merchant_id, signature=signature)
    assert reason == "MALFORMED"
    assert subscriptions.rows() == before


@pytest.mark.parametrize("garbage", [b"", b"[]", b"\xff\0", b"{}", b"x" * 300_000])
def test_signed_garbage_is_refused(subscriptions: Served, stub: Stub, garbage: bytes) -> None:
    assert refuse(subscriptions, garbage)[0] == "MALFORMED"


def test_what_is_about_nothing_of_ours_is_acknowledged(subscriptions: Served, stub: Stub) -> None:
    for type_, about in (
        ("customer.created", {"id": "cus_1"}),
        ("checkout.session.completed", {"id": "cs_1", "client_reference_id": "unknown\0"}),
    ):
        assert send_callback(subscriptions, build_event(type_, about)).received


def test_a_delayed_payment_that_fails_is_asked_for_again(
    subscriptions: Served, body: Any, stub: Stub
) -> None:
    made = solicit(subscriptions, body)
    confirm_by_link(subscriptions, made)
    call_provider(subscriptions)
    (session,) = list(stub.sessions.values())
    for type_ in ("checkout.session.completed", "checkout.session.async_payment_failed"):
        send_callback(subscriptions, build_event(type_, session))
    (payment,) = list_payments(subscriptions, made.id)
    assert (payment.state, payment.page_url) == ("failed", "")
    assert get(subscriptions, made.id).status == "waiting_for_payment"
    request = RequestPaymentRequest(payment_id=payment.id)
    subscriptions.call("RequestPayment", request, "staff", desk=True)
    call_provider(subscriptions)
    (payment,) = list_payments(subscriptions, made.id)
    send_callback(subscriptions, pay_page(stub, payment))
    found = get(subscriptions, made.id)
    assert (found.status, found.payment_status) == ("activating", "paid")


@pytest.mark.parametrize("fault", ["hangs", "garbage"])
def test_a_provider_that_fails_holds_nobody_up(
    subscriptions: Served, body: Any, stub: Stub, fault: str
) -> None:
    stub.answers = [hang if fault == "hangs" else answer_json(200, b"<html>")]
    made = solicit(subscriptions, body)
    confirm_by_link(subscriptions, made)
    call_provider(subscriptions, timeout=0.3)
    assert get(subscriptions, made.id).status == "waiting_for_payment"
    assert not open_cart(subscriptions, made).HasField("payment_url")
    with subscriptions.clock.at(NOW + timedelta(minutes=1)):
        call_provider(subscriptions)
    assert open_cart(subscriptions, made).payment_url


def test_paid_in_cash_and_on_the_page_both_are_in_the_books(
    subscriptions: Served, body: Any, stub: Stub
) -> None:
    made = solicit(subscriptions, body)
    confirm_by_link(subscriptions, made)
    call_provider(subscriptions)
    (payment,) = list_payments(subscriptions, made.id)
    settle(subscriptions, payment)
    send_callback(subscriptions, pay_page(stub, payment))
    (payment,) = list_payments(subscriptions, made.id)
    assert (payment.state, payment.amount, payment.taken) == ("taken", 2000, 4000)


def test_staff_and_callbacks_at_once_agree(subscriptions: Served, body: Any, stub: Stub) -> None:
    made = solicit(subscriptions, body)
    confirm_by_link(subscriptions, made)
    call_provider(subscriptions)
    (payment,) = list_payments(subscriptions, made.id)
    callback = pay_page(stub, payment)

    def work(turn: int) -> None:
        if turn % 2:
            send_callback(subscriptions, callback)
        else:
            settle(subscriptions, payment)

    with ThreadPoolExecutor(6) as pool:
        list(pool.map(work, range(12)))
    kinds = sorted(entry[2] for entry in read_ledger(subscriptions, payment))
    assert kinds in (["stripe"], ["by_hand", "stripe"])
