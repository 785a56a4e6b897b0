"""ChooseProduct, and the choice at the door: recorded, shown, and binding for what is dispensed."""

from typing import Any

import pytest
from grpc import StatusCode

from protos import sessions_pb2 as pb
from sessions_svc.rules.statuses import Status
from tests.serving import Served
from tests.sessions_svc.desk import (
    ACUITY_ORDER,
    Call,
    bring,
    build_dispensed_contacts,
    build_dispensed_glasses,
    build_request,
    call_at_once,
    expect_refusal,
    get_session,
    get_status,
    move,
)
from tests.sessions_svc.links import VISIT, call_door, create_link, expect_refusal_at_door

GLASSES, CONTACTS = {"type": "glasses"}, {"type": "contacts"}
UNDER_WAY = [Status.CREATED, Status.STARTED, Status.AWAITING_REVIEW, Status.RETAKE_REQUESTED]


@pytest.mark.parametrize("status", UNDER_WAY)
def test_it_works(sessions: Served, unique: str, status: Status) -> None:
    bring(sessions, unique, status)
    for product in ("glasses", "contacts"):
        move(sessions, "ChooseProduct", unique, product=product)
        assert get_session(sessions, unique).chosen_product == product
    assert get_status(sessions, unique) == status


@pytest.mark.parametrize(
    "fields",
    [{"product": ""}, {"product": "acuity-service"}, {"product": "lenses"}, {"product": "a\0"}],
)
def test_another_product_is_refused(sessions: Served, unique: str, fields: dict[str, Any]) -> None:
    bring(sessions, unique, Status.CREATED)
    failure = expect_refusal(sessions, "ChooseProduct", unique, **fields)
    assert (failure.code, failure.faults[0].path) == (StatusCode.INVALID_ARGUMENT, "product")


@pytest.mark.parametrize("order", [ACUITY_ORDER, {"products": [GLASSES]}])
def test_an_order_that_names_products_leaves_no_choice(
    sessions: Served, unique: str, order: Any
) -> None:
    bring(sessions, unique, Status.STARTED, order=order)
    failure = expect_refusal(sessions, "ChooseProduct", unique, product="contacts")
    assert (failure.code, failure.reason) == (StatusCode.FAILED_PRECONDITION, "WRONG_STATE")


@pytest.mark.parametrize("status", [Status.APPROVED, Status.REFERRED, Status.CANCELLED])
def test_an_ended_session_is_refused(sessions: Served, unique: str, status: Status) -> None:
    bring(sessions, unique, status)
    failure = expect_refusal(sessions, "ChooseProduct", unique, product="contacts")
    assert failure.code is StatusCode.FAILED_PRECONDITION


def test_another_partners_session_is_unknown(sessions: Served, unique: str) -> None:
    bring(sessions, unique, Status.CREATED)
    failure = expect_refusal(sessions, "ChooseProduct", unique, who="other", product="contacts")
    assert failure.code is StatusCode.NOT_FOUND


def test_the_door_asks_and_records(sessions: Served, unique: str) -> None:
    bring(sessions, unique, Status.CREATED)
    link = create_link(sessions, unique)
    door = call_door(sessions, "GetDoor", **link)
    assert [each.type for each in door.choices] == ["glasses", "contacts"]
    assert not door.products
    for product in ("", "acuity-service", "é\0"):
        failure = expect_refusal_at_door(
            sessions, "EnterExam", **link, visit=VISIT, product=product
        )
        assert (failure.code, failure.faults[0].path) == (StatusCode.INVALID_ARGUMENT, "product")
    tokens = {
        call_door(sessions, "EnterExam", **link, visit=VISIT, product="glasses").exam_token
        for _ in range(2)
    }
    assert len(tokens) == 1
    exam = call_door(sessions, "GetExam", exam_token=tokens.pop())
    assert [each.type for each in exam.products] == ["glasses"]
    assert get_session(sessions, unique).chosen_product == "glasses"
    door = call_door(sessions, "GetDoor", **create_link(sessions, unique))
    assert ([each.type for each in door.products], list(door.choices)) == (["glasses"], [])


def test_a_door_with_an_order_takes_no_other_product(sessions: Served, unique: str) -> None:
    bring(sessions, unique, Status.CREATED, order={"products": [GLASSES]})
    link = create_link(sessions, unique)
    assert not call_door(sessions, "GetDoor", **link).choices
    failure = expect_refusal_at_door(sessions, "EnterExam", **link, visit=VISIT, product="contacts")
    assert [fault.path for fault in failure.faults] == ["product"]
    call_door(sessions, "EnterExam", **link, visit=VISIT, product="glasses")
    assert not get_session(sessions, unique).HasField("chosen_product")


def test_only_what_was_chosen_is_dispensed(sessions: Served, unique: str) -> None:
    bring(sessions, unique, Status.AWAITING_REVIEW)
    move(sessions, "ChooseProduct", unique, product="glasses")
    dispensed = [build_dispensed_glasses(), build_dispensed_contacts()]
    failure = expect_refusal(sessions, "Approve", unique, dispensed_prescriptions=dispensed)
    assert [fault.path for fault in failure.faults] == ["dispensed_prescriptions.1.type"]
    assert "glasses" in failure.faults[0].message
    move(sessions, "Approve", unique, dispensed_prescriptions=dispensed[:1])
    assert get_session(sessions, unique).chosen_product == "glasses"


def test_a_later_order_replaces_the_choice(sessions: Served, unique: str) -> None:
    bring(sessions, unique, Status.CREATED)
    move(sessions, "ChooseProduct", unique, product="glasses")
    request = pb.ReplaceSessionRequest(
        user_key=unique, session_key=unique, order=pb.Order(products=[pb.Product(type="contacts")])
    )
    request.user.CopyFrom(
        pb.User(
            email="a@example.com",
            first_name="A",
            last_name="B",
            birthdate="1988-01-01",
            region="IL",
        )
    )
    sessions.call("ReplaceSession", request)
    assert not get_session(sessions, unique).HasField("chosen_product")


def test_concurrent_choices_leave_one(sessions: Served, unique: str) -> None:
    bring(sessions, unique, Status.STARTED)
    calls: list[Call] = [
        ("ChooseProduct", build_request("ChooseProduct", unique, product=product), "staff", True)
        for product in ("glasses", "contacts")
    ]
    assert set(call_at_once(sessions, calls * 4)) <= {"OK", "ABORTED"}
    assert get_session(sessions, unique).chosen_product in ("glasses", "contacts")
