"""Links and exams, for tests: calls to the door, which need no account."""

from typing import Any
from urllib.parse import parse_qsl, urlsplit

import grpc
from google.protobuf.json_format import ParseDict
from grpc import StatusCode

from protos import sessions_pb2 as pb
from protos.sessions_pb2_grpc import DoorServiceStub
from sessions_svc.rules.statuses import Status
from tests.serving import Failure, Served, decode
from tests.sessions_svc.bodies import Values
from tests.sessions_svc.desk import ACUITY_ORDER, bring

VISIT = "v" * 22
# The refusals of a link or an exam, as `get_refusal` returns them.
CLOSED = (StatusCode.FAILED_PRECONDITION, "WRONG_STATE")
UNKNOWN = (StatusCode.NOT_FOUND, "NOT_FOUND")
RESULTS: Values = {
    "right_eye": {"logmar": 0.1},
    "left_eye": {},
    "correction": "glasses",
    "distance": 2000,
    "smallest_logmar": -0.1,
}


def create_link(served: Served, key: str, redirect_url: str = "", **options: Any) -> dict[str, str]:
    """Create a link into the session whose keys are both `key`, and return its query."""
    request = pb.CreateAuthenticationRequest(
        user_key=key, session_key=key, redirect_url=redirect_url
    )
    made = served.call("CreateAuthentication", request, **options)
    return dict(parse_qsl(urlsplit(made.link).query))


def call_door(served: Served, rpc: str, **fields: Any) -> Any:
    """Call an RPC of the door without an account, and return its answer."""
    request = ParseDict(fields, getattr(pb, f"{rpc}Request")())
    return getattr(DoorServiceStub(served.channel), rpc)(request, timeout=20)


def expect_refusal_at_door(served: Served, rpc: str, **fields: Any) -> Failure:
    """Return the failure of an RPC of the door, which must leave the store unchanged."""
    before = served.rows()
    try:
        answer = call_door(served, rpc, **fields)
    except grpc.RpcError as error:
        assert served.rows() == before
        return decode(error)
    raise AssertionError(f"not refused: {answer}")


def get_refusal(served: Served, rpc: str, **fields: Any) -> tuple[StatusCode, str]:
    """Return the gRPC status and the reason of such a failure."""
    failure = expect_refusal_at_door(served, rpc, **fields)
    return failure.code, failure.reason


def enter_exam(served: Served, link: dict[str, str], visit: str = VISIT) -> str:
    """Use a link, and return the token of its exam."""
    token: str = call_door(served, "EnterExam", **link, visit=visit).exam_token
    return token


def open_exam(
    served: Served, key: str, status: Status = Status.CREATED, redirect_url: str = "", **fields: Any
) -> str:
    """Create a session, use a link into it, and return the token of the exam."""
    bring(served, key, status, **fields)
    return enter_exam(served, create_link(served, key, redirect_url))


def open_acuity_exam(served: Served, key: str, redirect_url: str = "") -> str:
    """Do the same as `open_exam` for a session of the acuity service."""
    return open_exam(served, key, redirect_url=redirect_url, order=ACUITY_ORDER)
