"""The page behind an invitation: an optician sets a password, and logs in with it."""

from collections.abc import Callable

import pytest
from flask.testing import FlaskClient

from chassis.context import utc_now
from orders_svc.store.access.invitations import invite_user
from orders_svc.store.access.users import NO_PASSWORD, add_user
from orders_svc.store.tables import accounts
from tests.browser import PHONE, Windows, save_picture
from tests.gateway.pages.dashboard import assert_readable, log_in
from tests.serving import Served

pytestmark = pytest.mark.parametrize("engine", ["sqlite"], indirect=True, scope="module")

PASSWORD = "four random words together"
UNKNOWN = "This link is unknown, was used or has expired; ask for another one."


@pytest.fixture
def invite(orders: Served, unique: str) -> Callable[[], str]:
    """Invites a new user, and returns the path of their link."""

    def invite_one() -> str:
        with orders.database.write() as tx:
            client = accounts.ids(tx)["demo-client"]
            user_id = add_user(tx, client, f"{unique}@example.com", NO_PASSWORD)
            return f"/orders/invitations/{invite_user(tx, user_id, utc_now())}"

    return invite_one


@pytest.fixture
def client(http: FlaskClient) -> FlaskClient:
    """An HTTP client without cookies."""
    return http.application.test_client()


def test_it_works(site: str, windows: Windows, invite: Callable[[], str], unique: str) -> None:
    path = invite()
    page = windows.open(PHONE)
    page.goto(site + path)
    assert_readable(page)
    save_picture(page, "orders-invitation")
    assert page.get_by_label("E-mail").input_value() == f"{unique}@example.com"
    for password, again, said in [
        ("password1", "password1", "The password: Is too easy to guess"),
        (PASSWORD, "four other words", "The two passwords differ."),
    ]:
        page.get_by_label("New password").fill(password)
        page.get_by_label("Once more").fill(again)
        page.get_by_role("button", name="Set the password").click()
        assert page.get_by_role("alert").inner_text().startswith(said)
        assert page.get_by_label("New password").input_value() == ""
    assert_readable(page)
    page.get_by_label("New password").fill(PASSWORD)
    page.get_by_label("Once more").fill(PASSWORD)
    page.get_by_role("button", name="Set the password").click()
    page.wait_for_url(f"{site}/orders/login?ready=1")
    assert page.get_by_role("status").inner_text() == "Your password is set."
    log_in(page, f"{unique}@example.com", PASSWORD)
    page.wait_for_url(f"{site}/orders")
    page.goto(site + path)
    assert UNKNOWN in page.content()


def test_opening_the_link_changes_nothing(
    client: FlaskClient, orders: Served, invite: Callable[[], str]
) -> None:
    path, before = invite(), orders.rows()
    for method in ("GET", "HEAD"):
        found = client.open(path, method=method)
        assert found.status_code == 200
        assert found.headers["Referrer-Policy"] == "no-referrer"
        assert found.headers["Cache-Control"] == "no-store"
    assert orders.rows() == before


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_an_unknown_link_is_a_page(client: FlaskClient, method: str) -> None:
    found = client.open("/orders/invitations/unknown", method=method)
    assert (found.status_code, UNKNOWN in found.text) == (404, True)


def test_a_form_of_another_site_sets_no_password(
    client: FlaskClient, orders: Served, invite: Callable[[], str]
) -> None:
    path, before = invite(), orders.rows()
    form = {"password": PASSWORD, "again": PASSWORD}
    found = client.post(path, data=form, headers={"Origin": "https://evil.example"})
    assert found.status_code == 403
    assert orders.rows() == before
    assert client.post(path, data=form).status_code == 303
