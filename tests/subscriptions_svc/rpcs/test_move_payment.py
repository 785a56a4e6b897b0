"""MovePayment, on both engines; its event is in the documents' tests."""

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any
from urllib.parse import parse_qsl

import pytest

from protos.subscriptions_pb2 import MovePaymentRequest, Payment
from subscriptions_svc.documents.events import EVENT_TYPES
from subscriptions_svc.store.tables import outbox
from tests.serving import Served
from tests.subscriptions_svc.payments import MERCHANT, list_payments, opened_monthly, settle
from tests.subscriptions_svc.shop import UNKNOWN, create_activated

RPC = "MovePayment"
NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)


@pytest.fixture
def payment(subscriptions: Served, body: Any) -> Iterator[Payment]:
    with opened_monthly(subscriptions), subscriptions.clock.at(NOW):
        made = create_activated(subscriptions, body, NOW)
        yield list_payments(subscriptions, made.id)[0]


@pytest.fixture
def events(subscriptions: Served) -> Iterator[Any]:
    """Reads what is sent about a subscription, to an endpoint that nobody calls."""
    from chassis.events.endpoints import EndpointSchema

    endpoint = EndpointSchema(EVENT_TYPES).load({"url": "http://127.0.0.1:9/"})
    with subscriptions.database.write() as tx:
        outbox.endpoints.put(tx, MERCHANT, endpoint, NOW)

    def read(subscription_id: str) -> list[dict[str, str]]:
        with subscriptions.database.read() as tx:
            rows = outbox.find(tx, 100, stream=subscription_id)
        return [dict(parse_qsl(row.body)) for row in rows]

    yield read
    with subscriptions.database.write() as tx:
        outbox.endpoints.put(tx, MERCHANT, None, NOW)


def test_it_works(subscriptions: Served, payment: Payment, events: Any) -> None:
    request = MovePaymentRequest(payment_id=payment.id, due_on="2026-03-15")
    for _ in range(2):
        moved = subscriptions.call(RPC, request, "staff", desk=True)
        assert (moved.due_on, moved.state) == ("2026-03-15", "due")
    (event,) = events(payment.subscription_id)
    assert event["event"] == "subscriptions/instalment_date_changed"
    assert (event["month"], event["due_on"]) == ("1", "2026-03-15")


@pytest.mark.parametrize("due_on", ["", "2026-02-28", "2026-02-30", "tomorrow", "0000-00-00"])
def test_other_days_are_refused(subscriptions: Served, payment: Payment, due_on: str) -> None:
    request = MovePaymentRequest(payment_id=payment.id, due_on=due_on)
    failure = subscriptions.refusal(RPC, request, "staff", desk=True)
    assert [fault.path for fault in failure.faults] == ["due_on"]


def test_what_was_taken_is_not_moved(subscriptions: Served, payment: Payment) -> None:
    settle(subscriptions, payment)
    request = MovePaymentRequest(payment_id=payment.id, due_on="2026-03-15")
    assert subscriptions.refusal(RPC, request, "staff", desk=True).reason == "WRONG_STATE"
    request = MovePaymentRequest(payment_id=UNKNOWN, due_on="2026-03-15")
    assert subscriptions.refusal(RPC, request, "staff", desk=True).reason == "NOT_FOUND"


def test_a_debt_and_its_end_are_reported(
    subscriptions: Served, payment: Payment, events: Any
) -> None:
    settle(subscriptions, payment, successful=False)
    settle(subscriptions, payment)
    names = [each["event"] for each in reversed(events(payment.subscription_id))]
    assert names == [
        "subscriptions/payment_status_changed",
        "order/account_in_debt",
        "subscriptions/payment_status_changed",
        "order/account_up_to_date",
    ]
