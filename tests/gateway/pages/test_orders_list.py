"""What the dashboard's list is narrowed to, who looks at it, and when: in a real browser."""

from collections.abc import Callable, Iterator

import pytest
from playwright.sync_api import Page, expect

from gateway import create_app
from gateway.pages import orders as pages
from protos.orders_pb2 import UpdateOrderRequest
from tests.browser import DESK, PHONE, Windows, save_picture, serve_app
from tests.gateway.pages.dashboard import assert_readable, build_order, create_order, open_at
from tests.serving import Served

pytestmark = pytest.mark.parametrize("engine", ["sqlite"], indirect=True, scope="module")
OTHER_LAB = {"lab": "lab_456", "account_number": "7654321"}


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
def made(shop: Served) -> dict[str, str]:
    """Orders by the first names of their patients."""
    ids = {}
    for name, mode, lab in (
        ("Ada", "draft", {}),
        ("Bob", "submit", {}),
        ("Cyd", "draft", OTHER_LAB),
        ("Dan", "draft", {}),
        ("Eve", "draft", {}),
    ):
        patient = {"first_name": name, "last_name": "Lane"}
        order = build_order(mode=mode, patient=patient, **lab)
        if lab:  # which has other lenses
            order = {**order, "order_type": "frame"}
            for block in ("lens", "rx", "mounting_option", "services"):
                del order[block]
            del order["frame"]["tracing"]
        ids[name] = create_order(shop, order)
    held = UpdateOrderRequest(order_id=ids["Bob"], lab_status="on_hold")
    shop.call("UpdateOrder", held, "staff", desk=True)
    return ids


def read_names(page: Page) -> list[str]:
    """Return the first names in the list."""
    page.wait_for_load_state()
    return [each.split()[0] for each in page.locator("tbody th").all_inner_texts()]


def narrow(page: Page, **chosen: str) -> None:
    """Choose in the filters, and search."""
    for label, option in chosen.items():
        page.get_by_label(label, exact=True).select_option(label=option)
    with page.expect_navigation():
        page.get_by_role("button", name="Search").click()


@pytest.mark.parametrize("size", [DESK, PHONE], ids=["desk", "phone"])
def test_it_works(
    shop_site: str, made: dict[str, str], windows: Windows, size: dict[str, int]
) -> None:
    page = open_at(windows, shop_site, "/orders", size=size)
    assert read_names(page) == ["Eve", "Dan", "Cyd", "Bob", "Ada"]
    narrow(page, State="On hold")
    assert read_names(page) == ["Bob"]
    assert page.get_by_label("State", exact=True).input_value() == "on_hold"
    assert_readable(page)
    save_picture(page, f"orders-filtered-{size['width']}")
    narrow(page, State="All states", Lab="VisionWorks Lab")
    assert read_names(page) == ["Cyd"]
    narrow(page, State="Shipped")
    assert page.get_by_text("Nothing was found.").is_visible()
    page.get_by_role("link", name="Show all orders").click()
    assert len(read_names(page)) == len(made)


def test_filters_go_along_with_a_text_and_with_pages(
    shop_site: str, made: dict[str, str], windows: Windows, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pages, "ORDERS_PER_PAGE", 2)
    page = open_at(windows, shop_site, "/orders")
    narrow(page, State="Draft", Lab="Acme Lab")
    assert read_names(page) == ["Eve", "Dan"]
    page.get_by_role("link", name="Older").click()
    assert read_names(page) == ["Ada"]
    page.get_by_role("link", name="Newer").click()
    assert read_names(page) == ["Eve", "Dan"]
    page.get_by_role("searchbox").fill("lane")
    narrow(page)
    assert read_names(page) == ["Eve", "Dan"]
    page.get_by_role("button", name="Older").click()
    assert read_names(page) == ["Ada"]
    assert "lane" not in page.url.lower()


def test_a_filter_that_cannot_be_has_a_page(shop_site: str, windows: Windows) -> None:
    page = open_at(windows, shop_site, "/orders")
    answer = page.goto(f"{shop_site}/orders?state=nonsense")
    assert answer is not None
    assert answer.status == 400
    answer = page.goto(f"{shop_site}/orders?lab=lab_of_nobody")
    assert answer is not None
    assert answer.status == 200


def test_the_page_says_who_is_logged_in_and_the_list_has_ids(
    shop_site: str, made: dict[str, str], windows: Windows
) -> None:
    page = open_at(windows, shop_site, "/orders")
    assert page.locator(".who > span").inner_text().endswith("optician@example.com")
    shown = page.locator("tbody code").all_inner_texts()
    assert sorted(shown) == sorted(made.values())
    page.goto(f"{shop_site}/orders/{made['Ada']}")
    assert page.locator(".who > span").inner_text().endswith("optician@example.com")


def test_times_are_in_the_readers_zone_and_utc_without_scripts(
    shop_site: str, made: dict[str, str], windows: Windows
) -> None:
    there = open_at(windows, shop_site, "/orders", timezone_id="Asia/Kabul")
    plain = open_at(windows, shop_site, "/orders", java_script_enabled=False)
    for page, zone in ((there, "Times are those of your zone, Asia/Kabul."), (plain, "UTC")):
        expect(page.locator(".zone")).to_contain_text(zone)
    here, utc = (page.locator("tbody time").first.inner_text() for page in (there, plain))
    # Kabul is 4:30 ahead, all year.
    minutes = [60 * int(text[-5:-3]) + int(text[-2:]) for text in (here, utc)]
    assert (minutes[0] - minutes[1]) % (24 * 60) == 4 * 60 + 30
    there.goto(f"{shop_site}/orders/{made['Ada']}")
    time = there.locator("header time")
    assert time.inner_text().endswith("GMT+4:30")
    assert str(time.get_attribute("title")).endswith("UTC")


def test_an_order_is_printed_and_a_list_is_not(
    shop_site: str, made: dict[str, str], windows: Windows
) -> None:
    page = open_at(windows, shop_site, "/orders")
    page.wait_for_load_state("networkidle")
    assert page.get_by_role("button", name="Print").count() == 0
    page.goto(f"{shop_site}/orders/{made['Ada']}")
    page.evaluate("window.print = () => { document.title = 'printed'; }")
    button = page.get_by_role("button", name="Print")
    button.focus()
    page.keyboard.press("Enter")
    expect(page).to_have_title("printed")


def test_outlines_shrink_to_a_phone(shop_site: str, made: dict[str, str], windows: Windows) -> None:
    page = open_at(windows, shop_site, f"/orders/{made['Ada']}", size=PHONE)
    scroll = page.locator(".outline .scroll")
    width, inner = scroll.evaluate("each => [each.clientWidth, each.scrollWidth]")
    assert inner <= width <= PHONE["width"]
    save_picture(page, "orders-outline-phone")


def test_the_dashboard_goes_by_keyboard(
    shop_site: str, made: dict[str, str], windows: Windows
) -> None:
    page = open_at(windows, shop_site, "/orders")
    page.get_by_role("searchbox").focus()
    for key in ("Tab", "Tab", "O", "Enter"):
        page.keyboard.press(key)
    with page.expect_navigation():
        page.get_by_role("searchbox").press("Enter")
    assert read_names(page) == ["Bob"]
    page.get_by_role("link", name="Bob Lane").focus()
    page.keyboard.press("Enter")
    page.wait_for_url(f"{shop_site}/orders/{made['Bob']}")
