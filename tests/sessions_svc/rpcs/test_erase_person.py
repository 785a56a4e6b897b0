"""ErasePerson and ExportPerson: what is kept of a user, on both engines."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from grpc import StatusCode
from sqlalchemy import update

from chassis.persons import erase_old
from protos import sessions_pb2 as pb
from sessions_svc.definition import SERVICE
from sessions_svc.rules.statuses import Status
from sessions_svc.store import tables
from tests.chassis.audit.trails import read_entries, wait_for_entries
from tests.serving import Served, build_basic
from tests.sessions_svc import desk
from tests.sessions_svc.bodies import build_contacts, build_user, create

ENDED = (Status.APPROVED, Status.REFERRED, Status.COMPLETED, Status.CANCELLED)


def build_canary(unique: str) -> str:
    """A word that is in no other test's rows."""
    return f"Qz{unique[:12]}"


def bring(sessions: Served, key: str, status: Status = Status.APPROVED) -> str:
    """Bring a session with a canary in each personal field to a status; returns the address."""
    canary = build_canary(key)
    email = f"{canary}.{key}@example.com"
    names = {"first_name": f"{canary}a", "last_name": f"{canary}b", "birthdate": "1985-02-03"}
    fields: dict[str, Any] = {} if status is Status.COMPLETED else {"prescriptions": [
        build_contacts(right_eye={"product_key": "example1", "sphere": -3.75})
    ]}  # fmt: skip
    user = build_user(email=email, **names)
    desk.bring(sessions, key, status, user=user, partner_info=f'{{"x":"{canary}c"}}', **fields)
    return email


def erase(sessions: Served, request_id: str = "", **fields: Any) -> int:
    """Erase a person as staff."""
    sent: dict[str, Any] = {"x_request_id": request_id} if request_id else {}
    asked = pb.ErasePersonRequest(**fields)
    return int(sessions.call("ErasePerson", asked, "staff", desk=True, **sent).erased)


def dump(sessions: Served) -> str:
    """Every row of the store, as text."""
    return "\n".join(
        repr([bytes(value) if isinstance(value, memoryview) else value for value in row])
        for rows in sessions.rows().values()
        for row in rows
    )


@pytest.mark.parametrize("status", ENDED)
def test_it_works(sessions: Served, unique: str, status: Status) -> None:
    email = bring(sessions, unique, status)
    before = {name: len(rows) for name, rows in sessions.rows().items()}
    assert build_canary(unique) in dump(sessions)
    assert erase(sessions, unique, email=email.lower()) == 1
    text = dump(sessions)
    assert build_canary(unique) not in text
    after = {name: len(rows) for name, rows in sessions.rows().items()}
    kept = ("sessions", "users", "dispensed_prescriptions")
    assert {name: after[name] for name in kept} == {name: before[name] for name in kept}
    assert desk.get_session(sessions, unique).status == status
    assert not desk.move(sessions, "GetSessionRecord", unique).prescriptions
    (entry,) = read_entries(sessions, unique)
    assert (entry["rpc"], entry["ids"]) == ("SessionDeskService/ErasePerson", [unique])
    assert entry["actor"] == "staff"


@pytest.mark.parametrize("status", ENDED)
def test_an_erased_session_is_still_read_in_every_way(
    sessions: Served, unique: str, status: Status
) -> None:
    bring(sessions, unique, status)
    erase(sessions, user_key=unique)
    record = desk.move(sessions, "GetSessionRecord", unique)
    assert (record.user.email, record.partner_info) == ("", "")
    listed = sessions.call("ListSessions", pb.ListSessionsRequest(user_key=unique))
    assert len(listed.data) == 1
    session = desk.get_session(sessions, unique)
    if status is Status.APPROVED:
        (found,) = session.data.dispensed_prescriptions
        assert not (found.HasField("right_eye"))
        assert not (found.assets)
        asked = pb.GetPrescriptionFhirRequest(prescription_id=str(found.id))
        failure = sessions.refusal("GetPrescriptionFhir", asked)
        assert failure.code is StatusCode.NOT_FOUND


def test_events_go_too(sessions: Served, unique: str) -> None:
    """They hold what was dispensed, and would be sent."""
    name = f"p{unique[:20]}"
    endpoint = {"url": "https://example.com/hook", "events": ["session_completed"]}
    authorization = desk.create_partner(sessions, name, endpoint=endpoint)
    keys = {"user_key": unique, "session_key": unique}
    sessions.call("CreateSession", create(**keys), authorization=authorization)
    with sessions.database.write() as tx:
        from chassis.events.outbox import Event

        event = Event(name, unique, "session_completed", f'{{"x":"{build_canary(unique)}"}}')
        assert tables.outbox.add(tx, event, datetime.now(UTC))
    exported = export(sessions, user_key=unique)
    assert [event["body"] for event in exported["events"]] == [f'{{"x":"{build_canary(unique)}"}}']
    assert erase(sessions, user_key=unique, include_open=True) == 1
    assert unique not in {row[3] for row in sessions.rows()["outbox"]}
    assert build_canary(unique) not in str(sessions.rows()["outbox"])


def export(sessions: Served, request_id: str = "", **fields: Any) -> Any:
    """Export a person as staff."""
    sent: dict[str, Any] = {"x_request_id": request_id} if request_id else {}
    asked = pb.ExportPersonRequest(**fields)
    return json.loads(sessions.call("ExportPerson", asked, "staff", desk=True, **sent).document)


def test_export_has_all_of_a_person(sessions: Served, unique: str) -> None:
    email = bring(sessions, unique)
    (session,) = export(sessions, unique, email=email)["sessions"]
    assert (session["first_name"], session["birthdate"]) == (
        f"{build_canary(unique)}a",
        "1985-02-03",
    )
    assert session["dispensed_prescriptions"][0]["eyes"]["right_eye"]["sphere"] == -1.0
    (entry,) = wait_for_entries(sessions, unique)
    assert entry["rpc"] == "SessionDeskService/ExportPerson"


def test_a_kept_answer_is_blanked_and_still_has_no_second_effect(
    sessions: Served, unique: str
) -> None:
    keys = {"user_key": unique, "session_key": unique}
    asked = create(**keys, user=build_user(email=f"{unique}@example.com"))
    first = sessions.call("CreateSession", asked, idempotency_key=unique)
    erase(sessions, user_key=unique, include_open=True)
    assert sessions.call("CreateSession", asked, idempotency_key=unique) == first


def test_a_user_key_of_two_partners_is_not_one_person(sessions: Served, unique: str) -> None:
    for who, key in (("client", unique), ("other", f"{unique}2")):
        sessions.call("CreateSession", create(user_key=unique, session_key=key), who)
    asked = pb.ErasePersonRequest(user_key=unique, include_open=True)
    failure = sessions.refusal("ErasePerson", asked, "staff", desk=True)
    assert (failure.code, failure.faults[0].path) == (StatusCode.INVALID_ARGUMENT, "user_key")
    assert "demo-partner, other-partner" in failure.faults[0].message
    assert erase(sessions, user_key=unique, partner="other-partner", include_open=True) == 1
    other = pb.GetSessionRequest(user_key=unique, session_key=unique)
    assert sessions.call("GetSession", other).status == "created"


def test_what_is_open_is_erased_only_on_request(sessions: Served, unique: str) -> None:
    bring(sessions, unique, Status.AWAITING_REVIEW)
    before = sessions.rows()
    asked = pb.ErasePersonRequest(user_key=unique)
    failure = sessions.refusal("ErasePerson", asked, "staff", desk=True)
    assert (failure.code, failure.reason) == (StatusCode.FAILED_PRECONDITION, "OPEN")
    assert sessions.rows() == before
    assert erase(sessions, user_key=unique, include_open=True) == 1


@pytest.mark.parametrize("fields", [{}, {"email": "a@example.com", "user_key": "u"}, {"email": ""}])
@pytest.mark.parametrize("rpc", ["ExportPerson", "ErasePerson"])
def test_a_person_is_named_in_one_way(sessions: Served, rpc: str, fields: dict[str, str]) -> None:
    failure = sessions.refusal(rpc, getattr(pb, f"{rpc}Request")(**fields), "staff", desk=True)
    assert (failure.code, failure.faults[0].path) == (StatusCode.INVALID_ARGUMENT, "email")


@pytest.mark.parametrize("rpc", ["ExportPerson", "ErasePerson"])
def test_only_staff_may(sessions: Served, rpc: str) -> None:
    asked = getattr(pb, f"{rpc}Request")(email="a@example.com")
    failure = sessions.refusal(rpc, asked, desk=True, authorization=build_basic("demo-partner"))
    assert failure.code is StatusCode.PERMISSION_DENIED


def test_retention_erases_what_ended_long_ago(sessions: Served, unique: str) -> None:
    now = datetime.now(UTC)
    keys = {name: f"{unique}-{name}" for name in ("old", "new", "open")}
    bring(sessions, keys["old"])
    bring(sessions, keys["new"])
    bring(sessions, keys["open"], Status.STARTED)
    with sessions.database.write() as tx:
        for name in ("old", "open"):
            this = tables.sessions.c.session_key == keys[name]
            old = {"updated_at": now - timedelta(days=400)}
            tx.execute(update(tables.sessions).where(this).values(old))
    days = timedelta(days=365)
    assert erase_old(sessions.database, SERVICE.persons, days, now) == 1
    assert erase_old(sessions.database, SERVICE.persons, days, now) == 0
    emails = {
        name: desk.move(sessions, "GetSessionRecord", key).user.email for name, key in keys.items()
    }
    assert [name for name, email in emails.items() if email] == ["new", "open"]


def test_a_user_keeps_their_details_while_a_session_needs_them(
    sessions: Served, unique: str
) -> None:
    now = datetime.now(UTC)
    for key, status in ((f"{unique}1", Status.CANCELLED), (f"{unique}2", Status.CREATED)):
        sessions.call("CreateSession", create(user_key=unique, session_key=key))
        with sessions.database.write() as tx:
            this = tables.sessions.c.session_key == key
            values = {"status": status.value, "updated_at": now - timedelta(days=400)}
            tx.execute(update(tables.sessions).where(this).values(values))
    assert erase_old(sessions.database, SERVICE.persons, timedelta(days=365), now) == 1
    record = desk.move(sessions, "GetSessionRecord", f"{unique}1")
    assert record.user.email == "test@example.com"
