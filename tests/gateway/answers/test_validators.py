"""ETag, If-None-Match and If-Match, on both engines."""

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient

from gateway.answers.validators import require_if_match
from protos.orders_pb2 import UpdateOrderRequest
from sessions_svc.rules.statuses import Status
from tests.gateway.front import CALLER, POST, front, read_faults
from tests.gateway.session_calls import NOON, PARTNER, SESSIONS
from tests.gateway.subscription_calls import SHOP, URL
from tests.gateway.test_orders import post
from tests.serving import SERVICES, Served
from tests.sessions_svc.desk import bring, get_status
from tests.subscriptions_svc.shop import solicit

ME = CALLER["orders"]
STALE = (
    "The ETag in If-Match is not the one of the current version: GET it again, and apply the "
    "change to that."
)
# What matches no version, and so refuses the change.
OTHERS = ['"v2"', 'W/"v1"', '"1"', "v1", '""', "", '"v99999999999999999999"', '"v1x"', "\u20ac"]
# What matches the first.
SAME = ['"v1"', '"v7", "v1"', "*", ' "v1" ', '"v1-gzip"']


@pytest.fixture
def session(sessions: Served, body: Any, unique: str) -> dict[str, Any]:
    """The body that replaces a session that was created."""
    bring(sessions, unique, Status.CREATED)
    return {**body("session"), "user_key": unique, "session_key": unique}


def read_session(http: FlaskClient, unique: str, **headers: str) -> Any:
    """Return the answer to a GET of a session."""
    keys = {"user_key": unique, "session_key": unique}
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return http.get(SESSIONS, query_string=keys, headers={**PARTNER, **named})


def put(http: FlaskClient, sent: Any, tag: str | None) -> Any:
    """Return the answer to a PUT of a session."""
    return http.put(SESSIONS, json=sent, headers=PARTNER | build_condition(tag))


def build_condition(tag: str | None) -> dict[str, str]:
    """Return the header for a tag, if there is one."""
    return {} if tag is None else {"If-Match": tag.encode().decode("latin-1")}


def test_each_change_of_a_session_is_another_version(
    http: FlaskClient, sessions: Served, session: Any, unique: str
) -> None:
    assert read_session(http, unique).headers["ETag"] == '"v1"'
    replaced = put(http, session, None)
    assert (replaced.status_code, replaced.headers["ETag"]) == (200, '"v2"')
    assert read_session(http, unique).headers["ETag"] == '"v2"'
    keys = {"user_key": unique, "session_key": unique}
    cancelled = http.delete(SESSIONS, json=keys, headers={**PARTNER, "If-Match": '"v2"'})
    assert (cancelled.status_code, cancelled.headers["ETag"]) == (200, '"v3"')


def test_what_is_known_is_not_sent_again(http: FlaskClient, session: Any, unique: str) -> None:
    for tag in ('"v1"', 'W/"v1"', '"x", "v1"', "*", '"v1-gzip"'):
        answer = read_session(http, unique, If_None_Match=tag)
        assert (answer.status_code, answer.data) == (304, b"")
        assert answer.headers["ETag"] == '"v1"'
        assert answer.headers["Cache-Control"] == "private, no-cache"
        assert "Content-Type" not in answer.headers
        assert "Accept-Encoding" in answer.vary
    for tag in ('"v2"', '"v"', "v2", ""):
        assert read_session(http, unique, If_None_Match=tag).status_code == 200
    put(http, session, None)
    assert read_session(http, unique, If_None_Match='"v1"').status_code == 200


@pytest.mark.parametrize("tag", SAME)
def test_a_put_of_the_version_that_was_read_works(
    http: FlaskClient, session: Any, tag: str
) -> None:
    assert put(http, session, tag).status_code == 200


@pytest.mark.parametrize("tag", OTHERS)
def test_a_put_of_another_version_changes_nothing(
    http: FlaskClient, sessions: Served, session: Any, tag: str
) -> None:
    before = sessions.rows()
    refused = put(http, session, tag)
    assert refused.status_code == 412
    assert read_faults("sessions", refused) == [(None, STALE)]
    assert sessions.rows() == before


def test_a_cancel_of_another_version_changes_nothing(
    http: FlaskClient, sessions: Served, session: Any, unique: str
) -> None:
    keys = {"user_key": unique, "session_key": unique}
    refused = http.delete(SESSIONS, json=keys, headers={**PARTNER, "If-Match": '"v2"'})
    assert refused.status_code == 412
    assert get_status(sessions, unique) == "created"


def test_of_two_at_once_one_is_refused(http: FlaskClient, session: Any) -> None:
    """Both have read version 1; without If-Match the slower would overwrite the other."""

    def change(_: int) -> int:
        return int(put(http, session, '"v1"').status_code)

    with ThreadPoolExecutor(4) as pool:
        assert sorted(pool.map(change, range(4))) == [200, 412, 412, 412]


def test_the_state_refuses_where_the_version_is_right(
    http: FlaskClient, sessions: Served, body: Any, unique: str
) -> None:
    bring(sessions, unique, Status.STARTED)
    sent = {**body("session"), "user_key": unique, "session_key": unique}
    tag = read_session(http, unique).headers["ETag"]
    assert put(http, sent, tag).status_code == 422
    assert put(http, sent, '"v99"').status_code == 412


def test_an_order_and_its_submission(http: FlaskClient, orders: Served, body: Any) -> None:
    draft = {**body("order"), "mode": "draft"}
    order_id = post(http, draft, ME).get_json()["id"]
    path = f"/v1/orders/{order_id}"
    assert http.get(path, headers=ME).headers["ETag"] == '"v1"'
    assert http.get(path, headers={**ME, "If-None-Match": '"v1"'}).status_code == 304
    for tag in OTHERS:
        refused = http.post(f"{path}/submit", headers=ME | build_condition(tag))
        assert refused.status_code == 412
        error = refused.get_json()["error"]
        assert (error["code"], error["message"]) == ("version_mismatch", STALE)
    submitted = http.post(f"{path}/submit", headers={**ME, "If-Match": '"v1"'})
    assert (submitted.status_code, submitted.headers["ETag"]) == (200, '"v2"')
    again = http.post(f"{path}/submit", headers={**ME, "If-Match": '"v2"'})
    assert again.status_code == 409
    change = UpdateOrderRequest(order_id=order_id, tray_number="T-1")
    orders.call("UpdateOrder", change, "staff", desk=True)
    assert http.get(path, headers=ME).headers["ETag"] == '"v3"'


@pytest.mark.parametrize("path", ["/oma", "/outline.svg", "/fhir"])
def test_what_is_drawn_from_an_order_has_a_weak_one(
    http: FlaskClient, body: Any, path: str
) -> None:
    order_id = post(http, body("order"), ME).get_json()["id"]
    url = f"/v1/orders/{order_id}{path}"
    tag = http.get(url, headers=ME).headers["ETag"]
    assert tag.startswith('W/"')
    again = http.get(url, headers={**ME, "If-None-Match": tag})
    assert (again.status_code, again.data) == (304, b"")


def test_a_subscription_has_a_weak_one_that_moves_with_the_clock(
    http: FlaskClient, subscriptions: Served, body: Any
) -> None:
    url = f"{URL}/{solicit(subscriptions, body).id}"
    first = http.get(url, headers=SHOP)
    tag = first.headers["ETag"]
    assert tag.startswith('W/"')
    assert http.get(url, headers={**SHOP, "If-None-Match": tag}).status_code == 304
    before = subscriptions.rows()
    with subscriptions.clock.at(NOON + timedelta(days=4000)):
        later = http.get(url, headers={**SHOP, "If-None-Match": tag})
    assert subscriptions.rows() == before
    changed = later.status_code == 200
    assert changed == (first.data != (later.data or first.data))


@pytest.mark.parametrize(
    "path",
    [
        "/v1/me",
        "/v1/labs/lab_456/order_settings?account_number=7654321",
        "/api/v2/partners/me",
        "/api/public/v1/me",
    ],
)
def test_other_single_things_have_a_weak_one(http: FlaskClient, path: str) -> None:
    headers = {"/v1": ME, "/api": PARTNER}[path[: path.index("/", 1)]]
    if path.startswith("/api/public"):
        headers = SHOP
    tag = http.get(path, headers=headers).headers["ETag"]
    assert tag.startswith('W/"')
    assert http.get(path, headers={**headers, "If-None-Match": tag}).status_code == 304


@pytest.mark.parametrize(("path", "headers"), [("/v1/labs", ME), (URL, SHOP)])
def test_lists_and_refusals_have_none(http: FlaskClient, path: str, headers: Any) -> None:
    for url in (path, f"{path}/nowhere"):
        answer = http.get(url, headers={**headers, "If-None-Match": "*"})
        assert answer.status_code in (200, 404)
        assert "ETag" not in answer.headers


@pytest.mark.parametrize("dialect", SERVICES)
def test_a_route_may_require_it(dialect: str) -> None:
    """No route of today does; those that come take `require_if_match`."""
    with front() as client:
        app: Flask = client.application

        def change() -> str:
            require_if_match()
            return "changed"

        app.add_url_rule(f"{POST[dialect]}/x", "x", change, methods=["PUT"])
        assert client.put(f"{POST[dialect]}/x", headers={"If-Match": "*"}).text == "changed"
        refused = client.put(f"{POST[dialect]}/x")
        assert refused.status_code == 428
        text = "Send If-Match with the ETag of a GET, so that nobody's change is overwritten."
        assert read_faults(dialect, refused) == [(None, text)]
