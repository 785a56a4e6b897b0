"""Vision-test sessions: /api/v2/partners."""

from urllib.parse import urlencode

import grpc
from flask import Blueprint, Response
from flask import request as asked

from chassis.messages.reader import Reader
from chassis.messages.writer import Writer
from gateway import backends
from gateway.backends import call
from gateway.requests import answer, read, read_query
from protos.sessions_pb2 import (
    Authentication,
    CancelSessionRequest,
    CheckQualificationRequest,
    CheckQualificationResponse,
    CreateAuthenticationRequest,
    CreateSessionRequest,
    GetSessionRequest,
    ListSessionsRequest,
    ListSessionsResponse,
    ReplaceSessionRequest,
    Session,
)

bp = Blueprint("sessions", __name__, url_prefix="/api/v2/partners")

# Left out where they are not set, unlike other fields, which are null.
OF_SOME = (
    "data",
    "dispensed_prescriptions",
    "visual_acuity",
    "distance",
    "smallest_logmar",
)
# Left out of the eyes of a dispensed prescription of this type, in which they mean nothing.
FOREIGN = {
    "glasses": (
        "product_keys",
        "brand_label",
        "model_label",
        "base_curve",
        "diameter",
        "dominance",
    ),
    "contacts": ("pupillary_distance",),
}
CHECK_QUALIFICATION = Reader(CheckQualificationRequest)
CREATE_SESSION = Reader(CreateSessionRequest, raw=("partner_info",))
LIST_SESSIONS = Reader(ListSessionsRequest)
GET_SESSION = Reader(GetSessionRequest)
REPLACE_SESSION = Reader(ReplaceSessionRequest, raw=("partner_info",))
CANCEL_SESSION = Reader(CancelSessionRequest)
CREATE_AUTHENTICATION = Reader(CreateAuthenticationRequest)
QUALIFICATION = Writer(CheckQualificationResponse)
SESSION = Writer(Session, nulls=True, optional=OF_SOME, foreign=FOREIGN)
SESSIONS = Writer(ListSessionsResponse)
AUTHENTICATION = Writer(Authentication)


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


@bp.get("/sessions")
def list_sessions() -> Response:
    if "session_key" in asked.args:
        return get_session()
    request = read_query(LIST_SESSIONS, ahead=_known)
    return answer(200, SESSIONS, call(backends.sessions().ListSessions, request))


def get_session() -> Response:
    """The one session of a list that a session_key names."""
    request = read_query(GET_SESSION, ahead=_known)
    return answer(200, SESSION, call(backends.sessions().GetSession, request))


@bp.put("/sessions")
def replace_session() -> Response:
    request = read(REPLACE_SESSION, ahead=_known)
    return answer(200, SESSION, call(backends.sessions().ReplaceSession, request))


@bp.delete("/sessions")
def cancel_session() -> Response:
    request = read(CANCEL_SESSION, ahead=_known)
    return answer(200, SESSION, call(backends.sessions().CancelSession, request))


@bp.post("/authentications")
def create_authentication() -> Response:
    request = read(CREATE_AUTHENTICATION, ahead=_known)
    link = call(backends.sessions().CreateAuthentication, request)
    return answer(201, AUTHENTICATION, link)


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
