"""ListSessions, called directly over gRPC on both engines."""

from typing import Any

import pytest

from protos import sessions_pb2 as pb
from sessions_svc.rules.statuses import Status
from tests.serving import Served
from tests.sessions_svc.bodies import create
from tests.sessions_svc.desk import (
    bring,
    build_dispensed_contacts,
    build_dispensed_glasses,
    get_session,
    move,
)


def test_it_works(sessions: Served, unique: str) -> None:
    keys = [f"{unique}-{number}" for number in range(3)]
    created = [
        sessions.call("CreateSession", create(user_key=unique, session_key=key)) for key in keys
    ]
    page = sessions.call("ListSessions", pb.ListSessionsRequest(user_key=unique))
    assert list(page.data) == created[::-1]
    assert page.meta == pb.PageMeta(page=1, per_page=30, total_count=3, total_pages=1)


def test_pages_follow_each_other(sessions: Served, unique: str) -> None:
    for number in range(5):
        sessions.call("CreateSession", create(user_key=unique, session_key=f"{unique}-{number}"))
    pages = [
        sessions.call(
            "ListSessions", pb.ListSessionsRequest(user_key=unique, page=page, per_page=2)
        )
        for page in (1, 2, 3, 4)
    ]
    found = [[each.session_key[-1] for each in page.data] for page in pages]
    assert found == [["4", "3"], ["2", "1"], ["0"], []]
    for number, page in enumerate(pages, 1):
        assert page.meta == pb.PageMeta(page=number, per_page=2, total_count=5, total_pages=3)


def test_an_unknown_user_has_no_sessions(sessions: Served, unique: str) -> None:
    page = sessions.call("ListSessions", pb.ListSessionsRequest(user_key=unique))
    assert page == pb.ListSessionsResponse(meta=pb.PageMeta(page=1, per_page=30))


def test_another_partner_sees_none_of_them(sessions: Served, unique: str) -> None:
    sessions.call("CreateSession", create(user_key=unique, session_key=unique))
    page = sessions.call("ListSessions", pb.ListSessionsRequest(user_key=unique), "other")
    assert not page.data


@pytest.mark.parametrize(
    ("fields", "path"),
    [
        ({}, "user_key"),
        ({"user_key": "a b"}, "user_key"),
        ({"user_key": "a", "page": 0}, "page"),
        ({"user_key": "a", "per_page": 0}, "per_page"),
        ({"user_key": "a", "per_page": 101}, "per_page"),
    ],
)
def test_a_fault_is_named_by_its_path(sessions: Served, fields: dict[str, Any], path: str) -> None:
    failure = sessions.refusal("ListSessions", pb.ListSessionsRequest(**fields))
    assert [fault.path for fault in failure.faults] == [path]


def test_approved_sessions_have_their_prescriptions(sessions: Served, unique: str) -> None:
    bring(sessions, unique, Status.AWAITING_REVIEW)
    asset = {"content_type": "text/plain", "source": "YQ=="}
    dispensed = [build_dispensed_contacts(assets=[asset]), build_dispensed_glasses()]
    move(sessions, "Approve", unique, dispensed_prescriptions=dispensed)
    sessions.call("CreateSession", create(user_key=unique, session_key="x" + unique))
    page = sessions.call("ListSessions", pb.ListSessionsRequest(user_key=unique))
    whole = get_session(sessions, unique).data
    assert [len(each.assets) for each in whole.dispensed_prescriptions] == [1, 0]
    for each in whole.dispensed_prescriptions:
        del each.assets[:]
    assert [each.session_key for each in page.data] == ["x" + unique, unique]
    assert not page.data[0].HasField("data")
    assert page.data[1].data == whole
    other = sessions.call("ListSessions", pb.ListSessionsRequest(user_key=unique), "other")
    assert not other.data
