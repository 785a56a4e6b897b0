"""CompleteAcuity: what an exam has found, on both engines."""

from typing import Any

import pytest
from google.protobuf.json_format import MessageToDict
from grpc import StatusCode

from chassis.errors import Fault
from protos import sessions_pb2 as pb
from sessions_svc.rules.statuses import Status
from tests.serving import Served
from tests.sessions_svc.desk import ACUITY_ORDER, VISUAL_ACUITY, bring, expect_refusal, move

REQUIRED = "Missing data for required field."
RANGE = "Must be from -0.3 to 1.3."


def test_it_works(sessions: Served, unique: str) -> None:
    bring(sessions, unique, Status.STARTED, order=ACUITY_ORDER)
    completed = move(sessions, "CompleteAcuity", unique)
    assert (completed.status, completed.HasField("data")) == ("completed", False)
    request = pb.GetSessionRequest(user_key=unique, session_key=unique)
    found = sessions.call("GetSession", request)
    assert MessageToDict(found.data, preserving_proto_field_name=True) == {
        "visual_acuity": {
            "right_eye": {"logmar": 0.1, "snellen": "20/25"},
            "left_eye": {},
            "correction": "glasses",
        }
    }


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"right_eye": None}, {"right_eye": REQUIRED}),
        ({"correction": None}, {"correction": REQUIRED}),
        ({"correction": "both"}, {"correction": "Must be one of: none, glasses, contacts."}),
        ({"left_eye": {"logmar": -0.31}}, {"left_eye.logmar": RANGE}),
        ({"left_eye": {"logmar": 1.31}}, {"left_eye.logmar": RANGE}),
        (
            {"left_eye": {"logmar": "NaN"}},
            {
                "left_eye.logmar": "Special numeric values (nan or infinity) are not permitted.",
            },
        ),
        ({"left_eye": {"snellen": "20/20"}}, {"left_eye.snellen": "Unknown field."}),
    ],
)
def test_faults_are_named(
    sessions: Served, unique: str, changes: dict[str, Any], expected: dict[str, str]
) -> None:
    bring(sessions, unique, Status.STARTED, order=ACUITY_ORDER)
    failure = expect_refusal(
        sessions, "CompleteAcuity", unique, visual_acuity={**VISUAL_ACUITY, **changes}
    )
    assert failure.code is StatusCode.INVALID_ARGUMENT
    assert failure.faults == tuple(
        Fault(f"visual_acuity.{path}", text) for path, text in expected.items()
    )
