"""RecordPayment, and what a price holds back until it is paid, on both engines."""

from datetime import UTC, datetime
from typing import Any

import pytest
from grpc import StatusCode

from sessions_svc.rules.acuity import WARNING_SIGNS
from tests.serving import Served
from tests.sessions_svc.bodies import to_dict
from tests.sessions_svc.desk import Call, build_request, call_at_once, configure, expect_refusal
from tests.sessions_svc.links import RESULTS, call_door
from tests.sessions_svc.payments import PRICES, Shop

NOON = datetime(2026, 6, 15, 12, 0, 0, tzinfo=UTC)
ACUITY = "acuity-service"


def refuse(shop: Shop, rpc: str, **fields: Any) -> tuple[StatusCode, str]:
    """Return status and reason of a call of the desk that is refused and changes nothing."""
    failure = expect_refusal(shop.served, rpc, "s", partner=shop.name, **fields)
    return failure.code, failure.reason


DUE = (StatusCode.FAILED_PRECONDITION, "PAYMENT_DUE")
WRONG = (StatusCode.FAILED_PRECONDITION, "WRONG_STATE")


def test_it_works(sessions: Served, unique: str) -> None:
    shop = Shop(sessions, unique)
    shop.create("s", "glasses", "contacts")
    assert not shop.get().HasField("price")
    shop.move("StartExam")
    for fields in (
        {"status": "awaiting_review"},
        {"status": "awaiting_confirmation", "missing_requirements": ["glasses_prior"]},
    ):
        assert refuse(shop, "SubmitExam", **fields) == DUE
    assert refuse(shop, "RequestConfirmation") == DUE
    shop.move("SubmitExam", status="awaiting_checkout")
    assert to_dict(shop.get().price) == {"currency": "USD", "amount": "7500"}
    assert refuse(shop, "SubmitExam", status="awaiting_review") == DUE
    with sessions.clock.at(NOON):
        assert shop.move("RecordPayment", reference="till 4711").status == "awaiting_review"
    assert shop.get().paid_at.ToDatetime(UTC) == NOON
    assert refuse(shop, "RecordPayment") == WRONG
    shop.move("RequestRetake")
    shop.move("StartExam")
    assert shop.move("SubmitExam", status="awaiting_review").status == "awaiting_review"


def test_a_price_stays_what_it_was_when_the_exam_began(sessions: Served, unique: str) -> None:
    shop = Shop(sessions, unique)
    shop.create("s", "glasses")
    shop.move("StartExam")
    configure(sessions, unique, prices={**PRICES, "glasses": 9900})
    shop.move("SubmitExam", status="awaiting_checkout")
    assert shop.get().price.amount == 3500


def test_an_exam_that_began_before_the_price_list_is_free(sessions: Served, unique: str) -> None:
    shop = Shop(sessions, unique)
    configure(sessions, unique)
    shop.create("s", "glasses")
    shop.create("t")
    for key in ("s", "t"):
        shop.move("StartExam", key)
    configure(sessions, unique, prices=PRICES)
    assert not call_door(sessions, "GetDoor", **shop.link("s")).HasField("price")
    assert shop.move("SubmitExam", status="awaiting_review").status == "awaiting_review"
    # Who has not chosen yet is shown the prices, and pays.
    assert len(call_door(sessions, "GetDoor", **shop.link("t")).choice_prices) == 2
    link = shop.link("t")
    call_door(sessions, "EnterExam", **link, visit="v" * 22, product="contacts")
    assert shop.get("t").price.amount == 4000


@pytest.mark.parametrize(
    ("prices", "order"),
    [
        (None, {}),
        (PRICES, {"charged_currency": "USD", "charged_amount": 0}),
        (PRICES, {"charged_currency": "EUR", "charged_amount": 6000}),
        ({"currency": "USD", "contacts": 1}, {}),
    ],
)
def test_without_a_price_all_is_as_before(
    sessions: Served, unique: str, prices: Any, order: dict[str, Any]
) -> None:
    shop = Shop(sessions, unique, prices=prices) if prices else Shop(sessions, unique)
    if prices is None:
        configure(sessions, unique)
    shop.create("s", "glasses", order=order)
    shop.move("StartExam")
    assert shop.move("SubmitExam", status="awaiting_review").status == "awaiting_review"
    assert not shop.get().HasField("price")
    assert refuse(shop, "RecordPayment") == WRONG


def test_staff_may_take_the_money_before_the_exam(sessions: Served, unique: str) -> None:
    shop = Shop(sessions, unique)
    shop.create("s", "glasses")
    assert shop.move("RecordPayment").status == "created"
    shop.move("StartExam")
    assert shop.move("SubmitExam", status="awaiting_review").status == "awaiting_review"


def test_the_price_is_that_of_what_was_chosen(sessions: Served, unique: str) -> None:
    shop = Shop(sessions, unique)
    shop.create("s")
    door = call_door(sessions, "GetDoor", **shop.link())
    assert [each.amount for each in door.choice_prices] == [3500, 4000]
    assert not door.HasField("price")
    token = call_door(
        sessions, "EnterExam", **shop.link(), visit="v" * 22, product="contacts"
    ).exam_token
    assert shop.get().price.amount == 4000
    shop.move("ChooseProduct", product="glasses")
    assert shop.get().price.amount == 3500
    assert call_door(sessions, "GetDoor", **shop.link()).price.amount == 3500
    assert call_door(sessions, "GetExam", exam_token=token).next == "front_end"


def test_without_a_choice_no_exam_is_free(sessions: Served, unique: str) -> None:
    shop = Shop(sessions, unique)
    shop.create("s")
    shop.enter()
    assert not shop.get().HasField("price")
    assert refuse(shop, "SubmitExam", status="awaiting_review") == DUE
    assert refuse(shop, "RequestConfirmation") == DUE
    shop.move("SubmitExam", status="awaiting_checkout")
    assert refuse(shop, "SubmitExam", status="awaiting_review") == DUE
    shop.move("ChooseProduct", product="contacts")
    assert shop.get().price.amount == 4000
    assert refuse(shop, "SubmitExam", status="awaiting_review") == DUE
    assert shop.move("RecordPayment").status == "awaiting_review"


def test_what_is_chosen_in_the_review_is_paid_before_it_is_dispensed(
    sessions: Served, unique: str
) -> None:
    shop = Shop(sessions, unique)
    configure(sessions, unique, products=["example1", "example2"])
    shop.create("s")
    shop.enter()
    shop.move("SubmitExam", status="awaiting_review")
    configure(sessions, unique, prices=PRICES, products=["example1", "example2"])
    assert refuse(shop, "Approve") == DUE
    shop.move("ChooseProduct", product="contacts")
    assert refuse(shop, "Approve") == DUE
    assert shop.move("RecordPayment").status == "awaiting_review"
    assert shop.move("Approve").status == "approved"


def test_results_of_an_acuity_exam_are_released_when_paid(sessions: Served, unique: str) -> None:
    shop = Shop(sessions, unique)
    shop.create("s", ACUITY)
    token = shop.enter()
    healthy = dict.fromkeys(WARNING_SIGNS, False)
    for _ in range(2):
        exam = call_door(
            sessions, "CompleteExam", exam_token=token, visual_acuity=RESULTS, eye_health=healthy
        )
        assert (exam.status, exam.next, exam.payment) == (
            "awaiting_checkout",
            "checkout",
            "by_hand",
        )
        assert (exam.price.amount, exam.HasField("right_eye")) == (1500, False)
    assert not shop.get().HasField("data")
    assert not shop.move("GetSessionRecord").session.HasField("data")
    assert refuse(shop, "CompleteAcuity") == WRONG
    assert refuse(shop, "Refer") == WRONG
    assert shop.move("RecordPayment").status == "completed"
    assert shop.get().data.visual_acuity.right_eye.logmar == 0.1
    assert to_dict(shop.get().data.eye_health) == healthy
    exam = call_door(sessions, "GetExam", exam_token=token)
    assert (exam.next, exam.right_eye.logmar) == ("return", 0.1)
    events = shop.read_events()
    assert [each.get("status") for each in events] == ["started", "awaiting_checkout", None]
    assert {each["price"]["amount"] for each in events} == {1500}
    assert ["paid_at" in each for each in events] == [False, False, True]
    assert events[-1]["data"]["eye_health"] == healthy


def test_a_warning_sign_costs_nothing(sessions: Served, unique: str) -> None:
    shop = Shop(sessions, unique)
    shop.create("s", ACUITY)
    token = shop.enter()
    answers = {**dict.fromkeys(WARNING_SIGNS, False), "curtain": True}
    exam = call_door(sessions, "CompleteExam", exam_token=token, eye_health=answers)
    assert exam.status == "referred"
    assert refuse(shop, "RecordPayment") == WRONG


def test_concurrent_payments_are_recorded_once(sessions: Served, unique: str) -> None:
    shop = Shop(sessions, unique)
    shop.create("s", "glasses")
    shop.move("StartExam")
    shop.move("SubmitExam", status="awaiting_checkout")
    call: Call = (
        "RecordPayment",
        build_request("RecordPayment", "s", partner=unique),
        "staff",
        True,
    )
    names = call_at_once(sessions, [call] * 6)
    assert names.count("OK") == 1
    assert set(names) <= {"OK", "FAILED_PRECONDITION", "ABORTED"}


@pytest.mark.parametrize("reference", [" ", "x" * 201, "a\0", "a\nb"])
def test_a_reference_is_a_short_line(sessions: Served, unique: str, reference: str) -> None:
    shop = Shop(sessions, unique)
    shop.create("s", "glasses")
    code, _ = refuse(shop, "RecordPayment", reference=reference)
    assert code is StatusCode.INVALID_ARGUMENT


def test_another_partners_session_is_unknown(sessions: Served, unique: str) -> None:
    shop = Shop(sessions, unique)
    shop.create("s", "glasses")
    failure = expect_refusal(sessions, "RecordPayment", unique, who="other")
    assert failure.code is StatusCode.NOT_FOUND
