"""Coding, caching, HEAD and Server."""

import gzip
from pathlib import Path
from typing import Any

import pytest
from flask.testing import FlaskClient

from gateway.answers.coding import MIN_BYTES
from protos.orders_pb2 import CreateOrderRequest
from tests.gateway.front import CALLER, GET, front
from tests.gateway.real_front import gunicorn
from tests.gateway.session_calls import PARTNER
from tests.gateway.subscription_calls import SHOP, URL
from tests.gateway.test_orders import post
from tests.serving import SERVICES, Served
from tests.subscriptions_svc.shop import solicit

ME = CALLER["orders"]


@pytest.fixture(scope="module")
def engine() -> str:
    """The engine under test; nothing here depends on it."""
    return "sqlite"


@pytest.fixture
def large(http: FlaskClient, body: Any) -> str:
    """The path of an order whose document is larger than 8 KB."""
    sent = body("order")
    remarks = "".join(f"REM=line {number} of many\n" for number in range(600))
    sent["frame"]["tracing"] = remarks + sent["frame"]["tracing"]
    return f"/v1/orders/{post(http, sent, ME).get_json()['id']}"


def read(http: FlaskClient, path: str, coding: str | None, **headers: str) -> Any:
    """Return the answer to a GET with this Accept-Encoding."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    asked = {} if coding is None else {"Accept-Encoding": coding}
    return http.get(path, headers={**ME, **asked, **named})


@pytest.mark.parametrize("coding", ["gzip", "gzip, deflate, br", "*", "br;q=1, gzip;q=0.1", "GZIP"])
def test_large_answers_are_coded_for_those_who_ask(
    http: FlaskClient, large: str, coding: str
) -> None:
    plain, coded = read(http, large, None), read(http, large, coding)
    assert len(plain.data) >= MIN_BYTES
    assert "Content-Encoding" not in plain.headers
    assert coded.headers["Content-Encoding"] == "gzip"
    assert gzip.decompress(coded.data) == plain.data
    assert int(coded.headers["Content-Length"]) == len(coded.data) < len(plain.data) / 2
    for answer in (plain, coded):
        assert "Accept-Encoding" in answer.vary


@pytest.mark.parametrize("coding", [None, "", "identity", "br", "gzip;q=0", "*;q=0", "gzip;q=x"])
def test_others_get_them_as_they_are(http: FlaskClient, large: str, coding: str | None) -> None:
    answer = read(http, large, coding)
    assert (answer.status_code, "Content-Encoding" in answer.headers) == (200, False)


def test_the_etag_of_a_coded_answer_is_another_one(http: FlaskClient, large: str) -> None:
    coded = read(http, large, "gzip")
    assert coded.headers["ETag"] == '"v1-gzip"'
    for tag in ('"v1-gzip"', '"v1"'):
        assert read(http, large, "gzip", If_None_Match=tag).status_code == 304


def test_a_304_has_the_etag_of_the_answer_that_it_stands_for(http: FlaskClient, large: str) -> None:
    for coding in ("gzip", "identity"):
        tag = read(http, large, coding).headers["ETag"]
        unchanged = read(http, large, coding, If_None_Match=tag)
        assert (unchanged.status_code, unchanged.headers["ETag"]) == (304, tag)


def test_small_answers_are_not_coded(http: FlaskClient) -> None:
    answer = read(http, "/v1/me", "gzip")
    assert "Content-Encoding" not in answer.headers
    assert "Accept-Encoding" in answer.vary


def test_a_large_answer_to_a_post_is_coded_too(http: FlaskClient, large: str) -> None:
    """Of a submit, whose answer is the whole order."""
    order = http.get(large, headers=ME).get_json()
    asked = {each.name for each in CreateOrderRequest.DESCRIPTOR.fields}
    draft = {**{name: order[name] for name in order if name in asked}, "mode": "draft"}
    path = f"/v1/orders/{post(http, draft, ME).get_json()['id']}/submit"
    answer = http.post(path, headers={**ME, "Accept-Encoding": "gzip"})
    assert answer.status_code == 200
    assert gzip.decompress(answer.data).startswith(b'{"id":')


@pytest.mark.parametrize("path", ["/orders/login", "/orders", "/s/{code}", "/assets/pages.css"])
def test_pages_are_never_coded(
    http: FlaskClient, subscriptions: Served, body: Any, path: str
) -> None:
    client = http.application.test_client()
    form = {"email": "optician@example.com", "password": "demo-password"}
    client.post("/orders/login", data=form)
    code = solicit(subscriptions, body).last_persisted_cart.code
    answer = client.get(path.format(code=code), headers={"Accept-Encoding": "gzip"})
    answer.close()
    assert (answer.status_code, "Content-Encoding" in answer.headers) == (200, False)
    if not path.startswith("/assets"):
        assert answer.headers["Cache-Control"] == "no-store"


def test_reads_of_an_api_are_private_and_asked_again(http: FlaskClient) -> None:
    for path, headers in (("/v1/labs", ME), ("/v1/me", ME), (URL, SHOP), ("/v1/orders/x", ME)):
        assert http.get(path, headers=headers).headers["Cache-Control"] == "private, no-cache"
    assert http.get("/v1/labs").headers["Cache-Control"] == "private, no-cache"


def test_tokens_and_links_are_kept_nowhere(http: FlaskClient, body: Any, unique: str) -> None:
    token = {"client_id": "demo-client", "client_secret": "demo-client-secret"}
    answer = http.post("/v1/oauth/token", json=token, headers={"Accept-Encoding": "gzip"})
    assert answer.headers["Cache-Control"] == "no-store"
    keys = {"user_key": unique, "session_key": unique}
    session = {**body("session"), **keys}
    http.post("/api/v2/partners/sessions", json=session, headers=PARTNER)
    link = http.post("/api/v2/partners/authentications", json=keys, headers=PARTNER)
    assert (link.status_code, link.headers["Cache-Control"]) == (201, "no-store")


def test_head_is_get_without_its_body(http: FlaskClient, large: str) -> None:
    for path, headers in ((large, ME), ("/v1/labs", ME), ("/api/public/v1/me", SHOP)):
        whole, head = http.get(path, headers=headers), http.head(path, headers=headers)
        assert (head.status_code, head.data) == (200, b"")
        for name in ("Content-Length", "Content-Type", "ETag", "Cache-Control"):
            assert head.headers.get(name) == whole.headers.get(name)


def test_wherever_get_is_head_is(http: FlaskClient) -> None:
    for rule in http.application.url_map.iter_rules():
        methods = rule.methods or set()
        assert ("HEAD" in methods) == ("GET" in methods), rule.rule


def test_heads_are_repeated_like_gets_while_a_service_is_away() -> None:
    with front() as client:
        for dialect in SERVICES:
            assert client.head(GET[dialect], headers=CALLER[dialect]).status_code == 503


def test_over_a_real_front_nothing_follows_a_head(tmp_path: Path) -> None:
    """Two requests on one connection: a body after HEAD or 304 would break the second."""
    with gunicorn(tmp_path) as running:
        client = running.connect()
        client.sendall(b"HEAD /livez HTTP/1.1\r\nHost: x\r\n\r\n")
        data = b""
        while b"\r\n\r\n" not in data:
            data += client.recv(65536)
        assert data.startswith(b"HTTP/1.1 200")
        assert data.endswith(b"\r\n\r\n")
        found = running.get("/livez", client)
        assert (found.status, found.json()) == (200, {"status": "ok"})
        # The name alone, and no version of anything.
        assert found.headers["server"] == "gunicorn"
        refused = running.ask(b"GARBAGE\r\n\r\n")
        assert refused.headers.get("server", "gunicorn") == "gunicorn"


def test_a_session_of_the_dashboard_is_no_credential_of_the_api(http: FlaskClient) -> None:
    client = http.application.test_client()
    form = {"email": "optician@example.com", "password": "demo-password"}
    client.post("/orders/login", data=form)
    cookie = client.get_cookie("orders")
    assert cookie is not None
    assert client.get("/orders").status_code == 200
    for sent in ("Session {}", "session {}", "SESSION  {}", "Session\t{}", "Bearer {}", "Basic {}"):
        headers = {**ME, "Authorization": sent.format(cookie.value)}
        for path in ("/v1/me", "/v1/labs", "/v1/orders/x/oma"):
            refused = client.get(path, headers=headers)
            assert refused.status_code == 401
            message = refused.get_json()["error"]["message"]
            assert message.startswith("A session of the dashboard") == (sent[0] in "sS")
        assert client.post("/v1/orders", json={}, headers=headers).status_code == 401
    assert client.get("/v1/me").status_code == 401  # the cookie alone
