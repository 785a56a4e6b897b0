"""CreateCheckout: the provider's page, and what the exam shows of it, on both engines."""

from collections.abc import Iterator
from urllib.parse import parse_qsl

import pytest
from grpc import StatusCode

from tests.serving import Served
from tests.sessions_svc.links import RESULTS, call_door, expect_refusal_at_door
from tests.sessions_svc.payments import EXAM, Shop
from tests.stripe_stub import Stub, fail, run_stub


@pytest.fixture
def stub() -> Iterator[Stub]:
    """The stand-in for a provider."""
    with run_stub() as running:
        yield running


def test_it_works(sessions: Served, unique: str, stub: Stub) -> None:
    shop = Shop(sessions, unique, stub, link_host="eyes.partner.example")
    shop.create("s", "acuity-service")
    token = shop.enter()
    call_door(sessions, "CompleteExam", exam_token=token, visual_acuity=RESULTS)
    assert call_door(sessions, "GetExam", exam_token=token).payment == "page"
    assert [shop.ask(token).payment for _ in range(2)] == ["preparing"] * 2
    shop.call_provider()
    exam = call_door(sessions, "GetExam", exam_token=token)
    assert exam.payment == "open"
    assert exam.payment_url == "https://checkout.stripe.com/c/pay/cs_test_1"
    assert shop.ask(token) == exam
    (call,) = stub.calls
    form = dict(parse_qsl(call.body.decode()))
    back = f"http://eyes.partner.example/exam/{EXAM}"
    assert (form["success_url"], form["cancel_url"]) == (back, back)
    assert form["line_items[0][price_data][unit_amount]"] == "1500"
    assert len(shop.list_charges()) == 1


def test_after_a_refusal_one_may_ask_again(sessions: Served, unique: str, stub: Stub) -> None:
    shop = Shop(sessions, unique, stub)
    shop.create("s", "acuity-service")
    token = shop.enter()
    call_door(sessions, "CompleteExam", exam_token=token, visual_acuity=RESULTS)
    stub.answers.append(fail(400, "invalid_request_error", "no"))
    shop.ask(token)
    shop.call_provider()
    assert call_door(sessions, "GetExam", exam_token=token).payment == "page"
    shop.ask(token)
    shop.call_provider()
    assert call_door(sessions, "GetExam", exam_token=token).payment == "open"
    assert [each.state for each in shop.list_charges()] in (["failed", "open"], ["open", "failed"])


def test_nothing_is_asked_where_nothing_is_due(sessions: Served, unique: str, stub: Stub) -> None:
    shop = Shop(sessions, unique, stub)
    shop.create("s", "acuity-service")
    token = shop.enter()
    assert shop.ask(token).next == "acuity"  # the exam is not done
    call_door(sessions, "CompleteExam", exam_token=token, visual_acuity=RESULTS)
    shop.move("RecordPayment")
    assert shop.ask(token).next == "return"
    by_hand = Shop(sessions, f"h-{unique}")
    by_hand.create("s", "acuity-service")
    token = by_hand.enter()
    call_door(sessions, "CompleteExam", exam_token=token, visual_acuity=RESULTS)
    assert by_hand.ask(token).payment == "by_hand"
    assert shop.list_charges() == by_hand.list_charges() == []


@pytest.mark.parametrize("exam", ["", "x", "0" * 17, "../../etc/passwd", "0123456789ABCDEF"])
def test_another_page_is_refused(sessions: Served, exam: str) -> None:
    failure = expect_refusal_at_door(sessions, "CreateCheckout", exam_token="x", exam=exam)
    assert (failure.code, failure.faults[0].path) == (StatusCode.INVALID_ARGUMENT, "exam")


@pytest.mark.parametrize("token", ["", "x", "é\0"])
def test_a_wrong_token_is_unknown(sessions: Served, token: str) -> None:
    failure = expect_refusal_at_door(sessions, "CreateCheckout", exam_token=token, exam=EXAM)
    assert failure.code in (StatusCode.NOT_FOUND, StatusCode.INVALID_ARGUMENT)
