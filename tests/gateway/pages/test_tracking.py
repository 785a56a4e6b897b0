"""The page on which a patient follows their order."""

import pytest
from flask.testing import FlaskClient

from protos.orders_pb2 import (
    CreateTrackingLinkRequest,
    MarkOrderReadyRequest,
    UpdateOrderRequest,
)
from tests.browser import DESK, PHONE, Windows, save_picture
from tests.gateway.front import CALLER
from tests.gateway.pages.dashboard import assert_readable, build_order, create_order, open_at
from tests.serving import Served

# What the pages show is the same on both engines, whose tests are those of orders_svc.
pytestmark = pytest.mark.parametrize("engine", ["sqlite"], indirect=True, scope="module")
SIZES = pytest.mark.parametrize("size", [DESK, PHONE], ids=["desk", "phone"])


def read_path(orders: Served, order_id: str) -> str:
    """The path of a patient's page."""
    asked = CreateTrackingLinkRequest(order_id=order_id)
    url: str = orders.call("CreateTrackingLink", asked).url
    return url.removeprefix("http://127.0.0.1:8080")


@SIZES
def test_it_works(site: str, orders: Served, windows: Windows, size: dict[str, int]) -> None:
    order_id = create_order(orders, build_order())
    page = windows.open(size)
    page.goto(site + read_path(orders, order_id))
    assert page.get_by_role("heading", level=1).inner_text() == "Hello Ada"
    assert page.get_by_role("status").inner_text() == "Your glasses are ordered."
    for lab_status in ("in_progress", "shipped"):
        asked = UpdateOrderRequest(order_id=order_id, lab_status=lab_status)
        orders.call("UpdateOrder", asked, "staff", desk=True)
    page.reload()
    assert page.locator("[aria-current]").inner_text().startswith("On their way to your optician")
    orders.call("MarkOrderReady", MarkOrderReadyRequest(order_id=order_id))
    page.reload()
    assert page.get_by_role("status").inner_text() == "Your glasses are ready to be picked up."
    assert_readable(page)
    save_picture(page, f"tracking-{size['width']}")


def test_it_shows_the_first_name_and_the_status_only(http: FlaskClient, orders: Served) -> None:
    order_id = create_order(orders, build_order())
    answer = http.get(read_path(orders, order_id))
    assert answer.status_code == 200
    for secret in (order_id, "Example", "ada@", "555", "Acme", "1234567", "lab_123", "-2.25"):
        assert secret not in answer.text
    assert "Set-Cookie" not in answer.headers
    assert answer.headers["X-Robots-Tag"] == "noindex"
    assert answer.headers["Cache-Control"] == "no-store"


def test_a_cancelled_order_says_so(http: FlaskClient, orders: Served) -> None:
    order_id = create_order(orders, build_order())
    asked = UpdateOrderRequest(order_id=order_id, lab_status="cancelled")
    orders.call("UpdateOrder", asked, "staff", desk=True)
    assert "This order is cancelled." in http.get(read_path(orders, order_id)).text


@pytest.mark.parametrize("code", ["x", "x" * 43, "%00", "%FF", "ord_" + "0" * 24, "x" * 5000])
def test_an_unknown_link_says_what_to_do(http: FlaskClient, code: str) -> None:
    answer = http.get(f"/t/{code}", headers={"Authorization": "Basic Og=="})
    assert answer.status_code == 404
    assert "This link does not work" in answer.text


@SIZES
def test_the_optician_makes_the_link_and_marks_the_order(
    site: str, orders: Served, windows: Windows, size: dict[str, int]
) -> None:
    order_id = create_order(orders, build_order())
    for lab_status in ("in_progress", "shipped"):
        asked = UpdateOrderRequest(order_id=order_id, lab_status=lab_status)
        orders.call("UpdateOrder", asked, "staff", desk=True)
    page = open_at(windows, site, f"/orders/{order_id}", size=size)
    page.get_by_role("button", name="Link for the patient").click()
    assert page.get_by_role("link", name=read_path(orders, order_id)).is_visible()
    assert_readable(page)
    save_picture(page, f"orders-link-{size['width']}")
    page.get_by_role("button", name="Send it to ada@example.com").click()
    assert page.get_by_role("status").inner_text().endswith("on its way to ada@example.com.")
    page.get_by_role("button", name="Ready for pickup").click()
    assert page.get_by_role("heading", level=1).inner_text() == "Ada Example Ready for pickup"
    assert page.get_by_text("Ready for pickup by optician@example.com").is_visible()


def test_over_http(http: FlaskClient, orders: Served) -> None:
    order_id = create_order(orders, build_order())
    path, known = f"/v1/orders/{order_id}", CALLER["orders"]
    answer = http.post(f"{path}/tracking_link", json={"send": True}, headers=known)
    assert (answer.status_code, answer.get_json().keys()) == (201, {"url"})
    again = http.post(f"{path}/tracking_link", headers=known)
    assert again.get_json() == answer.get_json()
    early = http.post(f"{path}/ready_for_pickup", headers=known)
    assert (early.status_code, early.get_json()["error"]["code"]) == (409, "wrong_state")
    for lab_status in ("in_progress", "shipped"):
        asked = UpdateOrderRequest(order_id=order_id, lab_status=lab_status)
        orders.call("UpdateOrder", asked, "staff", desk=True)
    ready = http.post(f"{path}/ready_for_pickup", json={"notify": False}, headers=known)
    assert (ready.status_code, ready.get_json()["lab_status"]) == (200, "ready_for_pickup")
    assert ready.headers["ETag"] == f'"v{ready.get_json()["version"]}"'
    for sent in ({"notify": 1}, {"x": 1}, {"send": True}):
        bad = http.post(f"{path}/ready_for_pickup", json=sent, headers=known)
        assert bad.status_code == 400
