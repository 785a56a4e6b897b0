"""GET /sessions over HTTP, one user's list and one session, on both engines."""

import base64
import random
from datetime import timedelta
from typing import Any

import pytest
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from gateway.sessions import SESSION
from sessions_svc.rules.prescriptions import FOREIGN_DISPENSED_FIELDS
from sessions_svc.rules.statuses import Status
from tests.gateway.session_calls import (
    NOON,
    OTHER_PARTNER,
    PARTNER,
    SESSIONS,
    check_problem,
    read_malformed,
)
from tests.gateway.session_calls import read_faults as faults_of
from tests.serving import Served
from tests.sessions_svc.bodies import create
from tests.sessions_svc.desk import (
    ACUITY_ORDER,
    bring,
    build_dispensed_contacts,
    build_dispensed_glasses,
    move,
)

CREATED = "2026-06-15T12:00:00Z"
KEY = "Must be 1 to 64 of the characters A-Z a-z 0-9 . _ : -"
REQUIRED = "Missing data for required field."
UNKNOWN_SESSION_TEXT = "You have no such session of this user."


def get(http: FlaskClient, query: str = "", headers: Any = PARTNER) -> TestResponse:
    """Return the answer to a query."""
    return http.get(f"{SESSIONS}?{query}", headers=headers)


def create_one(http: FlaskClient, key: str) -> Any:
    """A session whose user has the same key."""
    answer = get(http, f"user_key={key}&session_key={key}")
    assert (answer.status_code, answer.content_type) == (200, "application/json")
    return answer.get_json()


def test_it_works(http: FlaskClient, sessions: Served, unique: str) -> None:
    for index in range(3):
        with sessions.clock.at(NOON + timedelta(seconds=index // 2)):
            request = create(user_key=unique, session_key=f"{unique}-{index}")
            sessions.call("CreateSession", request)
    move(sessions, "StartExam", f"{unique}-1")
    answer = get(http, f"user_key={unique}")
    assert (answer.status_code, answer.content_type) == (200, "application/json")
    assert answer.get_json() == {
        "meta": {"page": 1, "per_page": 30, "total_count": 3, "total_pages": 1},
        "data": [
            {
                "user_key": unique,
                "session_key": f"{unique}-{index}",
                "status": status,
                "created_at": moment,
            }
            for index, status, moment in (
                (2, "created", "2026-06-15T12:00:01Z"),
                (1, "started", CREATED),
                (0, "created", CREATED),
            )
        ],
    }


def test_pages_are_whole(http: FlaskClient, sessions: Served, unique: str) -> None:
    for index in range(5):
        request = create(user_key=unique, session_key=f"{unique}-{index}")
        sessions.call("CreateSession", request)
    pages = [get(http, f"user_key={unique}&per_page=2&page={n}").get_json() for n in (1, 2, 3, 4)]
    keys = [[each["session_key"][-1] for each in page["data"]] for page in pages]
    assert keys == [["4", "3"], ["2", "1"], ["0"], []]
    assert [page["meta"] for page in pages] == [
        {"page": n, "per_page": 2, "total_count": 5, "total_pages": 3} for n in (1, 2, 3, 4)
    ]
    far = get(http, f"user_key={unique}&per_page=100&page={2**31 - 1}").get_json()
    assert far["data"] == []
    assert far["meta"]["total_count"] == 5


def test_an_unknown_user_has_no_sessions(http: FlaskClient, unique: str) -> None:
    assert get(http, f"user_key={unique}").get_json() == {
        "meta": {"page": 1, "per_page": 30, "total_count": 0, "total_pages": 0},
        "data": [],
    }


def test_a_session_without_results_has_no_data(
    http: FlaskClient, sessions: Served, unique: str
) -> None:
    for status in Status:
        if status in (Status.APPROVED, Status.COMPLETED):
            continue
        key = f"{unique}-{status}"
        with sessions.clock.at(NOON):
            bring(sessions, key, status)
        assert create_one(http, key) == {
            "user_key": key,
            "session_key": key,
            "status": status,
            "created_at": CREATED,
        }


def test_an_approved_session_shows_what_was_dispensed(
    http: FlaskClient, sessions: Served, unique: str
) -> None:
    with sessions.clock.at(NOON):
        bring(sessions, unique, Status.AWAITING_REVIEW)
    contacts = build_dispensed_contacts(
        assets=[{"content_type": "image/png", "source": "iVBORw=="}]
    )
    del contacts["left_eye"]
    dispensed = [contacts, build_dispensed_glasses()]
    move(sessions, "Approve", unique, dispensed_prescriptions=dispensed)
    found = create_one(http, unique)
    glasses_eye = {
        "sphere": 0.0,
        "cylinder": None,
        "axis": None,
        "add": 1.5,
        "pupillary_distance": 30.0,
    }
    ids = [each.pop("id") for each in found["data"]["dispensed_prescriptions"]]
    assert [type(each) for each in ids] == [int, int]
    assert found == {
        "user_key": unique,
        "session_key": unique,
        "status": "approved",
        "created_at": CREATED,
        "data": {
            "dispensed_prescriptions": [
                {
                    "type": "contacts",
                    "issue_date": "2026-06-15",
                    "expiration_date": "2027-06-15",
                    "right_eye": {
                        "product_keys": ["example1", "example2"],
                        "brand_label": "Example Brand",
                        "model_label": "Example Model",
                        "sphere": -1.0,
                        "cylinder": -0.25,
                        "axis": 90,
                        "add": None,
                        "base_curve": 8.7,
                        "diameter": 14.1,
                        "dominance": None,
                    },
                    "left_eye": None,
                    "assets": [{"content_type": "image/png", "source": "iVBORw=="}],
                },
                {
                    "type": "glasses",
                    "issue_date": "2026-06-15",
                    "expiration_date": "2028-06-15",
                    "right_eye": glasses_eye,
                    "left_eye": glasses_eye,
                    "assets": [],
                },
            ]
        },
    }


@pytest.mark.parametrize("size", [2 * 1024 * 1024, 5 * 1024 * 1024])
def test_a_file_comes_back_byte_for_byte(
    http: FlaskClient, sessions: Served, unique: str, size: int
) -> None:
    bring(sessions, unique, Status.AWAITING_REVIEW)
    source = random.Random(size).randbytes(size)
    move(sessions, "Approve", unique, source=source)
    (dispensed,) = create_one(http, unique)["data"]["dispensed_prescriptions"]
    assert dispensed["assets"][0]["content_type"] == "application/pdf"
    assert base64.b64decode(dispensed["assets"][0]["source"], validate=True) == source


def test_a_completed_session_shows_its_results(
    http: FlaskClient, sessions: Served, unique: str
) -> None:
    with sessions.clock.at(NOON):
        bring(sessions, unique, Status.COMPLETED, order=ACUITY_ORDER)
    assert create_one(http, unique) == {
        "user_key": unique,
        "session_key": unique,
        "status": "completed",
        "created_at": CREATED,
        "data": {
            "visual_acuity": {
                "right_eye": {"logmar": 0.1, "snellen": "20/25"},
                "left_eye": {"logmar": None, "snellen": None},
                "correction": "glasses",
            }
        },
    }


@pytest.mark.parametrize(
    ("query", "headers"),
    [
        ("user_key={0}&session_key=unknown", PARTNER),
        ("user_key=another&session_key={0}", PARTNER),
        ("user_key={0}&session_key={0}", OTHER_PARTNER),
    ],
)
def test_what_the_partner_does_not_have_is_not_found(
    http: FlaskClient, sessions: Served, unique: str, query: str, headers: Any
) -> None:
    bring(sessions, unique, Status.APPROVED)
    answer = get(http, query.format(unique), headers)
    assert check_problem(answer, 404, "Not Found", UNKNOWN_SESSION_TEXT) == {}


def test_another_partners_list_is_empty(http: FlaskClient, sessions: Served, unique: str) -> None:
    bring(sessions, unique, Status.CREATED)
    assert get(http, f"user_key={unique}", OTHER_PARTNER).get_json()["data"] == []


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("", {"user_key": [REQUIRED]}),
        ("user_key=", {"user_key": [REQUIRED]}),
        ("user_key=a%20b", {"user_key": [KEY]}),
        ("user_key=a&page=0&per_page=0", {"page": ["Must be 1 or more."], "per_page": [...]}),
        ("user_key=a&per_page=101", {"per_page": [...]}),
        ("session_key=a", {"user_key": [REQUIRED]}),
        ("user_key=a&session_key=", {"session_key": [REQUIRED]}),
        ("user_key=%C3%A9&session_key=" + "a" * 65, {"user_key": [KEY], "session_key": [KEY]}),
    ],
)
def test_a_fault_is_named(http: FlaskClient, query: str, expected: Any) -> None:
    found = faults_of(get(http, query))
    between = ["Must be from 1 to 100."]
    assert found == {path: between if texts == [...] else texts for path, texts in expected.items()}


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("user_key=a&colour=red", {"colour": ["Unknown field."]}),
        ("user_key=a&user_key=b", {"user_key": ["Given more than once."]}),
        ("user_key=a&session_key=b&page=1", {"page": ["Unknown field."]}),
        ("user_key=a&page=one", {"page": ["Expected `int`, got `str`"]}),
        ("user_key=a&page=2147483648", {"page": ["Expected `int` <= 2147483647"]}),
    ],
)
def test_a_malformed_query_is_refused(http: FlaskClient, query: str, expected: Any) -> None:
    assert read_malformed(get(http, query)) == expected


@pytest.mark.parametrize("query", ["", "user_key=a", "user_key=a&session_key=b", "colour=red"])
def test_strangers_learn_nothing(http: FlaskClient, query: str) -> None:
    answer = get(http, query, {})
    detail = "Send the name and secret of an account of this service."
    assert check_problem(answer, 401, "Unauthorized", detail) == {}


def test_answers_omit_the_fields_that_the_service_refuses() -> None:
    """The proto's option `foreign_to` agrees with the service's rules."""
    refused = {kind: frozenset(names) for kind, names in FOREIGN_DISPENSED_FIELDS.items()}
    assert SESSION.foreign == refused
