"""GetSession, called directly over gRPC on both engines."""

import pytest
from grpc import StatusCode

from protos import sessions_pb2 as pb
from sessions_svc.rules.statuses import Status
from tests.serving import Served
from tests.sessions_svc.bodies import create
from tests.sessions_svc.desk import bring


def build_keys(key: str, **fields: str) -> pb.GetSessionRequest:
    return pb.GetSessionRequest(**{"user_key": key, "session_key": key, **fields})


def test_it_works(sessions: Served, unique: str) -> None:
    created = sessions.call("CreateSession", create(user_key=unique, session_key=unique))
    assert sessions.call("GetSession", build_keys(unique)) == created


@pytest.mark.parametrize("status", Status)
def test_only_an_approved_or_completed_session_has_data(
    sessions: Served, unique: str, status: Status
) -> None:
    bring(sessions, unique, status)
    found = sessions.call("GetSession", build_keys(unique))
    assert found.status == status
    assert found.HasField("data") == (status in (Status.APPROVED, Status.COMPLETED))


def test_a_session_of_another_user_or_partner_is_not_found(sessions: Served, unique: str) -> None:
    bring(sessions, unique, Status.CREATED)
    for keys, who in (
        (build_keys(unique, user_key="another"), "client"),
        (build_keys(unique, session_key="another"), "client"),
        (build_keys(unique), "other"),
    ):
        assert sessions.refusal("GetSession", keys, who).code is StatusCode.NOT_FOUND
