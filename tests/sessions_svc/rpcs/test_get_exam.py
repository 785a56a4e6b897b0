"""GetExam: the exam that a token opens, on both engines."""

from datetime import UTC, datetime, timedelta

import pytest
from grpc import StatusCode

from sessions_svc.rules.statuses import Status
from tests.serving import Served
from tests.sessions_svc.desk import ACUITY_ORDER, bring, move
from tests.sessions_svc.links import (
    CLOSED,
    RESULTS,
    UNKNOWN,
    VISIT,
    call_door,
    create_link,
    enter_exam,
    expect_refusal_at_door,
    get_refusal,
    open_exam,
)

NOON = datetime(2026, 6, 15, 12, tzinfo=UTC)
RETURN_URL = "https://partner.com/thankyou"


def test_an_exam_expires_after_four_hours(sessions: Served, unique: str) -> None:
    bring(sessions, unique, Status.CREATED, order=ACUITY_ORDER)
    with sessions.clock.at(NOON):
        link = create_link(sessions, unique)
        entered = call_door(sessions, "EnterExam", **link, visit=VISIT)
    token = entered.exam_token
    assert entered.expires_at.ToDatetime(UTC) == NOON + timedelta(hours=4)
    with sessions.clock.at(NOON + timedelta(hours=4) - timedelta(seconds=1)):
        assert call_door(sessions, "GetExam", exam_token=token).status == "started"
        assert enter_exam(sessions, link) == token
    with sessions.clock.at(NOON + timedelta(hours=4)):
        assert get_refusal(sessions, "GetExam", exam_token=token) == CLOSED
        assert (
            get_refusal(sessions, "CompleteExam", exam_token=token, visual_acuity=RESULTS) == CLOSED
        )
        assert get_refusal(sessions, "EnterExam", **link, visit=VISIT) == CLOSED


@pytest.mark.parametrize("token", ["", "x", "\x00", "é" * 50_000])
def test_a_wrong_token_opens_no_exam(sessions: Served, token: str) -> None:
    assert get_refusal(sessions, "GetExam", exam_token=token) == UNKNOWN
    failure = expect_refusal_at_door(
        sessions, "CompleteExam", exam_token=token, visual_acuity=RESULTS
    )
    assert failure.code in (StatusCode.NOT_FOUND, StatusCode.INVALID_ARGUMENT)


@pytest.mark.parametrize(
    ("status", "next_step"),
    [
        (Status.STARTED, "front_end"),
        (Status.AWAITING_CHECKOUT, "front_end"),
        (Status.AWAITING_CONFIRMATION, "front_end"),
        (Status.AWAITING_REVIEW, "return"),
    ],
)
def test_an_exam_names_the_next_step(
    sessions: Served, unique: str, status: Status, next_step: str
) -> None:
    token = open_exam(sessions, unique, status)
    found = call_door(sessions, "GetExam", exam_token=token)
    assert (found.status, found.next, found.return_url) == (status, next_step, "")


def test_missing_requirements_are_in_the_return_url(sessions: Served, unique: str) -> None:
    token = open_exam(sessions, unique, Status.STARTED, f"{RETURN_URL}?a=%5B1%5D#end")
    missing = ["glasses_prior", "id_verification"]
    move(sessions, "RequestConfirmation", unique, missing_requirements=missing)
    assert call_door(sessions, "GetExam", exam_token=token).return_url == (
        f"{RETURN_URL}?a=%5B1%5D&user_key={unique}&session_key={unique}&status=awaiting_confirmation"
        "&missing_requirements[]=glasses_prior&missing_requirements[]=id_verification#end"
    )
    move(sessions, "RequestRetake", unique)
    assert call_door(sessions, "GetExam", exam_token=token).return_url == (
        f"{RETURN_URL}?a=%5B1%5D&user_key={unique}&session_key={unique}&status=retake_requested#end"
    )
