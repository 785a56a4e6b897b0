"""ReplaceSession, called directly over gRPC on both engines."""

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from typing import Any

from google.protobuf.json_format import MessageToDict, ParseDict
from grpc import StatusCode
from sqlalchemy import select

from chassis.store.encryption.columns import Personal
from protos import sessions_pb2 as pb
from sessions_svc.rules.statuses import Status
from sessions_svc.store.personal import SESSIONS, USERS
from tests.serving import Served
from tests.sessions_svc.bodies import (
    UNSET_COLUMNS,
    Values,
    build_contacts,
    build_session,
    build_user,
    load_example,
)
from tests.sessions_svc.desk import bring, build_request, get_code, move

NOON = datetime(2026, 6, 15, 12, 0, 0, 987654, tzinfo=UTC)
LATER_MOMENT = datetime(2026, 6, 16, 12, 0, 0, tzinfo=UTC)


def build_replacement(**fields: Any) -> pb.ReplaceSessionRequest:
    """Return `build_session` as a ReplaceSessionRequest."""
    return ParseDict(build_session(**fields), pb.ReplaceSessionRequest())


def read_rows(served: Served, key: str) -> tuple[Values, Values]:
    """Return the rows of a session and its user, which have the same key, without ids."""

    def is_it(each: Personal) -> Any:
        return each.table.c.user_key == key

    with served.database.read() as tx:
        found = [
            dict(each.open(tx, tx.execute(select(each.table).where(is_it(each))).one())._mapping)
            for each in (SESSIONS, USERS)
        ]
    for each in found:
        each.pop("id", None), each.pop("account_id")
    return found[0], found[1]


def test_it_works(sessions: Served, unique: str) -> None:
    with sessions.clock.at(NOON):
        bring(sessions, unique, Status.CREATED)
    keys = {"user_key": unique, "session_key": unique}
    body = {**load_example(), **keys, "user": build_user(first_name="Anna", region="CA")}
    with sessions.clock.at(LATER_MOMENT):
        request = ParseDict(body, pb.ReplaceSessionRequest())
        replaced = sessions.call("ReplaceSession", request)
    assert MessageToDict(replaced, preserving_proto_field_name=True) == {
        **keys,
        "status": "created",
        "created_at": "2026-06-15T12:00:00Z",
    }
    row, person = read_rows(sessions, unique)
    assert row == {
        **keys,
        "status": "created",
        "charged_currency": "USD",
        "charged_amount": 6000,
        "products": ["contacts", "glasses"],
        "store_id": "store_1234",
        "partner_info": body["partner_info"],
        "prescriptions": body["prescriptions"],
        **UNSET_COLUMNS,
        "is_acuity": False,
        "missing_requirements": None,
        "visual_acuity": None,
        "erased_at": None,
        "created_at": NOON.replace(microsecond=0),
        "updated_at": LATER_MOMENT,
        "version": 2,
    }
    assert (person["first_name"], person["region"]) == ("Anna", "US-CA")
    assert person["updated_at"] == LATER_MOMENT


def test_absent_fields_are_cleared(sessions: Served, unique: str) -> None:
    keys = {"user_key": unique, "session_key": unique}
    created = ParseDict({**load_example(), **keys}, pb.CreateSessionRequest())
    sessions.call("CreateSession", created)
    sessions.call("ReplaceSession", build_replacement(**keys))
    row, _ = read_rows(sessions, unique)
    cleared = ("charged_currency", "charged_amount", "products", "store_id", "partner_info")
    assert [row[name] for name in (*cleared, "prescriptions")] == [None, None, [], None, None, []]


def test_another_order_leads_to_another_exam(sessions: Served, unique: str) -> None:
    keys = {"user_key": unique, "session_key": unique}
    bring(sessions, unique, Status.CREATED)
    order = {"products": [{"type": "acuity-service"}]}
    sessions.call("ReplaceSession", build_replacement(**keys, order=order))
    move(sessions, "StartExam", unique)
    assert move(sessions, "CompleteAcuity", unique).status == "completed"


def get_refusal(served: Served, **fields: Any) -> tuple[StatusCode, str]:
    """Return code and reason of a refusal, which must leave the store unchanged."""
    before = served.rows()
    failure = served.refusal("ReplaceSession", build_replacement(**fields))
    assert served.rows() == before
    return failure.code, failure.reason


BEYOND_LIMITS: Values = {"user": build_user(region="CA-ON"), "prescriptions": [build_contacts()]}


def test_refusals_have_an_order(sessions: Served, unique: str) -> None:
    """Faults, then an unknown session, then one that has begun, then qualification."""
    bring(sessions, unique, Status.CREATED)
    keys = {"user_key": unique, "session_key": unique}
    elsewhere = {**keys, "user_key": "another"}
    assert get_refusal(sessions, **elsewhere, **BEYOND_LIMITS, store_id="nowhere")[1] == "INVALID"
    assert get_refusal(sessions, **elsewhere, **BEYOND_LIMITS) == (
        StatusCode.NOT_FOUND,
        "NOT_FOUND",
    )
    assert get_refusal(sessions, **keys, **BEYOND_LIMITS)[1] == "DISQUALIFIED"
    move(sessions, "StartExam", unique)
    failure = get_refusal(sessions, **keys, **BEYOND_LIMITS)
    assert failure == (StatusCode.FAILED_PRECONDITION, "WRONG_STATE")


def test_the_acuity_service_needs_no_qualification(sessions: Served, unique: str) -> None:
    keys = {"user_key": unique, "session_key": unique}
    bring(sessions, unique, Status.CREATED)
    order = {"products": [{"type": "acuity-service"}]}
    sessions.call("ReplaceSession", build_replacement(**keys, **BEYOND_LIMITS, order=order))


def test_a_replacement_after_a_start_changes_nothing(sessions: Served, unique: str) -> None:
    """In whatever order they arrive, the exam keeps what it began with."""
    bring(sessions, unique, Status.CREATED)
    keys = {"user_key": unique, "session_key": unique}
    infos = [f'{{"n":{number}}}' for number in range(4)]
    calls = [("StartExam", build_request("StartExam", unique), "staff", True)] + [
        ("ReplaceSession", build_replacement(**keys, partner_info=info), "client", False)
        for info in infos
    ]

    def ends(call: tuple[str, Any, str, bool]) -> str:
        rpc, request, who, desk = call
        return get_code(sessions, rpc, request, who, desk=desk)

    with ThreadPoolExecutor(len(calls)) as pool:
        started, *codes = pool.map(ends, calls)
    assert started == "OK"
    assert set(codes) <= {"OK", "FAILED_PRECONDITION"}
    row, _ = read_rows(sessions, unique)
    made = [info for info, code in zip(infos, codes, strict=True) if code == "OK"]
    assert row["partner_info"] in made if made else row["partner_info"] is None
