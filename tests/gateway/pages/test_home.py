"""The page at `/`, and where a page that does not exist leads."""

from pathlib import Path

import pytest
from flask.testing import FlaskClient
from playwright.sync_api import expect

from demo.__main__ import GUIDE
from gateway import read_demo
from tests.browser import DESK, PHONE, Windows, save_picture, serve_app
from tests.gateway.front import front

HTML = {"Accept": "text/html,application/xhtml+xml,*/*;q=0.8"}
LINKS = ["/docs", "/openapi.json", "/orders", "/readyz", "/livez"]


@pytest.fixture
def demo(monkeypatch: pytest.MonkeyPatch) -> object:
    """The demo's guide, as the gateway reads it."""
    monkeypatch.setenv("GATEWAY_DEMO", str(GUIDE))
    return read_demo("GATEWAY_DEMO")


@pytest.mark.parametrize(
    ("scheme", "size"), [("light", DESK), ("dark", PHONE)], ids=["light desk", "dark phone"]
)
def test_it_says_what_runs_here(
    demo: object, windows: Windows, scheme: str, size: dict[str, int]
) -> None:
    with front(DEMO=demo) as client, serve_app(client.application) as address:
        page = windows.open(size, color_scheme=scheme)
        page.goto(address)
        expect(page.get_by_role("heading", level=1)).to_have_text("Optigate runs here")
        hrefs = page.locator("main a").evaluate_all("all => all.map(a => a.getAttribute('href'))")
        assert {f"/docs/{name}" for name in ("sessions", "orders", "subscriptions")} <= {*hrefs}
        assert set(LINKS) <= {*hrefs}
        for href in hrefs:
            if href not in ("/readyz", "/orders"):  # no service runs behind this gateway
                assert page.request.get(f"{address}{href}").status < 400, href
        expect(page.locator("pre")).to_have_count(3)
        expect(page.locator("pre").first).to_contain_text("demo-partner:demo-partner-secret")
        assert page.evaluate("document.documentElement.scrollWidth") == size["width"]
        save_picture(page, f"home-{scheme}-{size['width']}")


def test_only_a_demo_shows_credentials() -> None:
    with front() as client:
        page = client.get("/", headers=HTML)
        assert (page.status_code, page.mimetype) == (200, "text/html")
        assert "demo" not in page.text


def test_programs_are_told_where_the_apis_are() -> None:
    with front() as client:
        for accept in ({}, {"Accept": "*/*"}, {"Accept": "application/json"}):
            found = client.get("/", headers=accept)
            assert (found.status_code, found.mimetype) == (404, "application/problem+json")
            assert found.get_json()["detail"] == (
                "There is no such path. The APIs are below /api/v2/partners, /v1 and "
                "/api/public/v1."
            )
        posted = client.post("/")
        assert posted.get_json()["detail"] == ("This method is not allowed; the path takes GET.")


@pytest.mark.parametrize("text", [None, "", "{", "[]", "{}", '{"credentials": {}, "calls": [{}]}'])
def test_a_broken_guide_ends_the_process(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str | None
) -> None:
    path = tmp_path / "guide.json"
    if text is not None:
        path.write_text(text)
    monkeypatch.setenv("GATEWAY_DEMO", str(path))
    with pytest.raises(SystemExit, match=r"GATEWAY_DEMO must be the path of a demo's guide.json\."):
        read_demo("GATEWAY_DEMO")


@pytest.mark.parametrize(
    ("path", "links"),
    [
        ("/nothing-here", ["/", "/docs", "/orders"]),
        ("/docs/nothing", ["/docs", "/"]),
        ("/docs/", ["/docs", "/", "/docs", "/orders"]),
        ("/docs//orders", ["/docs/orders", "/", "/docs", "/orders"]),
        ("/Doc", ["/docs", "/", "/docs", "/orders"]),
        ("/orders/", ["/orders", "/", "/docs", "/orders"]),
        ("/order", ["/orders", "/", "/docs", "/orders"]),
        ("/s/unknown/more", ["/", "/docs", "/orders"]),
        ("/assets/nothing", ["/", "/docs", "/orders"]),
        (
            "/staff/nothing/events",
            [*(f"/staff/{api}/events" for api in ("sessions", "orders", "subscriptions"))],
        ),
    ],
)
def test_a_page_that_does_not_exist_leads_somewhere(
    windows: Windows, path: str, links: list[str]
) -> None:
    with front() as client, serve_app(client.application) as address:
        page = windows.open(PHONE)
        answer = page.goto(f"{address}{path}")
        assert answer is not None
        assert answer.status == 404
        save_picture(page, "not-found")
        found = page.locator("main a").evaluate_all("all => all.map(a => a.getAttribute('href'))")
        assert found == links
        said = page.locator("main p").first.inner_text()
        if links[:2] == ["/", "/docs"]:
            assert said == "There is no page at this address."
        if len(links) == 4:
            assert said == f"There is no page at this address. Did you mean {links[0]}?"
        page.goto(f"{address}/")
        expect(page.get_by_role("heading", level=1)).to_be_visible()


def test_the_documentation_is_not_a_call_without_its_prefix() -> None:
    with front() as client:
        assert_found(client)


def assert_found(client: FlaskClient) -> None:
    headers = {"Authorization": "Basic eDp4", "Accept": "application/json"}
    for path in ("/openapi.json", "/docs/orders"):
        assert client.get(path, headers=headers).status_code == 200
