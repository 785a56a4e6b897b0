"""The documentation in Chromium: it is complete, calls this gateway alone, and is tried."""

import gzip
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

import pytest
from flask.testing import FlaskClient
from playwright.sync_api import Page, expect

from demo.__main__ import GUIDE
from gateway import create_app, read_demo
from tests.browser import DESK, PHONE, Windows, save_picture, serve_app
from tests.gateway.front import front
from tests.serving import Served

pytestmark = pytest.mark.parametrize("engine", ["sqlite"], indirect=True)
HEADINGS = {
    "sessions": "Vision-test sessions",
    "orders": "Eyeglass lab orders",
    "subscriptions": "Contact-lens subscriptions",
}
VIEWS: Any = [{"scheme": "dark", "size": PHONE}, {"scheme": "light", "size": DESK}]


@pytest.fixture(scope="module")
def demo_site(
    sessions: Served, orders: Served, subscriptions: Served, engine: str
) -> Iterator[str]:
    """The address of a gateway that runs a demo."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("GATEWAY_DEMO", str(GUIDE))
        demo = read_demo("GATEWAY_DEMO")
    served = {"sessions": sessions, "orders": orders, "subscriptions": subscriptions}
    app = create_app({"DEMO": demo, **{f"{n.upper()}_ADDR": served[n].address for n in served}})
    with serve_app(app) as address:
        yield address
    app.extensions["backends"].close()


def open_docs(windows: Windows, url: str, **options: object) -> tuple[Page, set[str]]:
    """Open a page of the documentation; returns the hosts that it asks, too."""
    page = windows.open(**options)  # type: ignore[arg-type]
    hosts: set[str] = set()
    page.on("request", lambda sent: hosts.add(urlsplit(sent.url).netloc))
    page.goto(url)
    page.locator(".opblock").first.wait_for()
    return page, hosts


def show(page: Page, scheme: Any, size: Any) -> None:
    """Show a page in a scheme and at a size, which it must fit."""
    page.emulate_media(color_scheme=scheme)
    page.set_viewport_size(size)
    assert page.evaluate("document.documentElement.scrollWidth") <= size["width"]


@pytest.mark.parametrize(
    ("service", "operation", "answer"),
    [
        ("sessions", "Me/who_am_i", "store_1234"),
        ("orders", "Labs/list_labs", "Acme Lab"),
        ("subscriptions", "Me/who_am_i", "Tienda Moderna"),
    ],
)
def test_every_call_is_shown_and_one_is_tried_without_another_host(
    demo_site: str, windows: Windows, service: str, operation: str, answer: str
) -> None:
    """The call is tried with the credentials of the demo."""
    page, hosts = open_docs(windows, f"{demo_site}/docs/{service}")
    expect(page.locator(".info .title")).to_contain_text(HEADINGS[service])
    expect(page.get_by_role("heading", name="Credentials", exact=True)).to_be_visible()
    document = page.request.get(f"{demo_site}/openapi/{service}.json").json()
    calls = sum(len(methods) for methods in document["paths"].values())
    expect(page.locator(".opblock")).to_have_count(calls + len(document["webhooks"]))
    for look in VIEWS:
        show(page, **look)
        save_picture(page, f"docs-{service}-{look['scheme']}-{look['size']['width']}")
    page.locator(".opblock-summary-control").first.click()
    samples = page.locator(".samples").first
    expect(samples.locator("summary")).to_have_text(["cURL", "Python", "JavaScript", "PHP"])
    samples.locator("summary").first.click()
    expect(samples.locator("pre").first).to_contain_text("curl")
    for look in VIEWS:
        show(page, **look)
        save_picture(page, f"docs-{service}-{look['scheme']}-{look['size']['width']}-call")
    block = page.locator(f"#operations-{operation.replace('/', '-')}")
    if block.get_by_role("button", name="Try it out").count() == 0:
        block.locator(".opblock-summary-control").click()
    block.get_by_role("button", name="Try it out").click()
    block.get_by_role("button", name="Execute").click()
    expect(block.locator(".live-responses-table .response-col_status").last).to_contain_text("200")
    expect(block.locator(".live-responses-table")).to_contain_text(answer)
    page.wait_for_load_state("networkidle")
    assert hosts == {urlsplit(demo_site).netloc}


def test_an_opened_call_has_a_link(demo_site: str, windows: Windows) -> None:
    page, _ = open_docs(windows, f"{demo_site}/docs/sessions")
    page.locator(".opblock-summary-control").first.click()
    link = f"{demo_site}/docs/sessions#/Me/who_am_i"
    page.wait_for_url(link)
    page.reload()
    expect(page.locator(".opblock.is-open")).to_have_id("operations-Me-who_am_i")
    # The reader asks whether `_` was meant as a space in its older links.
    windows.wrong[:] = [each for each in windows.wrong if "escaping deep link" not in each]


def test_without_a_demo_no_credentials_are_shown(site: str, windows: Windows) -> None:
    page, _ = open_docs(windows, f"{site}/docs/sessions")
    assert "demo-partner" not in page.locator("main > :not(#reader)").all_inner_texts()
    assert page.locator("#reader").get_attribute("data-secret") is None


def test_the_policy_allows_this_gateway_alone(engine: str) -> None:
    with front() as client:
        assert_policy(client)


def assert_policy(client: FlaskClient) -> None:
    moved = client.get("/docs")
    assert (moved.status_code, moved.headers["Location"]) == (302, "/docs/sessions")
    page = client.get("/docs/orders")
    assert page.headers["Content-Security-Policy"] == (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; "
        "connect-src 'self'; form-action 'none'; base-uri 'none'; frame-ancestors 'none'"
    )
    assert "http" not in page.text.replace("http-equiv", "")
    for name in ("swagger-ui-bundle.js", "swagger-ui.css"):
        file = client.get(f"/assets/reader/{name}", buffered=True)
        assert (file.status_code, file.headers["Cache-Control"]) == (200, "no-cache")
        coded = client.get(f"/assets/reader/{name}", headers={"Accept-Encoding": "gzip"})
        assert coded.headers["Content-Encoding"] == "gzip"
        assert gzip.decompress(coded.data) == file.data
        again = client.get(coded.request.path, headers={"If-None-Match": coded.headers["ETag"]})
        assert (again.status_code, again.data) == (304, b"")
    for name in ("index.css", "VERSION", "..%2f__init__.py", "x"):
        assert client.get(f"/assets/reader/{name}").status_code == 404
    assert client.get("/docs/labs").status_code == 404
