"""The list of orders: their state, search and pages, on a desk and on a phone."""

from collections.abc import Callable, Iterator
from typing import Literal

import pytest
from flask.testing import FlaskClient
from playwright.sync_api import Page

from gateway import create_app
from gateway.pages import orders as pages
from protos.orders_pb2 import UpdateOrderRequest
from tests.browser import DESK, PHONE, Windows, save_picture, serve_app
from tests.gateway.pages.dashboard import assert_readable, build_order, create_order, open_at
from tests.serving import Served

# What the pages show is the same on both engines, whose tests are those of orders_svc.
pytestmark = pytest.mark.parametrize("engine", ["sqlite"], indirect=True, scope="module")

NAMES = ["Ada Lovelace", "Grace Hopper", "José Núñez", "Mary O'Neill", "<b>Bold</b> & Co"]


@pytest.fixture(scope="module")
def shop(start: Callable[[str, str], Served], engine: str) -> Served:
    """An orders service of its own, whose orders can be counted."""
    return start("orders", engine)


@pytest.fixture(scope="module")
def shop_site(shop: Served) -> Iterator[str]:
    """The address of a gateway in front of it."""
    app = create_app({"ORDERS_ADDR": shop.address})
    with serve_app(app) as address:
        yield address
    app.extensions["backends"].close()


@pytest.fixture(scope="module")
def made(shop: Served) -> list[str]:
    """Orders in several states, newest first."""
    ids = []
    for number, name in enumerate(NAMES):
        first, last = name.split(" ", 1)
        mode = "draft" if number % 2 else "submit"
        order = build_order(mode=mode, patient={"first_name": first, "last_name": last})
        ids.append(create_order(shop, order))
    moves = (
        {"order_id": ids[0], "lab_status": "in_progress", "tray_number": "T-100"},
        {"order_id": ids[2], "lab_status": "cancelled", "invoice_number": "INV-200"},
    )
    for move in moves:
        shop.call("UpdateOrder", UpdateOrderRequest(**move), "staff", desk=True)
    return ids[::-1]


def read_rows(page: Page) -> list[str]:
    """Return the rows of the list, their words joined by spaces."""
    page.wait_for_load_state()
    return [" ".join(each.split()) for each in page.locator("tbody tr").all_inner_texts()]


def search(page: Page, text: str) -> None:
    """Search for a text."""
    page.get_by_role("searchbox").fill(text)
    page.get_by_role("button", name="Search").click()


@pytest.mark.parametrize("size", [DESK, PHONE], ids=["desk", "phone"])
def test_it_works(shop_site: str, made: list[str], windows: Windows, size: dict[str, int]) -> None:
    page = open_at(windows, shop_site, "/orders", size=size)
    assert_readable(page)
    save_picture(page, f"orders-list-{size['width']}")
    shown = read_rows(page)
    assert len(shown) == len(made)
    for row, words in zip(
        shown,
        (
            ("<b>Bold</b> & Co", "Submitted"),
            ("Mary O'Neill", "Draft"),
            ("José Núñez", "Cancelled", "INV-200"),
            ("Grace Hopper", "Draft"),
            ("Ada Lovelace", "In progress", "T-100"),
        ),
        strict=True,
    ):
        assert all(word in row for word in (*words, "Acme Lab"))
    page.get_by_role("link", name="Grace Hopper").click()
    page.wait_for_url(f"{shop_site}/orders/{made[3]}")


def test_a_search_finds_names_and_numbers_and_leaves_none_in_a_url(
    shop_site: str, made: list[str], windows: Windows
) -> None:
    page = open_at(windows, shop_site, "/orders")
    for text, name in (
        ("nunez", "José Núñez"),
        ("hopper, gr", "Grace Hopper"),
        ("T-100", "Ada Lovelace"),
        ("INV-200", "José Núñez"),
        (made[3], "Grace Hopper"),
    ):
        search(page, text)
        page.wait_for_url(f"{shop_site}/orders")
        assert page.get_by_role("searchbox").input_value() == text
        (row,) = read_rows(page)
        assert name in row
    search(page, "nobody like this")
    assert page.get_by_text("Nothing was found.").is_visible()
    save_picture(page, "orders-search-nothing")
    page.get_by_role("link", name="Show all orders").click()
    assert len(read_rows(page)) == len(made)


@pytest.mark.parametrize("text", ["", "o"])
def test_pages_lead_to_older_orders_and_back(
    site: str,
    orders: Served,
    windows: Windows,
    monkeypatch: pytest.MonkeyPatch,
    text: str,
) -> None:
    for number in range(5):
        patient = {"first_name": f"Otto{number}", "last_name": "Pages"}
        create_order(orders, build_order(mode="draft", patient=patient))
    monkeypatch.setattr(pages, "ORDERS_PER_PAGE", 2)
    page = open_at(windows, site, "/orders")
    if text:
        search(page, "otto")
    first = read_rows(page)
    assert len(first) == 2
    assert "Otto4 Pages" in first[0]
    turn: Literal["button", "link"] = "button" if text else "link"
    assert page.get_by_role(turn, name="Newer").count() == 0
    page.get_by_role(turn, name="Older").click()
    assert "Otto2 Pages" in read_rows(page)[0]
    assert "tto" not in page.url
    page.get_by_role(turn, name="Older").click()
    assert "Otto0 Pages" in read_rows(page)[0]
    page.get_by_role(turn, name="Newer").click()
    assert "Otto2 Pages" in read_rows(page)[0]
    save_picture(page, f"orders-middle-page-{text or 'all'}")
    page.get_by_role(turn, name="Newer").click()
    assert read_rows(page) == first
    assert page.get_by_role(turn, name="Newer").count() == 0


def test_without_orders_it_says_so(
    start: Callable[[str, str], Served], engine: str, windows: Windows
) -> None:
    app = create_app({"ORDERS_ADDR": start("orders", engine).address})
    with serve_app(app) as site:
        page = open_at(windows, site, "/orders")
        assert page.get_by_text("There are no orders yet.").is_visible()
    app.extensions["backends"].close()


def test_a_refused_request_is_answered_with_a_page(http: FlaskClient) -> None:
    client = http.application.test_client()
    client.post(
        "/orders/login", data={"email": "optician@example.com", "password": "demo-password"}
    )
    for query in ("starting_after=ord_1", "ending_before=%00", "starting_after=a&ending_before=b"):
        answer = client.get(f"/orders?{query}")
        assert (answer.status_code, answer.mimetype) == (400, "text/html")
