"""Payments of months: opened as time passes, and settled by staff, on both engines."""

import json
import uuid
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from grpc import StatusCode

from protos.subscriptions_pb2 import ListPaymentsRequest, SettlePaymentRequest
from tests.serving import Served
from tests.subscriptions_svc.payments import (
    advance,
    confirm_by_link,
    ensure_sums,
    list_payments,
    opened_monthly,
    read_ledger,
    settle,
)
from tests.subscriptions_svc.shop import (
    UNKNOWN,
    confirm,
    create_activated,
    get,
    pay,
    solicit,
)

RPC = "SettlePayment"
NOON = datetime(2026, 1, 31, 12, tzinfo=UTC)
DAY = timedelta(days=1)


@pytest.fixture(autouse=True)
def monthly(subscriptions: Served) -> Iterator[None]:
    with opened_monthly(subscriptions):
        yield
        ensure_sums(subscriptions)


def test_what_costs_nothing_waits_for_no_payment(subscriptions: Served, body: Any) -> None:
    whole = [{"discount_type": "percentage", "discount_rate": 10000}]
    made = solicit(subscriptions, body, discounts=json.dumps(whole))
    assert confirm_by_link(subscriptions, made).state == "confirmed"
    found = get(subscriptions, made.id)
    assert (found.status, found.payment_status) == ("activating", "pending")
    assert list_payments(subscriptions, made.id) == []


def list_days(served: Served, subscription_id: str) -> list[tuple[int, str]]:
    return [(each.month, each.due_on) for each in list_payments(served, subscription_id)]


def test_payments_are_listed_by_person(subscriptions: Served, body: Any) -> None:
    ref = str(uuid.uuid4())
    made = solicit(subscriptions, body, person_ref=ref)
    with subscriptions.clock.at(NOON):
        confirm_by_link(subscriptions, made)
    (payment,) = list_payments(subscriptions, "", person_ref=ref)
    assert payment.subscription_id == made.id
    assert list_payments(subscriptions, made.id, person_ref="nobody") == []
    assert list_payments(subscriptions, "", person_ref=ref, state="taken") == []
    for wrong in (" ", "x" * 65, "a\0"):
        request = ListPaymentsRequest(person_ref=wrong)
        failure = subscriptions.refusal("ListPayments", request, "staff", desk=True)
        assert failure.code is StatusCode.INVALID_ARGUMENT
        assert {fault.path for fault in failure.faults} == {"person_ref"}


def test_it_works(subscriptions: Served, body: Any) -> None:
    made = solicit(subscriptions, body)
    with subscriptions.clock.at(NOON):
        assert confirm_by_link(subscriptions, made).state == "waiting_for_payment"
        (payment,) = list_payments(subscriptions, made.id)
        assert (payment.month, payment.due_on, payment.state) == (1, "2026-01-31", "due")
        assert (payment.amount, payment.currency) == (2000, "EUR")
        taken = settle(subscriptions, payment, reference="cash 7")
        assert (taken.state, taken.taken) == ("taken", 2000)
        assert settle(subscriptions, payment, reference="cash 7") == taken
    assert read_ledger(subscriptions, payment) == [("taken", 2000, "by_hand", "cash 7")]
    found = get(subscriptions, made.id)
    assert (found.status, found.payment_status) == ("activating", "paid")


def test_months_are_opened_as_they_begin(subscriptions: Served, body: Any) -> None:
    made = create_activated(subscriptions, body, NOON)
    assert list_days(subscriptions, made.id) == [(1, "2026-01-31")]
    advance(subscriptions, NOON + 27 * DAY)
    assert len(list_days(subscriptions, made.id)) == 1
    # In a short month, and after a stop of months: each has its own day.
    advance(subscriptions, NOON + 28 * DAY)
    advance(subscriptions, datetime(2026, 5, 1, tzinfo=UTC))
    expected = [(1, "2026-01-31"), (2, "2026-02-28"), (3, "2026-03-31"), (4, "2026-04-30")]
    assert list_days(subscriptions, made.id) == expected
    advance(subscriptions, datetime(2026, 5, 1, tzinfo=UTC))
    assert list_days(subscriptions, made.id) == expected
    # Two years have 24, and none is opened after the end.
    for month in range(5, 26):
        advance(subscriptions, datetime(2026, 1, 31, 12, tzinfo=UTC) + timedelta(days=31 * month))
    assert [month for month, _ in list_days(subscriptions, made.id)] == list(range(1, 25))


def test_months_that_a_stop_has_missed_are_opened_before_the_end(
    subscriptions: Served, body: Any
) -> None:
    made = create_activated(subscriptions, body, NOON)
    advance(subscriptions, NOON + 28 * DAY)
    advance(subscriptions, NOON + 900 * DAY)
    assert get(subscriptions, made.id).status == "finished"
    months = list_days(subscriptions, made.id)
    assert [month for month, _ in months] == list(range(1, 25))
    assert months[-1] == (24, "2027-12-31")


def test_what_ended_before_payments_were_asked_for_owes_nothing(
    subscriptions: Served, body: Any
) -> None:
    store = {"id": "otra_tienda", "store_ref": "otra_tienda"}
    with subscriptions.clock.at(NOON):
        made = solicit(subscriptions, body, "other", merchant=store)
        confirm_by_link(subscriptions, made)
        pay(subscriptions, made.id)
    advance(subscriptions, NOON + 60 * DAY)
    with opened_monthly(subscriptions, "otra_tienda"):
        advance(subscriptions, NOON + 900 * DAY)
    assert get(subscriptions, made.id, "other").status == "finished"
    assert list_payments(subscriptions, made.id) == []


def test_many_clocks_open_each_month_once(subscriptions: Served, body: Any) -> None:
    made = [create_activated(subscriptions, body, NOON) for _ in range(3)]
    with ThreadPoolExecutor(4) as pool:
        moments = [NOON + timedelta(days=31 * n) for n in (3, 3, 3, 3)]
        list(pool.map(lambda moment: advance(subscriptions, moment), moments))
    for each in made:
        assert [month for month, _ in list_days(subscriptions, each.id)] == [1, 2, 3, 4]


def test_a_merchant_that_does_not_ask_for_payments_has_none(
    subscriptions: Served, body: Any
) -> None:
    store = {"id": "otra_tienda", "store_ref": "otra_tienda"}
    made = solicit(subscriptions, body, "other", merchant=store)
    confirm_by_link(subscriptions, made)
    assert pay(subscriptions, made.id).payment_status == "paid"
    advance(subscriptions, NOON + 800 * DAY)
    assert list_payments(subscriptions, made.id) == []


def test_the_payment_status_follows(subscriptions: Served, body: Any) -> None:
    made = create_activated(subscriptions, body, NOON)
    advance(subscriptions, NOON + 40 * DAY)
    first, second = list_payments(subscriptions, made.id)
    statuses = []
    for payment, successful in ((first, True), (second, False), (second, True)):
        settle(subscriptions, payment, successful=successful)
        statuses.append(get(subscriptions, made.id).payment_status)
    assert statuses == ["paid", "failed", "paid"]
    assert [entry[0] for entry in read_ledger(subscriptions, second)] == ["failed", "taken"]


def test_record_payment_takes_and_fails_what_is_due(subscriptions: Served, body: Any) -> None:
    with subscriptions.clock.at(NOON + 70 * DAY):
        made = create_activated(subscriptions, body, NOON)
        advance(subscriptions, NOON + 70 * DAY)
        pay(subscriptions, made.id, successful=False)
        pay(subscriptions, made.id, successful=False)
        states = [each.state for each in list_payments(subscriptions, made.id)]
        assert states == ["failed", "due", "due"]
        pay(subscriptions, made.id)
        paid = list_payments(subscriptions, made.id)
        assert [each.state for each in paid] == ["taken"] * 3
        before = subscriptions.rows()
        assert pay(subscriptions, made.id).payment_status == "paid"
        assert subscriptions.rows() == before


def test_staff_confirms_and_the_first_month_begins_with_the_activation(
    subscriptions: Served, body: Any
) -> None:
    made = solicit(subscriptions, body)
    confirm(subscriptions, made.id)
    assert list_payments(subscriptions, made.id) == []


def test_what_was_taken_cannot_fail(subscriptions: Served, body: Any) -> None:
    made = create_activated(subscriptions, body, NOON)
    (payment,) = list_payments(subscriptions, made.id)
    settle(subscriptions, payment)
    request = SettlePaymentRequest(payment_id=payment.id, successful=False)
    failure = subscriptions.refusal(RPC, request, "staff", desk=True)
    assert (failure.code, failure.reason) == (StatusCode.FAILED_PRECONDITION, "WRONG_STATE")


def test_a_reference_names_one_entry(subscriptions: Served, body: Any, unique: str) -> None:
    made = [create_activated(subscriptions, body, NOON) for _ in range(2)]
    one, other = (list_payments(subscriptions, each.id)[0] for each in made)
    settle(subscriptions, one, reference=unique)
    before = subscriptions.rows()
    request = SettlePaymentRequest(payment_id=other.id, successful=True, reference=unique)
    failure = subscriptions.refusal(RPC, request, "staff", desk=True)
    assert failure.reason == "ALREADY_EXISTS"
    assert subscriptions.rows() == before


def test_two_at_once_take_it_once(subscriptions: Served, body: Any) -> None:
    made = create_activated(subscriptions, body, NOON)
    (payment,) = list_payments(subscriptions, made.id)
    with ThreadPoolExecutor(6) as pool:
        found = list(pool.map(lambda _: settle(subscriptions, payment), range(12)))
    assert {(each.state, each.taken) for each in found} == {("taken", 2000)}
    assert len(read_ledger(subscriptions, payment)) == 1


@pytest.mark.parametrize("id_", [UNKNOWN, "", "7", "x" * 3000], ids=["none", "empty", "7", "long"])
def test_an_id_of_nothing_is_not_found(subscriptions: Served, id_: str) -> None:
    request = SettlePaymentRequest(payment_id=id_, successful=True)
    assert subscriptions.refusal(RPC, request, "staff", desk=True).reason == "NOT_FOUND"


def test_bad_requests_name_their_faults(subscriptions: Served, body: Any) -> None:
    made = create_activated(subscriptions, body, NOON)
    (payment,) = list_payments(subscriptions, made.id)
    request = SettlePaymentRequest(payment_id=payment.id, reference="x" * 256)
    failure = subscriptions.refusal(RPC, request, "staff", desk=True)
    assert {fault.path for fault in failure.faults} == {"successful", "reference"}
    request = SettlePaymentRequest(payment_id=payment.id, successful=True, reference="a\nb")
    failure = subscriptions.refusal(RPC, request, "staff", desk=True)
    assert [fault.path for fault in failure.faults] == ["reference"]


@pytest.mark.parametrize("who", ["client", "other", ""])
def test_only_staff_may(subscriptions: Served, body: Any, who: str) -> None:
    made = create_activated(subscriptions, body, NOON)
    (payment,) = list_payments(subscriptions, made.id)
    request = SettlePaymentRequest(payment_id=payment.id, successful=True)
    reason = subscriptions.refusal(RPC, request, who, desk=True).reason
    assert reason == ("FORBIDDEN" if who else "UNAUTHENTICATED")


def test_payments_are_listed_by_state_and_page(subscriptions: Served, body: Any) -> None:
    made = create_activated(subscriptions, body, NOON)
    advance(subscriptions, NOON + 100 * DAY)
    settle(subscriptions, list_payments(subscriptions, made.id)[0])
    due = list_payments(subscriptions, made.id, state="due", per_page=2)
    assert [each.month for each in due] == [2, 3]
    rest = list_payments(subscriptions, made.id, state="due", per_page=2, page=2)
    assert [each.month for each in rest] == [4]
    failure = subscriptions.refusal(
        "ListPayments", ListPaymentsRequest(state="lost", per_page=101), "staff", desk=True
    )
    assert {fault.path for fault in failure.faults} == {"state", "per_page"}
