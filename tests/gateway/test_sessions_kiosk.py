"""GET /authentications/qr, and lists and answers with what the exam adds, over HTTP."""

import re
from typing import Any

import pytest
from flask.testing import FlaskClient

from sessions_svc.rules.statuses import Status
from tests.gateway.session_calls import PARTNER, SESSIONS
from tests.serving import Served, build_basic
from tests.sessions_svc.desk import bring, build_dispensed_glasses, move

QR = "/api/v2/partners/authentications/qr"


def test_it_works(http: FlaskClient, sessions: Served, unique: str) -> None:
    bring(sessions, unique, Status.CREATED, store_id="store_1234")
    query = {"user_key": unique, "session_key": unique}
    answer = http.get(QR, query_string=query, headers=PARTNER)
    assert (answer.status_code, answer.content_type) == (200, "image/svg+xml")
    assert answer.headers["Cache-Control"] == "no-store"
    assert answer.headers["Content-Security-Policy"] == "default-src 'none'"
    assert re.match(rb"<\?xml [^>]*>\n<svg [^>]*>", answer.data)
    assert unique.encode() not in answer.data


@pytest.mark.parametrize(
    ("query", "headers", "status"),
    [
        ({}, PARTNER, 400),
        ({"user_key": "KEY"}, PARTNER, 400),
        ({"user_key": "KEY", "session_key": "KEY", "size": "9"}, PARTNER, 400),
        ({"user_key": "KEY", "session_key": "KEY"}, {}, 401),
        ({"user_key": "KEY", "session_key": "x"}, PARTNER, 404),
        (
            {"user_key": "KEY", "session_key": "KEY"},
            {"Authorization": build_basic("other-partner")},
            404,
        ),
        ({"user_key": "KEY", "session_key": "KEY"}, PARTNER, 422),
    ],
)
def test_refusals_are_problems(
    http: FlaskClient, sessions: Served, unique: str, query: Any, headers: Any, status: int
) -> None:
    bring(sessions, unique, Status.CREATED)
    named = {name: value.replace("KEY", unique) for name, value in query.items()}
    answer = http.get(QR, query_string=named, headers=headers)
    assert (answer.status_code, answer.content_type) == (status, "application/problem+json")


def test_a_list_has_prescriptions_without_files(
    http: FlaskClient, sessions: Served, unique: str
) -> None:
    bring(sessions, unique, Status.AWAITING_REVIEW, store_id="store_1234")
    move(sessions, "ChooseProduct", unique, product="glasses")
    asset = {"content_type": "text/plain", "source": "YQ=="}
    dispensed = [build_dispensed_glasses(assets=[asset])]
    move(sessions, "Approve", unique, dispensed_prescriptions=dispensed)
    query = {"user_key": unique}
    (listed,) = http.get(SESSIONS, query_string=query, headers=PARTNER).get_json()["data"]
    query["session_key"] = unique
    single = http.get(SESSIONS, query_string=query, headers=PARTNER).get_json()
    assert single["data"]["dispensed_prescriptions"][0].pop("assets") == [asset]
    added = {
        "chosen_product": "glasses",
        "store_id": "store_1234",
        "store_name": "Main Street",
        "mode": "in_store",
    }
    assert single == {**listed, **added}
    assert listed["data"]["dispensed_prescriptions"][0]["right_eye"]["cylinder"] is None


def test_the_door_asks_again_without_a_choice(
    http: FlaskClient, sessions: Served, unique: str
) -> None:
    from tests.sessions_svc.links import create_link

    bring(sessions, unique, Status.CREATED)
    link = {**create_link(sessions, unique), "visit": "v" * 22}
    asked = http.post("/login", data={**link, "product": ""})
    assert asked.status_code == 422
    assert "Choose what the test is for." in asked.text
    assert "Set-Cookie" not in asked.headers
    both = {**link, "product": ["", "contacts"]}
    assert http.post("/login", data=both).status_code == 303
    query = {"user_key": unique, "session_key": unique}
    single = http.get(SESSIONS, query_string=query, headers=PARTNER).get_json()
    assert single["chosen_product"] == "contacts"


def test_pages_speak_the_partners_language(
    http: FlaskClient, sessions: Served, unique: str
) -> None:
    from tests.sessions_svc.bodies import create
    from tests.sessions_svc.desk import create_partner
    from tests.sessions_svc.links import create_link

    authorization = create_partner(sessions, unique, language="de")
    request = create(user_key=unique, session_key=unique)
    sessions.call("CreateSession", request, "", authorization=authorization)
    link = create_link(sessions, unique, who="", authorization=authorization)
    said = http.get("/login", query_string=link)
    assert '<html lang="de">' in said.text
    assert "Wofür ist der Test?" in said.text
    said = http.get("/login", query_string=link, headers={"Accept-Language": "fr"})
    assert '<html lang="fr">' in said.text
