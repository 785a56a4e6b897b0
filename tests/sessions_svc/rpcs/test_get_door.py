"""GetDoor: what a link shows before it is used, on both engines."""

import pytest
from grpc import StatusCode

from protos import sessions_pb2 as pb
from sessions_svc.rules.statuses import Status
from tests.serving import Served
from tests.sessions_svc.bodies import to_dict
from tests.sessions_svc.desk import ACUITY_ORDER, bring, get_status, move
from tests.sessions_svc.links import (
    CLOSED,
    UNKNOWN,
    VISIT,
    call_door,
    create_link,
    enter_exam,
    get_refusal,
)

RETURN_URL = "https://partner.com/thankyou"


def test_it_works(sessions: Served, unique: str) -> None:
    bring(sessions, unique, Status.CREATED, order={"products": [{"type": "contacts"}]})
    link = create_link(sessions, unique, RETURN_URL)
    before = sessions.rows()
    for _ in range(2):
        assert to_dict(call_door(sessions, "GetDoor", **link)) == {
            "first_name": "Test",
            "last_name": "User",
            "products": [{"type": "contacts"}],
            "status": "created",
        }
    assert sessions.rows() == before
    token = enter_exam(sessions, link)
    assert get_status(sessions, unique) == "started"
    assert to_dict(call_door(sessions, "GetExam", exam_token=token)) == {
        "partner": "demo-partner",
        "user_key": unique,
        "session_key": unique,
        "status": "started",
        "products": [{"type": "contacts"}],
        "next": "front_end",
        "return_url": f"{RETURN_URL}?user_key={unique}&session_key={unique}&status=started",
    }


@pytest.mark.parametrize("name", ["token", "user_key", "session_key"])
@pytest.mark.parametrize("value", ["", "x", "é\x00🙂", "x" * 100_000, None])
def test_a_link_with_any_wrong_part_is_unknown(
    sessions: Served, unique: str, name: str, value: str | None
) -> None:
    bring(sessions, unique, Status.CREATED)
    bring(sessions, "y" + unique, Status.CREATED)
    foreign = create_link(sessions, "y" + unique)
    link = {**create_link(sessions, unique), name: foreign[name] if value is None else value}
    assert get_refusal(sessions, "GetDoor", **link) == UNKNOWN
    malformed = (StatusCode.INVALID_ARGUMENT, "INVALID")
    expected = malformed if value and "\0" in value else UNKNOWN
    assert get_refusal(sessions, "EnterExam", **link, visit=VISIT) == expected


@pytest.mark.parametrize("status", [Status.REFERRED, Status.CANCELLED, Status.COMPLETED])
def test_a_link_closes_when_its_session_ends(sessions: Served, unique: str, status: Status) -> None:
    fields = {"order": ACUITY_ORDER} if status == Status.COMPLETED else {}
    bring(sessions, unique, Status.CREATED, **fields)
    link = create_link(sessions, unique)
    if status == Status.CANCELLED:
        keys = {"user_key": unique, "session_key": unique}
        sessions.call("CancelSession", pb.CancelSessionRequest(**keys))
    else:
        move(sessions, "StartExam", unique)
        move(sessions, "Refer" if status == Status.REFERRED else "CompleteAcuity", unique)
    assert get_refusal(sessions, "GetDoor", **link) == CLOSED
    assert get_refusal(sessions, "EnterExam", **link, visit=VISIT) == CLOSED
    assert get_status(sessions, unique) == status
