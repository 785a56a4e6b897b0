"""CheckQualification, called directly over gRPC on both engines."""

from datetime import UTC, datetime

import pytest
from grpc import StatusCode

from chassis.errors import IDEMPOTENCY_MISMATCH, Fault
from protos.sessions_pb2 import CheckQualificationRequest, CheckQualificationResponse
from tests.serving import Served, build_basic
from tests.sessions_svc.bodies import build_contacts, build_glasses, build_user, check, create

QUALIFIED = CheckQualificationResponse(qualifies=True)
MIDNIGHT = datetime(2026, 6, 16, tzinfo=UTC)


def build_refusal(*codes: str) -> CheckQualificationResponse:
    return CheckQualificationResponse(qualifies=False, disqualifications=codes)


def test_it_works(sessions: Served) -> None:
    before = sessions.rows()
    request = check(prescriptions=[build_contacts(), build_glasses()])
    assert sessions.call("CheckQualification", request) == QUALIFIED
    assert sessions.rows() == before


def test_every_reason_is_named_in_its_order(sessions: Served) -> None:
    prescriptions = [build_contacts(left_eye={"product_key": "none", "add": 4.25})]
    person = {"birthdate": "2020-01-01", "region": "CA-ON"}
    answer = sessions.call("CheckQualification", check(user=person, prescriptions=prescriptions))
    assert answer == build_refusal("age", "region", "unknown_product_key", "prescription")


def test_each_partner_has_products_of_its_own(sessions: Served) -> None:
    request = check(prescriptions=[build_contacts()])
    assert sessions.call("CheckQualification", request) == QUALIFIED
    assert sessions.call("CheckQualification", request, "other") == build_refusal(
        "unknown_product_key"
    )


@pytest.mark.parametrize(
    ("birthdate", "answer"),
    [
        ("2008-06-16", QUALIFIED),
        ("2008-06-17", build_refusal("age")),
        ("1970-06-17", QUALIFIED),
        ("1970-06-16", build_refusal("age")),
    ],
)
def test_age_is_computed_for_today(
    sessions: Served, birthdate: str, answer: CheckQualificationResponse
) -> None:
    with sessions.clock.at(MIDNIGHT):
        request = check(user={"birthdate": birthdate, "region": "IL"})
        assert sessions.call("CheckQualification", request) == answer


def test_a_check_and_a_session_return_the_same_reasons(sessions: Served, unique: str) -> None:
    person = build_user(birthdate="1950-01-01", region="PR")
    prescriptions = [build_glasses(right_eye={"sphere": -12.25})]
    request = create(session_key=unique, user=person, prescriptions=prescriptions)
    asked = {name: person[name] for name in ("birthdate", "region")}
    answer = sessions.call("CheckQualification", check(user=asked, prescriptions=prescriptions))
    failure = sessions.refusal("CreateSession", request)
    assert failure.metadata == {"disqualifications": ",".join(answer.disqualifications)}


def test_all_faults_are_named_at_once(sessions: Served) -> None:
    with sessions.clock.at(MIDNIGHT):
        request = check(
            user={"birthdate": "2026-06-17", "region": "\0"},
            prescriptions=[build_glasses(left_eye={"dominance": "D"})],
        )
        failure = sessions.refusal("CheckQualification", request)
    region = "Must be a US state such as IL, or an ISO 3166-2 code such as US-IL or CA-ON."
    assert (failure.code, failure.reason) == (StatusCode.INVALID_ARGUMENT, "INVALID")
    assert failure.faults == (
        Fault("user.region", "Control characters are not allowed."),
        Fault("user.region", region),
        Fault("prescriptions.0.left_eye.dominance", "Not a field of glasses."),
        Fault("user.birthdate", "Must not be in the future."),
    )


def test_an_empty_request_is_refused(sessions: Served) -> None:
    failure = sessions.refusal("CheckQualification", CheckQualificationRequest())
    assert failure.faults == (Fault("user", "Missing data for required field."),)


@pytest.mark.parametrize(
    ("who", "authorization", "code"),
    [
        ("", None, StatusCode.UNAUTHENTICATED),
        ("client", build_basic("demo-partner", "wrong"), StatusCode.UNAUTHENTICATED),
        ("staff", None, StatusCode.PERMISSION_DENIED),
    ],
)
def test_only_a_partner_may_ask(
    sessions: Served, who: str, authorization: str | None, code: StatusCode
) -> None:
    sent = {"authorization": authorization} if authorization else {}
    assert sessions.refusal("CheckQualification", check(), who, **sent).code is code


def test_an_answer_is_replayed_under_its_idempotency_key(sessions: Served, unique: str) -> None:
    with sessions.clock.at(MIDNIGHT):
        first = sessions.call("CheckQualification", check(), idempotency_key=unique)
    with sessions.clock.at(MIDNIGHT.replace(year=2066)):
        assert sessions.call("CheckQualification", check()) == build_refusal("age")
        assert sessions.call("CheckQualification", check(), idempotency_key=unique) == first
    other = check(prescriptions=[build_glasses()])
    failure = sessions.refusal("CheckQualification", other, idempotency_key=unique)
    assert failure.reason == IDEMPOTENCY_MISMATCH
