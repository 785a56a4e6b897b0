"""RefundPayment, and payments that go back by themselves, on both engines."""

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest
from grpc import StatusCode

from protos import sessions_pb2 as pb
from sessions_svc.rules.acuity import WARNING_SIGNS
from tests.serving import Served
from tests.sessions_svc.desk import Call, build_request, call_at_once, configure, expect_refusal
from tests.sessions_svc.payments import PRICES, SECRET, Shop
from tests.stripe_stub import Stub, fail, run_stub, sign

NOON = datetime(2026, 6, 15, 12, 0, 0, tzinfo=UTC)


@pytest.fixture
def stub() -> Iterator[Stub]:
    """The stand-in for a provider."""
    with run_stub() as running:
        yield running


def pay_by_provider(sessions: Served, unique: str, stub: Stub) -> Shop:
    """Bring a session to its review, paid on the provider's page."""
    shop = Shop(sessions, unique, stub)
    shop.create("s", "glasses")
    token = shop.enter()
    shop.move("SubmitExam", status="awaiting_checkout")
    shop.ask(token)
    shop.call_provider()
    paid = stub.pay(shop.list_charges()[0].id)
    shop.receive(paid, sign(paid, SECRET))
    assert shop.get().status == "awaiting_review"
    return shop


def list_refunds(shop: Shop) -> list[tuple[str, str, int, str]]:
    """Return what goes back, as staff see it."""
    refunds = shop.move("GetSessionRecord").refunds
    return [(each.by, each.state, each.amount, each.currency) for each in refunds]


def refuse(shop: Shop, **fields: Any) -> str:
    """Return why a refund is refused; it changes nothing."""
    before = shop.served.rows()
    failure = expect_refusal(shop.served, "RefundPayment", "s", partner=shop.name, **fields)
    assert failure.code is StatusCode.FAILED_PRECONDITION
    assert shop.served.rows() == before
    return failure.message


def test_what_a_provider_took_goes_back_when_referred(
    sessions: Served, unique: str, stub: Stub
) -> None:
    shop = pay_by_provider(sessions, unique, stub)
    assert shop.move("Refer").status == "referred"
    assert list_refunds(shop) == [("stripe", "asked", 3500, "USD")]
    assert not shop.get().HasField("refunded_at")
    assert refuse(shop) == "The payment is on its way back."
    shop.call_provider()
    assert list_refunds(shop) == [("stripe", "refunded", 3500, "USD")]
    assert refuse(shop, reference="till 4711") == "The payment was returned."
    assert len(stub.refunds) == 1
    assert shop.get().HasField("refunded_at")


def test_what_staff_took_is_noted_for_staff(sessions: Served, unique: str) -> None:
    shop = Shop(sessions, unique)
    shop.create("s", "glasses")
    shop.move("RecordPayment")
    shop.move("StartExam")
    shop.move("SubmitExam", status="referred")
    assert list_refunds(shop) == [("staff", "open", 3500, "USD")]
    with sessions.clock.at(NOON):
        record = shop.move("RefundPayment", reference="till 4711")
    (refund,) = record.refunds
    assert (refund.state, refund.reference) == ("refunded", "till 4711")
    assert shop.get().refunded_at.ToDatetime(UTC) == NOON
    assert refuse(shop) == "The payment was returned."


def test_a_cancelled_session_returns_its_payment(sessions: Served, unique: str) -> None:
    shop = Shop(sessions, unique)
    shop.create("s", "glasses")
    shop.move("RecordPayment")
    shop.call("CancelSession", pb.CancelSessionRequest(user_key="s", session_key="s"))
    assert list_refunds(shop) == [("staff", "open", 3500, "USD")]


def test_a_warning_sign_returns_what_was_paid(sessions: Served, unique: str) -> None:
    shop = Shop(sessions, unique)
    shop.create("s", "acuity-service")
    shop.move("RecordPayment")
    shop.move("StartExam")
    signs = {**dict.fromkeys(WARNING_SIGNS, False), "curtain": True}
    answer = shop.move("CompleteAcuity", visual_acuity=None, eye_health=signs)
    assert answer.status == "referred"
    assert list_refunds(shop) == [("staff", "open", 1500, "USD")]


def test_what_releases_a_result_is_kept(sessions: Served, unique: str, stub: Stub) -> None:
    shop = pay_by_provider(sessions, unique, stub)
    shop.move("RequestRetake")
    shop.move("StartExam")
    shop.move("SubmitExam", status="awaiting_review")
    assert list_refunds(shop) == []


def test_staff_may_return_a_payment_at_any_time(sessions: Served, unique: str, stub: Stub) -> None:
    shop = pay_by_provider(sessions, unique, stub)
    shop.move("RefundPayment")
    shop.call_provider()
    assert shop.move("Refer").status == "referred"
    assert list_refunds(shop) == [("stripe", "refunded", 3500, "USD")]


def test_what_the_provider_refuses_can_be_handed_back(
    sessions: Served, unique: str, stub: Stub
) -> None:
    shop = pay_by_provider(sessions, unique, stub)
    shop.move("Refer")
    stub.answers.append(fail(400, "invalid_request_error", "no"))
    shop.call_provider()
    assert list_refunds(shop) == [("stripe", "failed", 3500, "USD")]
    shop.move("RefundPayment", reference="transfer")
    assert [each[:2] for each in list_refunds(shop)] == [
        ("stripe", "failed"),
        ("staff", "refunded"),
    ]


def test_without_the_account_that_took_it_staff_returns_it(
    sessions: Served, unique: str, stub: Stub
) -> None:
    shop = pay_by_provider(sessions, unique, stub)
    configure(sessions, unique, prices=PRICES)
    shop.move("Refer")
    assert list_refunds(shop) == [("staff", "open", 3500, "USD")]


def test_nothing_paid_is_nothing_returned(sessions: Served, unique: str) -> None:
    shop = Shop(sessions, unique)
    shop.create("s", "glasses")
    assert refuse(shop) == "Nothing was paid for the session."
    shop.move("StartExam")
    shop.move("SubmitExam", status="referred")
    assert list_refunds(shop) == []


def test_concurrent_refunds_return_a_payment_once(
    sessions: Served, unique: str, stub: Stub
) -> None:
    shop = pay_by_provider(sessions, unique, stub)
    call: Call = (
        "RefundPayment",
        build_request("RefundPayment", "s", partner=unique),
        "staff",
        True,
    )
    refer: Call = ("Refer", build_request("Refer", "s", partner=unique), "staff", True)
    call_at_once(sessions, [call, refer] * 4)
    shop.call_provider()
    assert list_refunds(shop) == [("stripe", "refunded", 3500, "USD")]
