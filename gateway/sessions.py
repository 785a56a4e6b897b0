"""Vision-test sessions: /api/v2/partners."""

from io import BytesIO
from typing import Any
from urllib.parse import urlencode

from flask import Blueprint, Response
from flask import request as http_request

from chassis.messages.options import find_foreign_fields
from chassis.messages.reader import Reader
from chassis.messages.writer import Writer
from chassis.status import Code
from gateway import backends
from gateway.answers.links import link_pages
from gateway.backends import call
from gateway.callers import identify_caller
from gateway.problems import Dialect, Problem, write_rfc_9457
from gateway.requests import FHIR_JSON, FILE_HEADERS, answer, read, read_query, read_with_query
from protos.sessions_pb2 import (
    Authentication,
    CancelSessionRequest,
    CheckQualificationRequest,
    CheckQualificationResponse,
    CreateAuthenticationRequest,
    CreateKioskLinkRequest,
    CreateSessionRequest,
    GetPrescriptionFhirRequest,
    GetSessionRequest,
    ListSessionsRequest,
    ListSessionsResponse,
    ReplaceSessionRequest,
    Session,
    WhoAmIRequest,
    WhoAmIResponse,
)

bp = Blueprint("sessions", __name__, url_prefix="/api/v2/partners")

# Omitted where they are not set; other fields are null.
OPTIONAL_FIELDS = (
    "data",
    "dispensed_prescriptions",
    "visual_acuity",
    "eye_health",
    "chosen_product",
    "store_id",
    "store_name",
    "mode",
    "price",
    "paid_at",
    "refunded_at",
    "distance",
    "smallest_logmar",
)
WHO_AM_I = Reader(WhoAmIRequest)
CHECK_QUALIFICATION = Reader(CheckQualificationRequest)
CREATE_SESSION = Reader(CreateSessionRequest, raw=("partner_info",))
LIST_SESSIONS = Reader(ListSessionsRequest)
GET_SESSION = Reader(GetSessionRequest)
GET_PRESCRIPTION_FHIR = Reader(GetPrescriptionFhirRequest, path=("prescription_id",))
REPLACE_SESSION = Reader(ReplaceSessionRequest, raw=("partner_info",))
CANCEL_SESSION = Reader(CancelSessionRequest)
CREATE_KIOSK_LINK = Reader(CreateKioskLinkRequest)
CREATE_AUTHENTICATION = Reader(CreateAuthenticationRequest)
CALLER = Writer(WhoAmIResponse)
QUALIFICATION = Writer(CheckQualificationResponse)
SESSION = Writer(
    Session, nulls=True, optional=OPTIONAL_FIELDS, foreign=find_foreign_fields(Session)
)
SESSIONS = Writer(
    ListSessionsResponse,
    nulls=True,
    optional=(*OPTIONAL_FIELDS, "assets"),
    kept=("data",),
    foreign=find_foreign_fields(ListSessionsResponse),
)
AUTHENTICATION = Writer(Authentication)


def write_problem(problem: Problem) -> dict[str, Any]:
    """Return the problem as RFC 9457 has it, with what disqualifies a person."""
    body = write_rfc_9457(problem)
    if problem.reason == "DISQUALIFIED":
        codes = problem.metadata["disqualifications"].split(",")
        body |= {"qualifies": False, "disqualifications": codes}
    return body


DIALECT = Dialect(
    "/api/v2/partners",
    write_problem,
    status={Code.FAILED_PRECONDITION: 422},
    content_type="application/problem+json",
)


@bp.get("/me")
def who_am_i() -> Response:
    request = read_query(WHO_AM_I, ahead=identify_caller)
    return answer(200, CALLER, call(backends.sessions().WhoAmI, request))


@bp.post("/qualifications")
def check_qualification() -> Response:
    request = read(CHECK_QUALIFICATION, ahead=identify_caller)
    response = call(backends.sessions().CheckQualification, request)
    return answer(200, QUALIFICATION, response)


@bp.post("/sessions")
def create_session() -> Response:
    request = read(CREATE_SESSION, ahead=identify_caller)
    session = call(backends.sessions().CreateSession, request)
    return answer(201, SESSION, session, location=_locate(session))


@bp.get("/sessions")
def list_sessions() -> Response:
    if "session_key" in http_request.args:
        return get_session()
    request = read_query(LIST_SESSIONS, ahead=identify_caller)
    page = call(backends.sessions().ListSessions, request)
    return link_pages(answer(200, SESSIONS, page), page.meta)


def get_session() -> Response:
    """Return the session that `session_key` names."""
    request = read_query(GET_SESSION, ahead=identify_caller)
    return answer(200, SESSION, call(backends.sessions().GetSession, request))


@bp.put("/sessions")
def replace_session() -> Response:
    request = read(REPLACE_SESSION, ahead=identify_caller)
    return answer(200, SESSION, call(backends.sessions().ReplaceSession, request))


@bp.delete("/sessions")
def cancel_session() -> Response:
    request = read_with_query(CANCEL_SESSION, ahead=identify_caller)
    return answer(200, SESSION, call(backends.sessions().CancelSession, request))


@bp.post("/authentications")
def create_authentication() -> Response:
    request = read(CREATE_AUTHENTICATION, ahead=identify_caller)
    link = call(backends.sessions().CreateAuthentication, request)
    response = answer(201, AUTHENTICATION, link)
    response.headers["Cache-Control"] = "no-store"
    return response


@bp.get("/authentications/qr")
def create_kiosk_link() -> Response:
    request = read_query(CREATE_KIOSK_LINK, ahead=identify_caller)
    link = call(backends.sessions().CreateKioskLink, request)
    response = Response(draw_code(link.link), content_type="image/svg+xml", headers=FILE_HEADERS)
    response.headers["Cache-Control"] = "no-store"
    return response


def draw_code(text: str) -> bytes:
    """Return a text as a QR code, in SVG."""
    from segno import make_qr

    drawn = BytesIO()
    make_qr(text, error="m").save(drawn, kind="svg", scale=8, border=4, light="#fff")
    return drawn.getvalue()


@bp.get("/prescriptions/<prescription_id>/fhir")
def get_prescription_fhir(prescription_id: str) -> Response:
    request = read_query(
        GET_PRESCRIPTION_FHIR, ahead=identify_caller, prescription_id=prescription_id
    )
    document = call(backends.sessions().GetPrescriptionFhir, request)
    return Response(document.json, content_type=FHIR_JSON, headers=FILE_HEADERS)


def _locate(session: Session) -> str:
    keys = {"user_key": session.user_key, "session_key": session.session_key}
    return f"{bp.url_prefix}/sessions?{urlencode(keys)}"
