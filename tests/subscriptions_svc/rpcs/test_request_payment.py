"""RequestPayment: a page for a payment, once; the way of a page is in test_receive_callback."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from protos.subscriptions_pb2 import Payment, RequestPaymentRequest
from tests.serving import Served
from tests.stripe_stub import build_event, run_stub
from tests.subscriptions_svc.payments import (
    advance,
    call_provider,
    connect,
    list_payments,
    opened_monthly,
    send_callback,
    settle,
)
from tests.subscriptions_svc.shop import UNKNOWN, create_activated

RPC = "RequestPayment"
NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)


@pytest.fixture
def payment(subscriptions: Served, body: Any) -> Iterator[Payment]:
    """The payment of a second month."""
    later = NOW + timedelta(days=31)
    with opened_monthly(subscriptions), subscriptions.clock.at(later):
        made = create_activated(subscriptions, body, NOW)
        advance(subscriptions, later)
        yield list_payments(subscriptions, made.id)[1]


def ask(served: Served, payment: Payment) -> Payment:
    request = RequestPaymentRequest(payment_id=payment.id)
    answer: Payment = served.call(RPC, request, "staff", desk=True)
    return answer


def test_it_works(subscriptions: Served, payment: Payment) -> None:
    with run_stub() as stub:
        connect(subscriptions, stub)
        with ThreadPoolExecutor(4) as pool:
            list(pool.map(lambda _: ask(subscriptions, payment), range(8)))
        call_provider(subscriptions)
        (session,) = stub.sessions.values()
        assert ask(subscriptions, payment).page_url == session["url"]
        # One that nobody paid in time makes room for another.
        send_callback(subscriptions, build_event("checkout.session.expired", session))
        assert not ask(subscriptions, payment).HasField("page_url")
        call_provider(subscriptions)
        assert len(stub.sessions) == 2
        name = stub.calls[0].body.decode()
        assert "mes+2+de+tu+suscripci" in name


def test_without_a_provider_it_is_refused(subscriptions: Served, payment: Payment) -> None:
    request = RequestPaymentRequest(payment_id=payment.id)
    assert subscriptions.refusal(RPC, request, "staff", desk=True).reason == "WRONG_STATE"
    request = RequestPaymentRequest(payment_id=UNKNOWN)
    assert subscriptions.refusal(RPC, request, "staff", desk=True).reason == "NOT_FOUND"


def test_what_was_taken_needs_no_page(subscriptions: Served, payment: Payment) -> None:
    with run_stub() as stub:
        connect(subscriptions, stub)
        settle(subscriptions, payment)
        request = RequestPaymentRequest(payment_id=payment.id)
        assert subscriptions.refusal(RPC, request, "staff", desk=True).reason == "WRONG_STATE"
