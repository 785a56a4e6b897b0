"""CreateSession, called directly over gRPC on both engines."""

import math
from datetime import UTC, date, datetime, timedelta

import pytest
from google.protobuf.json_format import MessageToDict, ParseDict
from grpc import StatusCode
from sqlalchemy import select

from chassis.errors import Fault
from protos.sessions_pb2 import CreateSessionRequest
from sessions_svc.store import tables
from sessions_svc.store.personal import SESSIONS
from tests.serving import PEOPLE, Failure, Served, build_basic
from tests.sessions_svc.bodies import (
    ABSENT,
    UNSET_COLUMNS,
    Values,
    build_contacts,
    build_glasses,
    build_user,
    create,
    load_example,
)

NOON = datetime(2026, 6, 15, 12, 0, 0, 987654, tzinfo=UTC)
WHOLE = NOON.replace(microsecond=0)
CONTROL = "Control characters are not allowed."
STORE = Fault("store_id", "Must be an enabled store of this partner.")
TAKEN_KEY_FAULT = Fault("session_key", "Must be a key that none of your sessions has.")


def find_rows(served: Served, session_key: str, who: str = "client") -> list[Values]:
    """Return the partner's rows of a session, without their ids."""
    query = (
        select(tables.sessions)
        .join(tables.accounts.table, tables.accounts.table.c.id == tables.sessions.c.account_id)
        .where(
            tables.sessions.c.session_key == session_key,
            tables.accounts.table.c.name == PEOPLE["sessions"][who],
        )
    )
    with served.database.read() as tx:
        rows = [dict(row._mapping) for row in SESSIONS.open_all(tx, tx.execute(query).all())]
    return [
        {name: value for name, value in row.items() if name not in ("id", "account_id")}
        for row in rows
    ]


def expect_refusal(served: Served, request: CreateSessionRequest, who: str = "client") -> Failure:
    """Return the failure of a request, which must leave the store unchanged."""
    before = served.rows()
    failure = served.refusal("CreateSession", request, who)
    assert served.rows() == before
    return failure


def test_it_works(sessions: Served, unique: str) -> None:
    body = {**load_example(), "user_key": "u" + unique, "session_key": unique}
    with sessions.clock.at(NOON):
        created = sessions.call("CreateSession", ParseDict(body, CreateSessionRequest()))
    assert MessageToDict(created, preserving_proto_field_name=True) == {
        "user_key": "u" + unique,
        "session_key": unique,
        "status": "created",
        "created_at": "2026-06-15T12:00:00Z",
    }
    assert find_rows(sessions, unique) == [
        {
            "user_key": "u" + unique,
            "session_key": unique,
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
            "created_at": WHOLE,
            "updated_at": WHOLE,
            "version": 1,
        }
    ]


def test_absent_fields_are_stored_as_absent(sessions: Served, unique: str) -> None:
    with sessions.clock.at(NOON):
        sessions.call("CreateSession", create(user_key=unique, session_key=unique, store_id=""))
    assert find_rows(sessions, unique) == [
        {
            "user_key": unique,
            "session_key": unique,
            "status": "created",
            "charged_currency": None,
            "charged_amount": None,
            "products": [],
            "store_id": None,
            "partner_info": None,
            "prescriptions": [],
            **UNSET_COLUMNS,
            "is_acuity": False,
            "missing_requirements": None,
            "visual_acuity": None,
            "erased_at": None,
            "created_at": WHOLE,
            "updated_at": WHOLE,
            "version": 1,
        }
    ]


@pytest.mark.parametrize("amount", [None, 0, 1, 2**63 - 1])
def test_no_amount_and_zero_stay_different(
    sessions: Served, unique: str, amount: int | None
) -> None:
    order = {"charged_currency": "USD", "charged_amount": amount}
    sessions.call("CreateSession", create(session_key=unique, order=order))
    assert [row["charged_amount"] for row in find_rows(sessions, unique)] == [amount]


@pytest.mark.parametrize(
    "text",
    [
        ' { "n" : 1.0, "big": 12345678901234567890123 }\n',
        '{"digits": ' + "9" * 5000 + "}",
        '{"a": "\\u0000 \\ud83d \x7f", "a": "李"}',
        '{"note": "' + "é" * 19_987 + '"}',
    ],
    ids=["numbers", "digits", "escapes", "longest"],
)
def test_partner_info_is_stored_exactly_as_sent(sessions: Served, unique: str, text: str) -> None:
    sessions.call("CreateSession", create(session_key=unique, partner_info=text))
    assert [row["partner_info"] for row in find_rows(sessions, unique)] == [text]


def test_zeros_in_an_eye_are_stored(sessions: Served, unique: str) -> None:
    eye = {"product_key": "example2", "sphere": 0.0, "cylinder": 0.0}
    prescriptions = [build_contacts(left_eye=ABSENT, right_eye=eye, verification="unverified")]
    sessions.call("CreateSession", create(session_key=unique, prescriptions=prescriptions))
    del eye["cylinder"]  # zero is none
    assert [row["prescriptions"] for row in find_rows(sessions, unique)] == [prescriptions]


def test_a_nul_in_partner_info_is_no_json(sessions: Served, unique: str) -> None:
    failure = expect_refusal(sessions, create(session_key=unique, partner_info='{"a": "\0"}'))
    assert failure.faults == (Fault("partner_info", "Must be valid JSON."),)


def test_all_faults_are_named_at_once(sessions: Served, unique: str) -> None:
    with sessions.clock.at(NOON):
        request = create(
            session_key=unique,
            user=build_user(birthdate="2026-06-16", email="nobody"),
            store_id="store_9999",
            partner_info="[]",
            prescriptions=[build_contacts(), build_glasses(left_eye={"axis": 90})],
        )
        failure = expect_refusal(sessions, request)
    assert (failure.code, failure.reason) == (StatusCode.INVALID_ARGUMENT, "INVALID")
    assert failure.faults == (
        Fault("user.email", "Must be an e-mail address, such as name@example.com."),
        Fault("prescriptions.1.left_eye.axis", "Allowed only with a cylinder that is not zero."),
        Fault("partner_info", "Must be a JSON object."),
        Fault("user.birthdate", "Must not be in the future."),
        STORE,
    )


@pytest.mark.parametrize(
    ("moment", "birthdate", "reason"),
    [
        (datetime(2026, 6, 15, 23, 59, 59, tzinfo=UTC), "2026-06-16", "INVALID"),
        (datetime(2026, 6, 16, tzinfo=UTC), "2026-06-16", "DISQUALIFIED"),
        (datetime(2026, 6, 15, 23, 59, 59, tzinfo=UTC), "2008-06-16", "DISQUALIFIED"),
    ],
)
def test_today_is_the_date_in_utc(
    sessions: Served, unique: str, moment: datetime, birthdate: str, reason: str
) -> None:
    with sessions.clock.at(moment):
        failure = expect_refusal(
            sessions, create(session_key=unique, user=build_user(birthdate=birthdate))
        )
    assert failure.reason == reason


@pytest.mark.parametrize("store_id", ["store_9999", "nowhere", "STORE_1234", "x" * 1000, "店"])
def test_a_disabled_or_unknown_store_is_refused(
    sessions: Served, unique: str, store_id: str
) -> None:
    failure = expect_refusal(sessions, create(session_key=unique, store_id=store_id))
    assert failure.faults == (STORE,)


def test_a_store_of_another_partner_is_refused(sessions: Served, unique: str) -> None:
    failure = expect_refusal(sessions, create(session_key=unique, store_id="store_1234"), "other")
    assert failure.faults == (STORE,)


@pytest.mark.parametrize("number", [math.nan, math.inf, -math.inf])
def test_nan_and_infinity_are_refused(sessions: Served, unique: str, number: float) -> None:
    request = create(session_key=unique, prescriptions=[build_contacts()])
    request.prescriptions[0].right_eye.sphere = number
    message = "Special numeric values (nan or infinity) are not permitted."
    assert expect_refusal(sessions, request).faults == (
        Fault("prescriptions.0.right_eye.sphere", message),
    )


@pytest.mark.parametrize(
    ("path", "change"),
    [
        ("user_key", {"user_key": "a\0b"}),
        ("session_key", {"session_key": "a\0b"}),
        ("user.first_name", {"user": build_user(first_name="a\0b")}),
        ("user.email", {"user": build_user(email="a\0@example.com")}),
        ("user.birthdate", {"user": build_user(birthdate="1988-01-0\0")}),
        ("user.region", {"user": build_user(region="\0L")}),
        ("order.charged_currency", {"order": {"charged_currency": "US\0"}}),
        ("order.products.0.type", {"order": {"products": [{"type": "\0"}]}}),
        ("store_id", {"store_id": "store\0"}),
        ("store_id", {"store_id": "store_1234\x1b"}),
        (
            "prescriptions.0.right_eye.product_key",
            {"prescriptions": [build_contacts(right_eye={"product_key": "example1\0"})]},
        ),
    ],
)
def test_control_characters_are_refused(
    sessions: Served, unique: str, path: str, change: Values
) -> None:
    failure = expect_refusal(sessions, create(**{"session_key": unique, **change}))
    assert failure.code is StatusCode.INVALID_ARGUMENT
    assert failure.faults[0] == Fault(path, CONTROL)
    assert {fault.path for fault in failure.faults} == {path}


def test_names_of_any_script_are_stored(sessions: Served, unique: str) -> None:
    person = build_user(first_name="\U0001d49c" * 50, last_name="Żółć 李")
    sessions.call("CreateSession", create(user_key=unique, session_key=unique, user=person))
    rows = [row for row in sessions.rows()["users"] if unique in row]
    assert [row[3:5] for row in rows] == [(person["first_name"], person["last_name"])]


BEYOND_LIMITS: Values = {
    "user": build_user(birthdate="2020-01-01", region="CA-ON"),
    "prescriptions": [build_contacts(right_eye={"product_key": "none", "sphere": 20.0})],
}


def test_a_disqualified_person_is_refused_with_every_reason(sessions: Served, unique: str) -> None:
    failure = expect_refusal(sessions, create(session_key=unique, **BEYOND_LIMITS))
    assert failure == Failure(
        StatusCode.PERMISSION_DENIED,
        "DISQUALIFIED",
        "This person does not qualify for the service.",
        metadata={"disqualifications": "age,region,unknown_product_key,prescription"},
    )
    sessions.call("CreateSession", create(session_key=unique))


def test_the_acuity_service_needs_no_qualification(sessions: Served, unique: str) -> None:
    order = {"products": [{"type": "acuity-service"}]}
    created = sessions.call(
        "CreateSession", create(session_key=unique, order=order, **BEYOND_LIMITS)
    )
    assert created.status == "created"


def test_a_product_of_another_partner_is_unknown(sessions: Served, unique: str) -> None:
    request = create(session_key=unique, prescriptions=[build_contacts()])
    failure = expect_refusal(sessions, request, "other")
    assert failure.metadata == {"disqualifications": "unknown_product_key"}
    sessions.call("CreateSession", request)


def test_faults_precede_reasons_and_reasons_precede_a_duplicate_key(
    sessions: Served, unique: str
) -> None:
    sessions.call("CreateSession", create(session_key=unique))
    request = create(session_key=unique, **BEYOND_LIMITS)
    assert expect_refusal(sessions, request).reason == "DISQUALIFIED"
    request.store_id = "nowhere"
    assert expect_refusal(sessions, request).reason == "INVALID"


def test_a_session_key_is_used_once(sessions: Served, unique: str) -> None:
    sessions.call("CreateSession", create(session_key=unique))
    again = create(user_key="another", session_key=unique, user=build_user(first_name="Other"))
    failure = expect_refusal(sessions, again)
    assert (failure.code, failure.reason) == (StatusCode.ALREADY_EXISTS, "ALREADY_EXISTS")
    assert failure.faults == (TAKEN_KEY_FAULT,)


def test_two_partners_may_use_the_same_keys(sessions: Served, unique: str) -> None:
    for who, name in (("client", "Anna"), ("other", "Otto")):
        person = build_user(first_name=name)
        request = create(user_key=unique, session_key=unique, user=person)
        sessions.call("CreateSession", request, who)
    assert (
        len(find_rows(sessions, unique, "client")) == len(find_rows(sessions, unique, "other")) == 1
    )
    rows = sessions.rows()["users"]
    assert [row[3] for row in rows if row[1] == unique] == ["Anna", "Otto"]


def test_the_newest_details_of_a_user_are_stored(sessions: Served, unique: str) -> None:
    last = build_user(email="new@example.com", last_name="New", birthdate="1990-02-28", region="CA")
    for index, person in enumerate([build_user(), last]):
        with sessions.clock.at(NOON + timedelta(days=index)):
            request = create(user_key=unique, session_key=f"{index}{unique}", user=person)
            sessions.call("CreateSession", request)
    assert [row[2:] for row in sessions.rows()["users"] if row[1] == unique] == [
        (
            *("new@example.com", "Test", "New", date(1990, 2, 28), "US-CA", None),
            *(WHOLE, WHOLE + timedelta(days=1)),
        )
    ]
    assert [len(find_rows(sessions, f"{index}{unique}")) for index in (0, 1)] == [1, 1]


@pytest.mark.parametrize(
    ("who", "authorization", "code"),
    [
        ("", None, StatusCode.UNAUTHENTICATED),
        ("client", build_basic("demo-partner", "wrong"), StatusCode.UNAUTHENTICATED),
        ("client", build_basic("nobody"), StatusCode.UNAUTHENTICATED),
        ("staff", None, StatusCode.PERMISSION_DENIED),
    ],
)
def test_only_a_partner_may_create(
    sessions: Served, unique: str, who: str, authorization: str | None, code: StatusCode
) -> None:
    sent = {"authorization": authorization} if authorization else {}
    before = sessions.rows()
    failure = sessions.refusal("CreateSession", create(session_key=unique), who, **sent)
    assert (failure.code, failure.metadata) == (code, {})
    assert sessions.rows() == before


def test_a_new_partner_has_the_default_limits(sessions: Served, unique: str) -> None:
    with sessions.database.write() as tx:
        new = build_basic(unique, tables.accounts.add(tx, unique, "client"))
    somewhere = create(session_key=unique, store_id="store_1234")
    assert sessions.refusal("CreateSession", somewhere, "", authorization=new).faults == (STORE,)
    lenses = create(session_key=unique, prescriptions=[build_contacts()])
    unknown = {"disqualifications": "unknown_product_key"}
    assert sessions.refusal("CreateSession", lenses, "", authorization=new).metadata == unknown
    assert sessions.call("CreateSession", create(session_key=unique), "", authorization=new)
