"""CreateKioskLink: the link that a screen in a store shows, on both engines."""

from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import pytest
from grpc import StatusCode

from protos import sessions_pb2 as pb
from sessions_svc.rules.statuses import Status
from tests.serving import Served
from tests.sessions_svc.desk import bring, configure, create_partner, get_status
from tests.sessions_svc.links import VISIT, call_door

NOON = datetime(2026, 6, 15, 12, 0, 0, tzinfo=UTC)


def create(served: Served, key: str, **options: Any) -> pb.Authentication:
    """Return the link of a screen."""
    request = pb.CreateKioskLinkRequest(user_key=key, session_key=key)
    found: pb.Authentication = served.call("CreateKioskLink", request, **options)
    return found


def read_query(link: str) -> dict[str, str]:
    """Return the three fields of a link."""
    return dict(parse_qsl(urlsplit(link).query))


def test_it_works(sessions: Served, unique: str) -> None:
    bring(sessions, unique, Status.CREATED, store_id="store_1234")
    with sessions.clock.at(NOON):
        made = create(sessions, unique)
    assert made.expires_at.ToDatetime(UTC) == NOON + timedelta(minutes=5)
    with sessions.clock.at(NOON + timedelta(minutes=1)):
        link = read_query(made.link)
        assert call_door(sessions, "GetDoor", **link).store_name == "Main Street"
        token = call_door(sessions, "EnterExam", **link, visit=VISIT).exam_token
        exam = call_door(sessions, "GetExam", exam_token=token)
    assert (exam.store_name, exam.mode) == ("Main Street", "in_store")
    assert get_status(sessions, unique) == "started"


def test_within_a_minute_it_is_the_same(sessions: Served, unique: str) -> None:
    bring(sessions, unique, Status.CREATED, store_id="store_1234")
    links = []
    for seconds in (0, 30, 59, 60):
        with sessions.clock.at(NOON + timedelta(seconds=seconds)):
            links.append(create(sessions, unique))
    assert links[0] == links[1] == links[2] != links[3]
    assert links[3].expires_at.seconds - links[0].expires_at.seconds == 60


def test_each_session_and_partner_has_its_own(sessions: Served, unique: str) -> None:
    other = f"p-{unique}"
    authorization = create_partner(sessions, other, stores=[{"id": "store_1234"}])
    bring(sessions, unique, Status.CREATED, store_id="store_1234")
    bring(sessions, "x" + unique, Status.CREATED, store_id="store_1234")
    with sessions.clock.at(NOON):
        links = {create(sessions, key).link for key in (unique, "x" + unique)}
        request = pb.CreateKioskLinkRequest(user_key=unique, session_key=unique)
        options = {"authorization": authorization}
        failure = sessions.refusal("CreateKioskLink", request, "", **options)
    assert failure.code is StatusCode.NOT_FOUND
    assert len(links) == 2


def test_a_session_of_no_store_is_refused(sessions: Served, unique: str) -> None:
    bring(sessions, unique, Status.CREATED)
    before = sessions.rows()
    request = pb.CreateKioskLinkRequest(user_key=unique, session_key=unique)
    failure = sessions.refusal("CreateKioskLink", request)
    assert (failure.code, failure.reason) == (StatusCode.FAILED_PRECONDITION, "NOT_IN_STORE")
    assert sessions.rows() == before


@pytest.mark.parametrize("status", [Status.APPROVED, Status.CANCELLED])
def test_an_ended_session_is_refused(sessions: Served, unique: str, status: Status) -> None:
    bring(sessions, unique, status, store_id="store_1234")
    request = pb.CreateKioskLinkRequest(user_key=unique, session_key=unique)
    failure = sessions.refusal("CreateKioskLink", request)
    assert (failure.code, failure.reason) == (StatusCode.FAILED_PRECONDITION, "WRONG_STATE")


@pytest.mark.parametrize("key", ["", "a b", "é\0", "x" * 65])
def test_what_is_no_key_is_refused(sessions: Served, key: str) -> None:
    request = pb.CreateKioskLinkRequest(user_key=key, session_key="s")
    failure = sessions.refusal("CreateKioskLink", request)
    assert {fault.path for fault in failure.faults} == {"user_key"}


def test_links_follow_what_the_partner_has_set(sessions: Served, unique: str) -> None:
    authorization = create_partner(sessions, unique, stores=[{"id": "s"}])
    configure(
        sessions,
        unique,
        stores=[{"id": "s"}],
        link_host="eyes.partner.example:8443",
        redirect_url="https://partner.example/back?a=1",
        language="fr",
    )
    sessions.refresh_cache()
    request = pb.CreateSessionRequest(user_key="u", session_key="s", store_id="s")
    request.user.CopyFrom(
        pb.User(
            email="a@example.com",
            first_name="A",
            last_name="B",
            birthdate="1988-01-01",
            region="IL",
        )
    )
    sessions.call("CreateSession", request, "", authorization=authorization)
    for rpc, fields, back in (
        ("CreateAuthentication", {}, "https://partner.example/back?a=1&"),
        ("CreateAuthentication", {"redirect_url": "https://own.example/"}, "https://own.example/?"),
        ("CreateKioskLink", {}, "https://partner.example/back?a=1&"),
    ):
        message = getattr(pb, f"{rpc}Request")(user_key="u", session_key="s", **fields)
        made = sessions.call(rpc, message, "", authorization=authorization)
        assert made.link.startswith("http://eyes.partner.example:8443/login?session_key=s&")
        link = read_query(made.link)
        door = call_door(sessions, "GetDoor", **link)
        assert (door.language, door.store_name) == ("fr", "s")
        token = call_door(sessions, "EnterExam", **link, visit=VISIT).exam_token
        exam = call_door(sessions, "GetExam", exam_token=token)
        assert exam.return_url.startswith(back)
        assert exam.language == "fr"
