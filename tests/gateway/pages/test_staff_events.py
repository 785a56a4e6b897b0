"""The page on which staff see events and have them delivered again."""

import re

import pytest
from flask.testing import FlaskClient
from playwright.sync_api import Page

from chassis.events.states import DEAD, DELIVERED, PENDING
from tests.browser import DESK, PHONE, Windows, save_picture
from tests.event_desk import ENDED, URL, EventDesk
from tests.gateway.front import front
from tests.gateway.pages.dashboard import assert_readable
from tests.serving import SERVICES, Served, build_basic

# What the page shows is the same on both engines, whose tests are those of the services.
pytestmark = pytest.mark.parametrize("engine", ["sqlite"], indirect=True, scope="module")
STAFF = {"Authorization": build_basic("demo-staff")}
PATH = "/staff/orders/events"
SCHEMES = pytest.mark.parametrize("scheme", ["light", "dark"])
SIZES = pytest.mark.parametrize("size", [DESK, PHONE], ids=["desk", "phone"])


def open_as_staff(windows: Windows, url: str, **options: object) -> Page:
    """Open a page with the credentials of a staff account, as typed into the browser's prompt."""
    typed = {"username": "demo-staff", "password": "demo-staff-secret"}
    page = windows.open(**options, http_credentials=typed)  # type: ignore[arg-type]
    page.goto(url)
    return page


def find_seal(http: FlaskClient, headers: dict[str, str], owner: str) -> str:
    """The seal of the page's forms."""
    page = http.get(f"{PATH}?owner={owner}", headers=headers).text
    found = re.search(r'name="seal" value="([0-9a-f]{64})"', page)
    assert found
    return found[1]


@SCHEMES
@SIZES
def test_it_works(
    site: str, orders: Served, windows: Windows, unique: str, size: dict[str, int], scheme: str
) -> None:
    desk = EventDesk(orders, unique)
    desk.add("ord_1", state=DELIVERED, attempts=1, last_status=204, ended_at=ENDED)
    dead = desk.add_dead("ord_2")
    desk.add("ord_3", attempts=2, last_error="timeout")
    page = open_as_staff(windows, site + PATH, size=size, color_scheme=scheme)
    page.get_by_label("Client").fill(unique)
    page.get_by_role("button", name="Show").click()
    page.wait_for_url(f"{site}{PATH}?owner={unique}&state=")
    assert_readable(page)
    save_picture(page, f"staff-events-{scheme}-{size['width']}")
    rows = [" ".join(each.split()) for each in page.locator("tbody tr").all_inner_texts()]
    for row, words in zip(
        rows,
        (("ord_3", "pending", "due", "timeout"), ("ord_2", "dead", "500"), ("ord_1", "204")),
        strict=True,
    ):
        assert all(word in row for word in ("made", unique, *words))
    assert page.get_by_text(URL, exact=True).is_visible()
    assert "secret" not in page.content()
    page.get_by_label("State").select_option(DEAD)
    page.get_by_role("button", name="Show").click()
    page.get_by_role("button", name="Deliver again").click()
    page.wait_for_url(f"{site}{PATH}?owner={unique}&replayed={dead}")
    assert dead in page.get_by_role("status").inner_text()
    assert desk.list(owner=unique, state=PENDING).data[1].id == dead
    assert_readable(page)


@pytest.mark.parametrize("api", SERVICES)
def test_each_api_has_one(http: FlaskClient, request: pytest.FixtureRequest, api: str) -> None:
    desk = EventDesk(request.getfixturevalue(api), f"<b>{api}</b>")
    dead = desk.add_dead("stream")
    headers = {**STAFF, "Sec-Fetch-Site": "same-origin"}
    answer = http.get(f"/staff/{api}/events", headers=headers)
    assert (answer.status_code, answer.mimetype) == (200, "text/html")
    assert f"&lt;b&gt;{api}&lt;/b&gt;" in answer.text
    assert dead in answer.text
    assert answer.headers["Cache-Control"] == "no-store"
    assert "form-action 'self'" in answer.headers["Content-Security-Policy"]
    assert "Set-Cookie" not in answer.headers


def test_only_staff_see_it(http: FlaskClient, orders: Served, unique: str) -> None:
    dead = EventDesk(orders, unique).add_dead("ord_1")
    no_account = {"Authorization": build_basic("demo-staff", "wrong")}
    for headers in ({}, no_account, {"Authorization": "Basic ???"}):
        answer = http.get(PATH, headers=headers)
        assert (answer.status_code, answer.mimetype) == (401, "text/html")
        challenge = 'Basic realm="Optigate staff, orders", charset="UTF-8"'
        assert answer.headers["WWW-Authenticate"] == challenge
        assert dead not in answer.text
    client = http.get(PATH, headers={"Authorization": build_basic("demo-client")})
    assert (client.status_code, dead in client.text) == (403, False)


def test_a_form_of_another_site_or_of_other_credentials_does_nothing(
    http: FlaskClient, orders: Served, unique: str
) -> None:
    desk = EventDesk(orders, unique)
    form = {"event_id": desk.add_dead("ord_1"), "owner": unique}
    seal = find_seal(http, STAFF, unique)
    ours = {**STAFF, "Sec-Fetch-Site": "same-origin"}
    theirs = {**STAFF, "Sec-Fetch-Site": "cross-site"}
    others = {**ours, "Authorization": build_basic("demo-client")}
    for headers, sent in (
        (ours, form),
        (ours, {**form, "seal": "0" * 64}),
        (ours, {**form, "seal": "\xe9"}),
        (theirs, {**form, "seal": seal}),
        (others, {**form, "seal": seal}),
        ({**STAFF, "Origin": "https://elsewhere.example"}, {**form, "seal": seal}),
    ):
        answer = http.post(f"{PATH}/replay", data=sent, headers=headers)
        assert (answer.status_code, answer.mimetype) == (403, "text/html")
    assert desk.list(owner=unique).data[0].state == DEAD
    answer = http.post(f"{PATH}/replay", data={**form, "seal": seal}, headers=ours)
    assert answer.status_code == 303
    assert desk.list(owner=unique).data[0].state == PENDING


def test_what_is_refused_is_explained(http: FlaskClient, orders: Served, unique: str) -> None:
    desk = EventDesk(orders, unique)
    dead, seal = desk.add_dead("ord_1"), find_seal(http, STAFF, unique)
    with orders.database.write() as tx:
        desk.outbox.endpoints.disable(tx, unique, f"{URL}?key=secret", ENDED)
    for event_id, status, words in (
        (dead, 409, "The endpoint is disabled"),
        ("evt_unknown", 404, "No such event"),
        ("", 400, "event_id"),
    ):
        form = {"event_id": event_id, "owner": unique, "seal": seal}
        answer = http.post(f"{PATH}/replay", data=form, headers=STAFF)
        assert (answer.status_code, answer.mimetype) == (status, "text/html")
        assert words in answer.text or status == 400
    assert "when it answered 410" in http.get(f"{PATH}?owner={unique}", headers=STAFF).text
    for query in ("state=lost", "owner=%00", f"owner={'x' * 256}"):
        assert http.get(f"{PATH}?{query}", headers=STAFF).status_code == 400
    nothing = http.get(f"{PATH}?owner={unique}-other&replayed={dead}", headers=STAFF)
    assert "This client has no endpoint." in nothing.text
    assert "There are no such events." in nothing.text
    assert dead not in nothing.text


def test_there_is_no_page_of_another_api(http: FlaskClient) -> None:
    for method in ("GET", "POST"):
        path = "/staff/labs/events" + ("/replay" if method == "POST" else "")
        answer = http.open(path, method=method, headers=STAFF)
        assert (answer.status_code, answer.mimetype) in ((404, "text/html"), (403, "text/html"))


def test_a_service_that_is_away_is_a_page(engine: str) -> None:
    with front() as http:
        answer = http.get(PATH, headers=STAFF)
    assert (answer.status_code, answer.mimetype) == (503, "text/html")


def test_wrong_secrets_are_counted(orders: Served) -> None:
    from gateway.rates.policies import Policy

    limits = {"wrong-secrets": Policy("wrong-secrets", 2, 900)}
    wrong = {"Authorization": build_basic("demo-staff", "wrong")}
    with front(orders=orders.address, LIMITS=limits, LIMIT_STORE="") as http:
        assert [http.get(PATH, headers=wrong).status_code for _ in range(3)] == [401, 401, 429]
        assert http.get(PATH, headers=STAFF).status_code == 200
