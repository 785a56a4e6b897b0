"""Every RPC and route of sessions, called without permission: another partner finds nothing.

What there is to call is read from the proto descriptors and the URL map, so
that a new one cannot be forgotten. The pages behind /login know no accounts:
they go through DoorService, whose tokens are walked here.
"""

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import grpc
import pytest
from flask.testing import FlaskClient
from google.protobuf.json_format import ParseDict
from google.protobuf.message import Message

from protos import sessions_pb2 as pb
from protos.sessions_pb2_grpc import DoorServiceStub
from sessions_svc.rules.statuses import Status
from tests.serving import Served, build_basic, decode
from tests.sessions_svc.bodies import (
    Values,
    build_contacts,
    build_session,
    build_user,
    check,
    create,
)
from tests.sessions_svc.desk import (
    ACUITY_ORDER,
    bring,
    build_dispensed_contacts,
    build_request,
    move,
)
from tests.sessions_svc.links import RESULTS, VISIT, create_link

SERVICES = pb.DESCRIPTOR.services_by_name
PREFIX = "/api/v2/partners"
MARK = "Sphinx"  # in everything of the partner's that another may not see
OTHER_NAME = "Otto"


def list_rpcs(service: str) -> set[str]:
    """The RPCs of a service."""
    return {method.name for method in SERVICES[service].methods}


def mark_fields(**fields: Any) -> Values:
    """Return the fields of a session that shows the mark."""
    info = json.dumps({"note": MARK})
    store = "store_1234"
    return {"user": build_user(first_name=MARK), "partner_info": info, "store_id": store, **fields}


def stage(served: Served, key: str, status: Status) -> None:
    """Create the partner's session, with the mark wherever it can be."""
    if status is Status.APPROVED:
        bring(served, key, Status.AWAITING_REVIEW, **mark_fields())
        eye = {**build_dispensed_contacts()["right_eye"], "brand_label": MARK}
        move(
            served,
            "Approve",
            key,
            dispensed_prescriptions=[build_dispensed_contacts(right_eye=eye)],
        )
    else:
        bring(served, key, status, **mark_fields())


@dataclass
class Stranger:
    """A caller, and what it finds."""

    served: Served
    who: str

    def call(self, rpc: str, request: Message, *, desk: bool = False) -> tuple[str, bytes]:
        """Return the name of the status, and the bytes of the answer."""
        try:
            answer = self.served.call(rpc, request, self.who, desk=desk)
        except grpc.RpcError as error:
            failure = decode(error)
            return failure.code.name, failure.message.encode() + str(failure.faults).encode()
        return "OK", answer.SerializeToString()


def build_keys(key: str) -> dict[str, str]:
    return {"user_key": key, "session_key": key}


def find_prescription_id(served: Served, key: str) -> str:
    """Return the id of what was dispensed in the partner's session."""
    found = served.call("GetSession", pb.GetSessionRequest(**build_keys(key)))
    return str(found.data.dispensed_prescriptions[0].id)


def aim(served: Served, request: Message, key: str) -> Message:
    """Return a request, with the id of the partner's prescription where it needs one."""
    if isinstance(request, pb.GetPrescriptionFhirRequest):
        request.prescription_id = find_prescription_id(served, key)
    return request


# Each RPC of partners: a request that names another's session, the status that the session
# has, and how the call ends.
WALK: dict[str, tuple[Callable[[str], Message], Status, str]] = {
    "WhoAmI": (lambda key: pb.WhoAmIRequest(), Status.CREATED, "OK"),
    "CheckQualification": (lambda key: check(), Status.CREATED, "OK"),
    "CreateSession": (lambda key: create(**build_keys(key)), Status.CREATED, "OK"),
    "ListSessions": (lambda key: pb.ListSessionsRequest(user_key=key), Status.APPROVED, "OK"),
    "GetSession": (
        lambda key: pb.GetSessionRequest(**build_keys(key)),
        Status.APPROVED,
        "NOT_FOUND",
    ),
    "ReplaceSession": (
        lambda key: ParseDict(build_session(**build_keys(key)), pb.ReplaceSessionRequest()),
        Status.CREATED,
        "NOT_FOUND",
    ),
    "CancelSession": (
        lambda key: pb.CancelSessionRequest(**build_keys(key)),
        Status.CREATED,
        "NOT_FOUND",
    ),
    "GetPrescriptionFhir": (
        lambda key: pb.GetPrescriptionFhirRequest(),
        Status.APPROVED,
        "NOT_FOUND",
    ),
    "CreateAuthentication": (
        lambda key: pb.CreateAuthenticationRequest(**build_keys(key)),
        Status.CREATED,
        "NOT_FOUND",
    ),
    "CreateKioskLink": (
        lambda key: pb.CreateKioskLinkRequest(**build_keys(key)),
        Status.CREATED,
        "NOT_FOUND",
    ),
}
# RPCs of the desk about no session: tests/sessions_svc/rpcs has who may call them.
ALL_PARTNERS_RPCS = (
    "ConfigurePartner",
    "ListEvents",
    "ReplayEvent",
    "ExportPerson",
    "ErasePerson",
)


def test_every_rpc_is_walked() -> None:
    assert list_rpcs("SessionService") == set(WALK)
    assert list_rpcs("SessionDeskService") == {*DESK, *ALL_PARTNERS_RPCS}
    # What a provider calls is signed: its tests have what becomes of another signature.
    assert list_rpcs("DoorService") == {*DOOR, "ReceivePaymentCallback"}
    assert set(SERVICES) == {"SessionService", "SessionDeskService", "DoorService"}


@pytest.mark.parametrize("rpc", WALK)
def test_another_partner_finds_nothing(sessions: Served, unique: str, rpc: str) -> None:
    request, status, expected = WALK[rpc]
    stage(sessions, unique, status)
    asked = aim(sessions, request(unique), unique)
    before = sessions.rows()
    code, said = Stranger(sessions, "other").call(rpc, asked)
    assert code == expected
    assert MARK.encode() not in said
    after = sessions.rows()
    for table, rows in before.items():
        assert set(map(repr, rows)) <= set(map(repr, after[table]))
    if rpc != "CreateSession":
        assert after == before
        assert Stranger(sessions, "client").call(rpc, asked)[0] == "OK"


@pytest.mark.parametrize("rpc", WALK)
@pytest.mark.parametrize(("who", "expected"), [("staff", "PERMISSION_DENIED"), ("", "UNAUTH")])
def test_only_partners_call_what_is_for_partners(
    sessions: Served, unique: str, rpc: str, who: str, expected: str
) -> None:
    request, status, _ = WALK[rpc]
    stage(sessions, unique, status)
    asked = aim(sessions, request(unique), unique)
    before = sessions.rows()
    code, said = Stranger(sessions, who).call(rpc, asked)
    assert code.startswith(expected)
    assert MARK.encode() not in said
    assert sessions.rows() == before


# Each RPC of the desk for a session, with the status in which it may be called.
DESK = {
    "GetSessionRecord": Status.CREATED,
    "StartExam": Status.CREATED,
    "SubmitExam": Status.STARTED,
    "RequestConfirmation": Status.STARTED,
    "RequestRetake": Status.AWAITING_REVIEW,
    "Approve": Status.AWAITING_REVIEW,
    "Refer": Status.STARTED,
    "CompleteAcuity": Status.STARTED,
    "ChooseProduct": Status.STARTED,
    "RecordPayment": Status.STARTED,
    "RefundPayment": Status.STARTED,
    "RequestVerification": Status.STARTED,
    "RecordVerification": Status.STARTED,
}
# How the call ends for the partner's own session, where not in success: it has no price.
ENDINGS = dict.fromkeys(("RecordPayment", "RefundPayment"), "FAILED_PRECONDITION")


def stage_for(served: Served, rpc: str, key: str) -> None:
    """Create a session for which this RPC of the desk may be called."""
    more: Values = {"order": ACUITY_ORDER} if rpc == "CompleteAcuity" else {}
    if "Verification" in rpc:
        more = {"prescriptions": [build_contacts()]}
    bring(served, key, DESK[rpc], **mark_fields(**more))


@pytest.mark.parametrize("rpc", DESK)
def test_the_desk_finds_no_session_under_another_partners_name(
    sessions: Served, unique: str, rpc: str
) -> None:
    stage_for(sessions, rpc, unique)
    before = sessions.rows()
    desk = Stranger(sessions, "staff")
    assert desk.call(rpc, build_request(rpc, unique, "other"), desk=True)[0] == "NOT_FOUND"
    assert sessions.rows() == before
    ending = ENDINGS.get(rpc, "OK")
    assert desk.call(rpc, build_request(rpc, unique), desk=True)[0] == ending


@pytest.mark.parametrize("rpc", [*DESK, "ConfigurePartner"])
@pytest.mark.parametrize(
    ("who", "expected"),
    [("client", "PERMISSION_DENIED"), ("other", "PERMISSION_DENIED"), ("", "UNAUTHENTICATED")],
)
def test_only_the_staff_is_at_the_desk(
    sessions: Served, unique: str, rpc: str, who: str, expected: str
) -> None:
    if rpc == "ConfigurePartner":
        request: Message = pb.ConfigurePartnerRequest(partner="demo-partner")
    else:
        stage_for(sessions, rpc, unique)
        request = build_request(rpc, unique)
    before = sessions.rows()
    assert Stranger(sessions, who).call(rpc, request, desk=True)[0] == expected
    assert sessions.rows() == before


# Each RPC of the door: a request with a link's query, or with an exam's token.
DOOR: dict[str, Callable[[dict[str, str], str], Values]] = {
    "GetDoor": lambda link, exam: link,
    "EnterExam": lambda link, exam: {**link, "visit": VISIT},
    "GetExam": lambda link, exam: {"exam_token": exam},
    "CompleteExam": lambda link, exam: {"exam_token": exam, "visual_acuity": RESULTS},
    "CreateCheckout": lambda link, exam: {"exam_token": exam, "exam": "0" * 16},
}


@pytest.mark.parametrize("rpc", DOOR)
def test_a_token_opens_the_session_of_its_own_partner(
    sessions: Served, unique: str, rpc: str
) -> None:
    """Two partners use the same keys: what one's token opens shows nothing of the other's."""
    bring(sessions, unique, Status.CREATED, **mark_fields(order=ACUITY_ORDER))
    theirs = create(
        **build_keys(unique), user=build_user(first_name=OTHER_NAME), order=ACUITY_ORDER
    )
    sessions.call("CreateSession", theirs, "other")
    door = DoorServiceStub(sessions.channel)

    link = create_link(sessions, unique, who="other")
    token = ""
    if "exam_token" in DOOR[rpc](link, ""):
        entering = ParseDict(DOOR["EnterExam"](link, ""), pb.EnterExamRequest())
        token = door.EnterExam(entering, timeout=20).exam_token
    request = ParseDict(DOOR[rpc](link, token), getattr(pb, f"{rpc}Request")())
    answer = getattr(door, rpc)(request, timeout=20)
    assert MARK.encode() not in answer.SerializeToString()
    assert b"demo-partner" not in answer.SerializeToString()
    found = sessions.call("GetSession", pb.GetSessionRequest(**build_keys(unique)))
    assert found.status == "created"


@pytest.mark.parametrize("rpc", DOOR)
@pytest.mark.parametrize("token", ["", "x", "é" * 50])
def test_without_a_token_nobody_is_let_in(
    sessions: Served, unique: str, rpc: str, token: str
) -> None:
    bring(sessions, unique, Status.CREATED, **mark_fields(order=ACUITY_ORDER))
    link = {**create_link(sessions, unique), "token": token}
    before = sessions.rows()
    request = ParseDict(DOOR[rpc](link, token), getattr(pb, f"{rpc}Request")())
    with pytest.raises(grpc.RpcError) as caught:
        getattr(DoorServiceStub(sessions.channel), rpc)(request, timeout=20)
    assert decode(caught.value).code is grpc.StatusCode.NOT_FOUND
    assert sessions.rows() == before


# Each route: its query and body for a session, the status that the session has, and how the
# call of another partner ends.
Route = tuple[str, str]
ROUTES: dict[Route, tuple[Callable[[str], Values], Callable[[str], Values], Status, int]] = {
    ("GET", "/me"): (lambda key: {}, lambda key: {}, Status.CREATED, 200),
    ("POST", "/qualifications"): (
        lambda key: {},
        lambda key: {"user": {"birthdate": "1988-01-01", "region": "IL"}},
        Status.CREATED,
        200,
    ),
    ("POST", "/sessions"): (
        lambda key: {},
        lambda key: build_session(**build_keys(key)),
        Status.CREATED,
        201,
    ),
    ("GET", "/sessions"): (build_keys, lambda key: {}, Status.APPROVED, 404),
    ("GET", "/prescriptions/<prescription_id>/fhir"): (
        lambda key: {},
        lambda key: {},
        Status.APPROVED,
        404,
    ),
    ("PUT", "/sessions"): (
        lambda key: {},
        lambda key: build_session(**build_keys(key)),
        Status.CREATED,
        404,
    ),
    ("DELETE", "/sessions"): (lambda key: {}, build_keys, Status.CREATED, 404),
    ("GET", "/authentications/qr"): (build_keys, lambda key: {}, Status.CREATED, 404),
    ("POST", "/authentications"): (lambda key: {}, build_keys, Status.CREATED, 404),
}


def test_every_route_is_walked(http: FlaskClient) -> None:
    found = {
        (method, rule.rule.removeprefix(PREFIX))
        for rule in http.application.url_map.iter_rules()
        for method in rule.methods or ()
        if rule.rule.startswith(PREFIX) and method not in ("HEAD", "OPTIONS")
    }
    assert found == set(ROUTES)


def send(
    http: FlaskClient, route: Route, key: str, name: str, prescription_id: str
) -> tuple[int, bytes]:
    """Return the answer to an account; an empty name sends no credentials."""
    method, path = route[0], route[1].replace("<prescription_id>", prescription_id)
    query, body, _, _ = ROUTES[route]
    answer = http.open(
        PREFIX + path,
        method=method,
        query_string=query(key),
        data=json.dumps(body(key)) if method != "GET" else None,
        headers={"Authorization": build_basic(name)} if name else {},
    )
    return answer.status_code, answer.get_data()


@pytest.mark.parametrize("route", ROUTES, ids=" ".join)
def test_another_partner_finds_nothing_over_http(
    http: FlaskClient, sessions: Served, unique: str, route: Route
) -> None:
    *_, status, expected = ROUTES[route]
    stage(sessions, unique, status)
    id_ = find_prescription_id(sessions, unique) if "<prescription_id>" in route[1] else ""
    before = sessions.rows()
    for name, code in (("demo-staff", 403), ("", 401), ("nobody", 401)):
        answered, said = send(http, route, unique, name, id_)
        assert answered == code
        assert MARK.encode() not in said
        assert sessions.rows() == before
    answered, said = send(http, route, unique, "other-partner", id_)
    assert answered == expected
    assert MARK.encode() not in said
    if route != ("POST", "/sessions"):
        assert sessions.rows() == before
        assert send(http, route, unique, "demo-partner", id_)[0] in (200, 201)


def test_another_partners_list_is_empty(http: FlaskClient, sessions: Served, unique: str) -> None:
    stage(sessions, unique, Status.APPROVED)
    headers = {"Authorization": build_basic("other-partner")}
    answer = http.get(f"{PREFIX}/sessions", query_string={"user_key": unique}, headers=headers)
    assert answer.get_json()["meta"]["total_count"] == 0
    assert answer.get_json()["data"] == []
