"""Refer, called directly over gRPC on both engines."""

import pytest
from grpc import StatusCode

from sessions_svc.rules.statuses import Status
from tests.serving import Served
from tests.sessions_svc.desk import (
    bring,
    expect_refusal,
    get_session,
    move,
)


@pytest.mark.parametrize(
    "origin", [Status.STARTED, Status.AWAITING_CONFIRMATION, Status.AWAITING_REVIEW]
)
def test_it_works(sessions: Served, unique: str, origin: Status) -> None:
    bring(sessions, unique, origin)
    moved = move(sessions, "Refer", unique)
    assert moved == get_session(sessions, unique)
    assert (moved.status, moved.HasField("data")) == ("referred", False)


def test_a_referral_is_final(sessions: Served, unique: str) -> None:
    bring(sessions, unique, Status.REFERRED)
    failure = expect_refusal(sessions, "Refer", unique)
    assert (failure.code, failure.reason) == (StatusCode.FAILED_PRECONDITION, "WRONG_STATE")
