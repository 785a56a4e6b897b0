"""The dashboard's login: who may log in, how many attempts there are, what a form must carry."""

import re
from collections.abc import Iterator
from time import time
from typing import Any

import pytest
from flask.testing import FlaskClient
from playwright.sync_api import expect

from gateway import create_app
from orders_svc.rules.dashboard import MAX_ATTEMPTS
from tests.browser import PHONE, Windows, save_picture
from tests.gateway.pages.dashboard import (
    OPTICIAN,
    PASSWORD,
    assert_readable,
    build_order,
    create_order,
    log_in,
)
from tests.serving import Served

# What the pages show is the same on both engines, whose tests are those of orders_svc.
pytestmark = pytest.mark.parametrize("engine", ["sqlite"], indirect=True, scope="module")

FORM = {"email": OPTICIAN, "password": PASSWORD}
WRONG = "The e-mail address or the password is wrong."


@pytest.fixture
def client(http: FlaskClient) -> FlaskClient:
    """An HTTP client without cookies."""
    return http.application.test_client()


@pytest.fixture
def https(http: FlaskClient) -> Iterator[FlaskClient]:
    """An HTTP client of a gateway whose public URL is https."""
    config = {**http.application.config, "PUBLIC_URL": "https://orders.example.com"}
    app = create_app(config)
    yield app.test_client()
    app.extensions["backends"].close()


def seal(client: FlaskClient) -> str:
    """Return the seal of the client's session, as on a page."""
    found = re.search(r'name="seal" value="([0-9a-f]{64})"', client.get("/orders").text)
    assert found
    return found[1]


def read_location(answer: Any) -> str:
    """Check that a redirect is followed with GET, and return its location."""
    assert answer.status_code == 303
    return str(answer.headers["Location"])


def test_it_works(site: str, windows: Windows) -> None:
    page = windows.open(PHONE)
    page.goto(f"{site}/orders")
    page.wait_for_url(f"{site}/orders/login")
    assert_readable(page)
    save_picture(page, "orders-login")
    for email, password in ((OPTICIAN, "wrong"), ("nobody@example.com", PASSWORD)):
        log_in(page, email, password)
        assert page.get_by_role("alert").inner_text() == WRONG
        assert page.get_by_label("E-mail").input_value() == email
        assert page.get_by_label("Password").input_value() == ""
    assert_readable(page)
    save_picture(page, "orders-login-wrong")
    log_in(page)
    page.wait_for_url(f"{site}/orders")
    assert page.get_by_role("heading", level=1).inner_text() == "Orders"
    cookies = {each["name"]: each for each in page.context.cookies()}
    assert set(cookies) == {"orders", "orders-device"}
    for cookie in cookies.values():
        assert cookie["path"] == "/"
        assert (cookie["httpOnly"], cookie["sameSite"], cookie["secure"]) == (True, "Lax", False)
    # The session ends with the browser, at a desk where several sit; what opens nothing stays.
    assert cookies["orders"]["expires"] == -1
    assert cookies["orders-device"]["expires"] > time() + 179 * 24 * 3600
    page.get_by_role("button", name="Log out").click()
    page.wait_for_url(f"{site}/orders/login")
    assert [each["name"] for each in page.context.cookies()] == ["orders-device"]
    page.go_back()
    page.reload()
    page.wait_for_url(f"{site}/orders/login")


def test_the_keyboard_is_enough(site: str, windows: Windows) -> None:
    page = windows.open()
    page.goto(f"{site}/orders/login")
    expect(page.get_by_label("E-mail")).to_be_focused()
    page.keyboard.type(OPTICIAN)
    page.keyboard.press("Tab")
    page.keyboard.type(PASSWORD)
    page.keyboard.press("Enter")
    page.wait_for_url(f"{site}/orders")


def test_a_login_leads_to_the_requested_page(site: str, orders: Served, windows: Windows) -> None:
    order_id = create_order(orders, build_order(mode="draft"))
    page = windows.open()
    page.goto(f"{site}/orders/{order_id}")
    page.wait_for_url(f"{site}/orders/login?next=/orders/{order_id}")
    log_in(page, OPTICIAN, "wrong")
    log_in(page)
    page.wait_for_url(f"{site}/orders/{order_id}")


@pytest.mark.parametrize(
    "onward",
    [
        *("https://evil.example", "//evil.example", "/\\evil.example", "/orders/../v1/labs", "/v1"),
        *("/orders/ord_1?x", "orders", "", "/orders\n", "javascript:alert(1)", "/orders//evil"),
    ],
)
def test_a_login_leads_nowhere_else(client: FlaskClient, onward: str) -> None:
    shown = client.get("/orders/login", query_string={"next": onward}).text
    assert '<input type="hidden" name="next" value="/orders">' in shown
    assert read_location(client.post("/orders/login", data={**FORM, "next": onward})) == "/orders"


def test_over_https_the_cookie_is_secure_and_of_this_host(https: FlaskClient) -> None:
    answer = https.post("/orders/login", data=FORM, base_url="https://orders.example.com")
    session, device = answer.headers.getlist("Set-Cookie")
    assert session.startswith("__Host-orders=")
    assert device.startswith("__Host-orders-device=")
    for cookie in (session, device):
        for part in ("Secure", "HttpOnly", "Path=/", "SameSite=Lax"):
            assert f"; {part}" in cookie
        assert "Domain" not in cookie
    assert https.get("/orders", base_url="https://orders.example.com").status_code == 200


def test_after_ten_attempts_one_waits(
    client: FlaskClient, site: str, windows: Windows, unique: str
) -> None:
    form = {"email": f"{unique}@example.com", "password": "wrong"}
    codes = [client.post("/orders/login", data=form).status_code for _ in range(11)]
    assert codes == [401] * 10 + [429]
    assert client.post("/orders/login", data=form).headers["Retry-After"] == "900"
    page = windows.open()
    page.goto(f"{site}/orders/login")
    log_in(page, form["email"], "wrong")
    assert page.get_by_role("alert").inner_text() == (
        "There were too many attempts; try again in 15 minutes."
    )


def test_ten_attempts_from_elsewhere_do_not_lock_the_optician_out(
    client: FlaskClient, unique: str
) -> None:
    assert client.post("/orders/login", data=FORM).status_code == 303
    device = client.get_cookie("orders-device")
    assert device is not None
    stranger = client.application.test_client()
    form, elsewhere = {**FORM, "password": "wrong"}, {"REMOTE_ADDR": unique}
    codes = [
        stranger.post("/orders/login", data=form, environ_overrides=elsewhere).status_code
        for _ in range(11)
    ]
    assert codes == [401] * 10 + [429]
    fresh = client.application.test_client()
    assert fresh.post("/orders/login", data=FORM).status_code == 303
    # Even from where the attempts came, their own browser is let in, logged in or not.
    client.delete_cookie("orders")
    for _ in range(2):
        answer = client.post("/orders/login", data=FORM, environ_overrides=elsewhere)
        assert answer.status_code == 303
    kept = client.get_cookie("orders-device")
    assert kept is not None
    assert kept.value == device.value
    assert stranger.post("/orders/login", data=FORM, environ_overrides=elsewhere).status_code == 429


@pytest.mark.parametrize(("proxies", "status"), [(0, 429), (1, 401)])
def test_behind_a_proxy_an_address_is_what_the_proxy_says(
    http: FlaskClient, unique: str, monkeypatch: pytest.MonkeyPatch, proxies: int, status: int
) -> None:
    """Strangers in one shop; the callers wrote the first address themselves."""
    monkeypatch.setitem(MAX_ATTEMPTS, "address", 3)
    app = create_app({**http.application.config, "PROXIES": proxies})
    client, peer = app.test_client(), {"REMOTE_ADDR": unique}
    codes = []
    for number in range(4):
        form = {"email": f"{unique}{proxies}{number}@example.com", "password": "wrong"}
        headers = {"X-Forwarded-For": f"192.0.2.1, 198.51.100.{number}"}
        answer = client.post("/orders/login", data=form, headers=headers, environ_overrides=peer)
        codes.append(answer.status_code)
    assert codes == [401] * 3 + [status]
    app.extensions["backends"].close()


@pytest.mark.parametrize("number", ["", "-1", "10", "x", "1.0"])
def test_a_number_of_proxies_is_one(
    http: FlaskClient, monkeypatch: pytest.MonkeyPatch, number: str
) -> None:
    monkeypatch.setenv("GATEWAY_PROXIES", number)
    with pytest.raises(SystemExit, match="GATEWAY_PROXIES must be the number of your own proxies"):
        create_app()


def test_a_session_that_was_there_before_is_over_and_another_begins(client: FlaskClient) -> None:
    client.post("/orders/login", data=FORM)
    first = client.get_cookie("orders")
    assert first is not None
    client.post("/orders/login", data=FORM)
    second = client.get_cookie("orders")
    assert second is not None
    assert first.value != second.value
    assert client.get("/orders").status_code == 200
    client.set_cookie("orders", first.value)
    assert read_location(client.get("/orders")) == "/orders/login"


@pytest.mark.parametrize("token", ["", "x", "x" * 43, "ö" * 43, "x" * 3000, "a b"])
def test_users_without_a_session_are_sent_to_the_login(client: FlaskClient, token: str) -> None:
    client.set_cookie("orders", token)
    for answer in (client.get("/orders"), client.get("/orders/x")):
        assert read_location(answer) == "/orders/login"
        assert "orders=;" in answer.headers["Set-Cookie"]
        assert answer.headers["Cache-Control"] == "no-store"
    assert read_location(client.post("/orders/logout")).startswith("/orders/login")


HEADERS: list[dict[str, str]] = [
    {"Sec-Fetch-Site": "cross-site"},
    {"Sec-Fetch-Site": "same-site", "Origin": "http://localhost"},
    {"Origin": "https://evil.example"},
    {"Origin": "null"},
    {"Origin": "http://["},
    {"Origin": ""},
]


@pytest.mark.parametrize("headers", HEADERS)
def test_a_form_of_another_site_is_refused(client: FlaskClient, headers: dict[str, str]) -> None:
    answer = client.post("/orders/login", data=FORM, headers=headers)
    assert (answer.status_code, answer.mimetype) == (403, "text/html")
    assert "Set-Cookie" not in answer.headers
    client.post("/orders/login", data=FORM)
    form = {"seal": seal(client)}
    assert client.post("/orders/logout", data=form, headers=headers).status_code == 403
    assert client.post("/orders", data=form, headers=headers).status_code == 403
    own = {"Origin": "http://localhost"}
    assert read_location(client.post("/orders/logout", data=form, headers=own)) == "/orders/login"


def test_a_form_without_the_seal_of_its_session_is_refused(
    client: FlaskClient, orders: Served
) -> None:
    order_id = create_order(orders, build_order(mode="draft"))
    client.post("/orders/login", data=FORM)
    old = seal(client)
    client.post("/orders/login", data=FORM)
    for path in ("/orders", "/orders/logout", f"/orders/{order_id}/submit"):
        for form in ({}, {"seal": ""}, {"seal": "0" * 64}, {"seal": "ö"}, {"seal": old}):
            assert client.post(path, data=form).status_code == 403
    assert client.get("/orders").status_code == 200
    assert "Submit to Acme Lab" in client.get(f"/orders/{order_id}").text


def test_the_login_is_no_page_that_is_kept_or_framed(client: FlaskClient) -> None:
    answer = client.get("/orders/login")
    assert answer.headers["Cache-Control"] == "no-store"
    assert "frame-ancestors 'none'" in answer.headers["Content-Security-Policy"]
    assert "'unsafe" not in answer.headers["Content-Security-Policy"]


def test_without_the_service_the_door_is_out_of_reach(client: FlaskClient) -> None:
    app = create_app({"ORDERS_ADDR": "127.0.0.1:1", "RPC_TIMEOUT": 2.0})
    answer = app.test_client().post("/orders/login", data=FORM)
    assert answer.status_code == 503
    assert "Temporarily unavailable" in answer.text
    app.extensions["backends"].close()
    app.extensions["backends"].close()
