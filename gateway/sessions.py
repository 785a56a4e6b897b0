"""Vision-test sessions: /api/v2/partners."""

from urllib.parse import urlencode

import grpc
from flask import Blueprint, Response

from chassis.messages import Reader, Writer
from gateway import backends
from gateway.backends import call
from gateway.requests import answer, read
from protos.sessions_pb2 import (
    CheckQualificationRequest,
    CheckQualificationResponse,
    CreateSessionRequest,
    Session,
)

bp = Blueprint("sessions", __name__, url_prefix="/api/v2/partners")

CHECK_QUALIFICATION = Reader(CheckQualificationRequest)
CREATE_SESSION = Reader(CreateSessionRequest, raw=("partner_info",))
QUALIFICATION = Writer(CheckQualificationResponse)
SESSION = Writer(Session)


@bp.post("/qualifications")
def check_qualification() -> Response:
    request = read(CHECK_QUALIFICATION, ahead=_known)
    response = call(backends.sessions().CheckQualification, request)
    return answer(200, QUALIFICATION, response)


@bp.post("/sessions")
def create_session() -> Response:
    request = read(CREATE_SESSION, ahead=_known)
    session = call(backends.sessions().CreateSession, request)
    return answer(201, SESSION, session, location=_single(session))


def _known() -> None:
    """Raise for callers without an account: an empty question has no other effect."""
    try:
        call(backends.sessions().CheckQualification, CheckQualificationRequest())
    except grpc.RpcError as error:
        if error.code() is not grpc.StatusCode.INVALID_ARGUMENT:
            raise


def _single(session: Session) -> str:
    keys = {"user_key": session.user_key, "session_key": session.session_key}
    return f"{bp.url_prefix}/sessions?{urlencode(keys)}"
