"""What all pages share: the policy, the assets, and failures as pages."""

from flask.testing import FlaskClient

from tests.browser import PHONE, Windows, save_picture
from tests.gateway.front import front

HTML = {"Accept": "text/html,application/xhtml+xml,*/*;q=0.8"}


def test_it_works(site: str, windows: Windows) -> None:
    page = windows.open(PHONE)
    answer = page.goto(f"{site}/nothing-here")
    assert answer is not None
    assert answer.status == 404
    assert page.get_by_role("heading").inner_text() == "Page not found"
    assert page.locator("code").inner_text() == answer.headers["x-request-id"]
    assert page.evaluate("document.documentElement.scrollWidth") == PHONE["width"]
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(244, 246, 248)"
    save_picture(page, "problem")


def test_a_page_may_load_and_post_to_nothing_but_this_gateway(http: FlaskClient) -> None:
    answer = http.get("/nothing-here", headers=HTML)
    assert answer.headers["Content-Security-Policy"] == (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; "
        "connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
    )
    assert answer.headers["Cache-Control"] == "no-store"
    assert answer.headers["Referrer-Policy"] == "same-origin"
    assert answer.headers["X-Content-Type-Options"] == "nosniff"


def test_clients_that_do_not_accept_html_get_a_problem(http: FlaskClient) -> None:
    for accept in ({}, {"Accept": "*/*"}, {"Accept": "application/json"}):
        answer = http.get("/nothing-here", headers=accept)
        assert (answer.status_code, answer.content_type) == (404, "application/problem+json")


def test_below_an_api_a_browser_gets_its_errors_too(http: FlaskClient) -> None:
    answer = http.get("/v1/nothing-here", headers=HTML)
    assert (answer.status_code, answer.content_type) == (404, "application/json")


def test_an_asset_is_revalidated_and_not_sent_again() -> None:
    with front() as client:
        first = client.get("/assets/pages.css", buffered=True)
        assert (first.status_code, first.content_type) == (200, "text/css; charset=utf-8")
        assert first.headers["Cache-Control"] == "no-cache"
        assert first.headers["X-Content-Type-Options"] == "nosniff"
        asked = {"If-None-Match": first.headers["ETag"]}
        again = client.get("/assets/pages.css", headers=asked, buffered=True)
        assert (again.status_code, again.data) == (304, b"")


def test_nothing_but_assets_is_served_as_one() -> None:
    with front() as client:
        for name in ("../__init__.py", "%2e%2e/__init__.py", "..%2f__init__.py", "x", "\x00"):
            assert client.get(f"/assets/{name}").status_code == 404
