"""Calls to the desk, for tests: sessions that a partner creates and the desk moves."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import grpc
from google.protobuf.json_format import ParseDict
from google.protobuf.message import Message

from protos import sessions_pb2 as pb
from sessions_svc.rules.acuity import ACUITY_SERVICE
from sessions_svc.rules.statuses import Status
from sessions_svc.store import tables
from tests.serving import PEOPLE, Failure, Served, build_basic, decode
from tests.sessions_svc.bodies import Values, create

ACUITY_ORDER = {"products": [{"type": ACUITY_SERVICE}]}
VISUAL_ACUITY: Values = {
    "right_eye": {"logmar": 0.1},
    "left_eye": {},
    "correction": "glasses",
}
# An RPC, its request, who calls, and whether it is the desk's.
Call = tuple[str, Message, str, bool]
# The fields that each RPC of the desk requires beyond the session.
EXTRA_FIELDS: dict[str, Callable[[], Values]] = {
    "ChooseProduct": lambda: {"product": "contacts"},
    "RequestVerification": lambda: {"type": "contacts", "time_zone": "America/Chicago"},
    "RecordVerification": lambda: {"type": "contacts", "verification": "verified"},
    "SubmitExam": lambda: {"status": "awaiting_review"},
    "RequestConfirmation": lambda: {"missing_requirements": ["id_verification"]},
    "Approve": lambda: {"dispensed_prescriptions": [build_dispensed_contacts()]},
    "CompleteAcuity": lambda: {"visual_acuity": VISUAL_ACUITY},
}
# The RPCs of the desk that lead from created to each status.
MOVES_BY_STATUS: dict[Status, list[tuple[str, Values]]] = {
    Status.CREATED: [],
    Status.STARTED: [("StartExam", {})],
    Status.AWAITING_CHECKOUT: [("StartExam", {}), ("SubmitExam", {"status": "awaiting_checkout"})],
    Status.AWAITING_CONFIRMATION: [("StartExam", {}), ("RequestConfirmation", {})],
    Status.AWAITING_REVIEW: [("StartExam", {}), ("SubmitExam", {})],
    Status.RETAKE_REQUESTED: [("StartExam", {}), ("SubmitExam", {}), ("RequestRetake", {})],
    Status.APPROVED: [("StartExam", {}), ("SubmitExam", {}), ("Approve", {})],
    Status.REFERRED: [("StartExam", {}), ("Refer", {})],
    Status.COMPLETED: [("StartExam", {}), ("CompleteAcuity", {})],
}


def build_dispensed_contacts(**fields: Any) -> Values:
    """A contacts prescription as a doctor dispenses it, with these fields."""
    eye = {
        "product_keys": ["example1", "example2"],
        "brand_label": "Example Brand",
        "model_label": "Example Model",
        "sphere": -1.0,
        "cylinder": -0.25,
        "axis": 90,
        "base_curve": 8.7,
        "diameter": 14.1,
    }
    dates = {"issue_date": "2026-06-15", "expiration_date": "2027-06-15"}
    return {"type": "contacts", **dates, "right_eye": eye, "left_eye": dict(eye), **fields}


def build_dispensed_glasses(**fields: Any) -> Values:
    """A glasses prescription as a doctor dispenses it, with these fields."""
    eye = {"sphere": 0.0, "add": 1.5, "pupillary_distance": 30.0}
    dates = {"issue_date": "2026-06-15", "expiration_date": "2028-06-15"}
    return {"type": "glasses", **dates, "right_eye": eye, "left_eye": dict(eye), **fields}


def build_request(rpc: str, session_key: str, who: str = "client", **fields: Any) -> Message:
    """Return the request of a desk RPC for a session of the partner `who`."""
    more = EXTRA_FIELDS.get(rpc, dict)()
    partner = PEOPLE["sessions"][who]
    request: Message = getattr(pb, f"{rpc}Request")()
    source = fields.pop("source", None)
    ParseDict({"partner": partner, "session_key": session_key, **more, **fields}, request)
    if source is not None:
        asset = request.dispensed_prescriptions[0].assets.add()  # type: ignore[attr-defined]
        asset.content_type, asset.source = "application/pdf", source
    return request


def move(served: Served, rpc: str, session_key: str, who: str = "client", **fields: Any) -> Any:
    """Call an RPC of the desk for a partner's session, and return its answer."""
    return served.call(rpc, build_request(rpc, session_key, who, **fields), "staff", desk=True)


def expect_refusal(served: Served, rpc: str, session_key: str, **fields: Any) -> Failure:
    """Return the failure of a desk RPC, which must leave the store unchanged."""
    before = served.rows()
    failure = served.refusal(rpc, build_request(rpc, session_key, **fields), "staff", desk=True)
    assert served.rows() == before
    return failure


def create_partner(served: Served, name: str, **configuration: Any) -> str:
    """Create a partner with an account of this name, and return its authorization."""
    with served.database.write() as tx:
        tables.accounts.put(tx, name, "client", f"{name}-secret")
    configure(served, name, **configuration)
    return build_basic(name)


def configure(served: Served, partner: str, **configuration: Any) -> pb.ConfigurePartnerResponse:
    """Configure a partner over gRPC."""
    request = ParseDict({"partner": partner, **configuration}, pb.ConfigurePartnerRequest())
    configured: pb.ConfigurePartnerResponse = served.call(
        "ConfigurePartner", request, "staff", desk=True
    )
    return configured


def bring(served: Served, session_key: str, status: Status, **fields: Any) -> None:
    """Create a session and bring it to a status; for completed, one of the acuity service."""
    if status is Status.COMPLETED:
        fields["order"] = ACUITY_ORDER
    served.call("CreateSession", create(user_key=session_key, session_key=session_key, **fields))
    if status is Status.CANCELLED:
        keys = {"user_key": session_key, "session_key": session_key}
        served.call("CancelSession", pb.CancelSessionRequest(**keys))
        return
    for rpc, more in MOVES_BY_STATUS[status]:
        move(served, rpc, session_key, **more)


def get_session(served: Served, session_key: str) -> pb.Session:
    """Return the session with this key, whose user has the same key."""
    found: pb.Session = served.call(
        "GetSession", pb.GetSessionRequest(user_key=session_key, session_key=session_key)
    )
    return found


def get_status(served: Served, session_key: str) -> str:
    """Return the status of the session with this key, whose user has the same key."""
    return get_session(served, session_key).status


def get_code(served: Served, rpc: str, request: Message, who: str, *, desk: bool) -> str:
    """Make a call, and return the name of the gRPC status with which it ends."""
    try:
        served.call(rpc, request, who, desk=desk)
    except grpc.RpcError as error:
        name: str = decode(error).code.name
        return name
    return "OK"


def call_at_once(served: Served, calls: list[Call]) -> list[str]:
    """Make the calls at the same time, and return the sorted names of their gRPC statuses."""

    def get(call: Call) -> str:
        rpc, request, who, desk = call
        return get_code(served, rpc, request, who, desk=desk)

    with ThreadPoolExecutor(len(calls)) as pool:
        return sorted(pool.map(get, calls))
