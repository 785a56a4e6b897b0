"""The review page edits an order in place, and does what its state allows."""

from typing import Any

import pytest
from playwright.sync_api import Page

from protos.orders_pb2 import (
    AnswerCancelRequestRequest,
    CancelOrderRequest,
    CreateLensPackageRequest,
    GetOrderRequest,
    Lens,
    Order,
    UpdateOrderRequest,
)
from tests.browser import DESK, PHONE, Windows, save_picture
from tests.gateway.pages.dashboard import (
    assert_readable,
    build_order,
    count_sheets,
    create_order,
    open_at,
)
from tests.gateway.pages.test_orders_order import read_facts, read_row
from tests.orders_svc.life import add_lab
from tests.serving import Served

# What the pages show is the same on both engines, whose tests are those of orders_svc.
pytestmark = pytest.mark.parametrize("engine", ["sqlite"], indirect=True, scope="module")
SIZES = pytest.mark.parametrize("size", [DESK, PHONE], ids=["desk", "phone"])
LAB = {"lab": "lab_123", "account_number": "1234567"}


def fetch(orders: Served, order_id: str) -> Order:
    """An order as it stands."""
    order: Order = orders.call("GetOrder", GetOrderRequest(order_id=order_id))
    return order


def click(page: Page, name: str) -> None:
    """Click a button, and wait for the page that follows, with its styles."""
    with page.expect_navigation():
        page.get_by_role("button", name=name, exact=True).click()


def read_order_id(page: Page) -> str:
    """The id of the order that a page shows."""
    return page.url.rpartition("/")[2].partition("?")[0]


@SIZES
def test_a_lens_that_is_missing_is_chosen_in_place(
    site: str, orders: Served, windows: Windows, size: dict[str, int]
) -> None:
    order = build_order(mode="draft")
    del order["lens"]
    order_id = create_order(orders, order)
    page = open_at(windows, site, f"/orders/{order_id}", size=size, java_script_enabled=False)
    click(page, "Submit to Acme Lab")
    assert page.get_by_label("Sphere").count() == 0  # only what is missing
    page.get_by_label("Style", exact=True).select_option("Progressive")
    click(page, "Save")
    assert "Missing data" in read_facts(page, "Lens")["Material"]
    page.get_by_label("Material", exact=True).first.select_option("Polycarbonate")
    click(page, "Save")
    page.get_by_label("Color", exact=True).first.select_option("Clear")
    page.get_by_label("Anti-Reflective Coating").check()
    assert_readable_without_scripts(page)
    save_picture(page, f"orders-edit-lens-{size['width']}")
    click(page, "Submit to Acme Lab")
    assert page.get_by_role("status").inner_text() == "The order is with Acme Lab."
    after = fetch(orders, order_id)
    assert after.lens == Lens(
        style="style_789", material="material_123", color="color_456", coats=["coat_123"]
    )
    assert after.lab_status == "submitted"


def assert_readable_without_scripts(page: Page) -> None:
    """Check what can be checked of a page that runs no scripts."""
    assert page.locator("select:not([aria-label]):not([id])").count() == 0


@SIZES
def test_every_field_is_edited(
    site: str, orders: Served, windows: Windows, size: dict[str, int]
) -> None:
    order_id = create_order(orders, build_order(mode="draft"))
    before = fetch(orders, order_id)
    page = open_at(windows, site, f"/orders/{order_id}", size=size)
    page.get_by_role("link", name="Edit").click()
    page.wait_for_url("**?edit")  # and for its styles
    assert_readable(page)
    save_picture(page, f"orders-edit-all-{size['width']}")
    click(page, "Save")
    unchanged = fetch(orders, order_id)
    assert unchanged.version == 2
    for field in ("rx", "lens", "frame", "patient", "shipping", "services"):
        assert getattr(unchanged, field) == getattr(before, field), field
    page.get_by_role("link", name="Edit").click()
    page.get_by_label("OD Sphere").fill("-3,25")
    page.get_by_label("OS PD", exact=True).fill("30.5")
    page.get_by_label("OD Prism vertical power").fill("")
    page.get_by_label("OD Prism vertical direction").select_option("")
    page.get_by_label("Last name").fill("Smith-Jones")
    page.get_by_label("Mounting", exact=True).select_option("Uncuts Only")
    page.get_by_label("For the lab").fill("Please\ncall")
    click(page, "Save")
    assert page.get_by_role("heading", level=1).inner_text() == "Ada Smith-Jones Draft"
    assert read_row(page, "right")["Sphere"].removeprefix("Sphere\n") == "-3.25"
    after = fetch(orders, order_id)
    assert (after.rx.right_eye.sphere, after.rx.left_eye.pd) == (-3.25, 30.5)
    assert not after.rx.right_eye.HasField("vertical_prism")
    assert (after.mounting_option, after.special_instructions) == ("Uncuts Only", "Please\r\ncall")
    assert after.frame == before.frame
    assert page.get_by_text("Edited by optician@example.com").count() == 2


def test_what_is_wrong_is_kept_to_be_corrected(site: str, orders: Served, windows: Windows) -> None:
    order_id = create_order(orders, build_order(mode="draft"))
    page = open_at(windows, site, f"/orders/{order_id}?edit")
    page.get_by_label("OD Sphere").fill("many")
    click(page, "Save")
    assert "OD Sphere: Must be a number." in page.locator("#field-rx-right-eye").inner_text()
    assert page.get_by_label("OD Sphere").input_value() == "many"
    page.get_by_label("OD Sphere").fill("-99")
    page.get_by_label("First name").fill("Zoë")
    click(page, "Save")
    assert "Must be from -30 to 30" in page.locator("#field-rx-right-eye").inner_text()
    assert page.get_by_label("First name").input_value() == "Zoë"
    save_picture(page, "orders-edit-faults")
    assert_readable(page)
    page.get_by_label("OD Sphere").fill("-2")
    click(page, "Save")
    after = fetch(orders, order_id)
    assert (after.rx.right_eye.sphere, after.patient.first_name) == (-2, "Zoë")


def test_of_two_who_edit_the_second_is_told(site: str, orders: Served, windows: Windows) -> None:
    order_id = create_order(orders, build_order(mode="draft"))
    page = open_at(windows, site, f"/orders/{order_id}?edit")
    again = page.context.new_page()
    again.goto(page.url)
    for window, name in ((page, "First"), (again, "Second")):
        window.get_by_label("First name").fill(name)
        click(window, "Save")
    assert again.get_by_role("alert").inner_text().startswith("Somebody else has changed")
    assert fetch(orders, order_id).patient.first_name == "First"


def test_a_saved_lens_is_taken(site: str, orders: Served, windows: Windows, unique: str) -> None:
    lens = Lens(style="style_123", material="material_456", color="color_456")
    asked = CreateLensPackageRequest(**LAB, name=unique, lens=lens)
    orders.call("CreateLensPackage", asked)
    order_id = create_order(orders, build_order(mode="draft"))
    page = open_at(windows, site, f"/orders/{order_id}?edit")
    page.get_by_label("Or a saved lens").select_option(unique)
    click(page, "Save")
    assert fetch(orders, order_id).lens == lens


@SIZES
def test_an_order_in_its_window(
    site: str, orders: Served, windows: Windows, unique: str, size: dict[str, int]
) -> None:
    order_id = create_order(orders, build_order(**add_lab(orders, unique, 60)))
    page = open_at(windows, site, f"/orders/{order_id}", size=size)
    status = page.get_by_role("status").inner_text()
    assert status.startswith("The order goes to Slow Lab at ")
    assert status.endswith("Until then it can be edited and cancelled.")
    assert page.get_by_role("button", name="Submit").count() == 0
    assert_readable(page)
    save_picture(page, f"orders-window-{size['width']}")
    page.get_by_role("link", name="Edit").click()
    page.get_by_label("First name").fill("Zoë")
    click(page, "Save")
    assert fetch(orders, order_id).patient.first_name == "Zoë"
    click(page, "Cancel the order")
    assert page.get_by_text("You cancelled this order before it was sent.").is_visible()
    assert fetch(orders, order_id).lab_status == "cancelled"
    assert page.get_by_role("link", name="Edit").count() == 0


@SIZES
def test_the_history_and_the_labs_own_words(
    site: str, orders: Served, windows: Windows, size: dict[str, int]
) -> None:
    order_id = create_order(orders, build_order())
    for lab_status, word in (("in_progress", "Surfacing"), ("on_hold", "Frame missing")):
        asked = UpdateOrderRequest(order_id=order_id, lab_status=lab_status, lab_word=word)
        orders.call("UpdateOrder", asked, "staff", desk=True)
    page = open_at(windows, site, f"/orders/{order_id}", size=size)
    click(page, "Ask the lab to cancel")
    assert page.get_by_text("it has not answered yet").is_visible()
    answer = AnswerCancelRequestRequest(order_id=order_id, accepted=False, reason="Cut")
    orders.call("AnswerCancelRequest", answer, "staff", desk=True)
    page.reload()
    assert page.get_by_text("The lab says: Cut").is_visible()
    texts = page.locator(".history li span").all_inner_texts()
    assert texts == [
        "Cancellation refused by the lab: “Cut”",
        "Cancellation requested by optician@example.com",
        "Status changed: on hold by the lab: “Frame missing”",
        "Status changed: in progress by the lab: “Surfacing”",
        "Created: submitted by optician@example.com",
    ]
    assert_readable(page)
    save_picture(page, f"orders-history-{size['width']}")
    assert size == PHONE or count_sheets(page.pdf(format="A4")) == 1


def test_a_redo_and_its_original_lead_to_each_other(
    site: str, orders: Served, windows: Windows
) -> None:
    order_id = create_order(orders, build_order())
    page = open_at(windows, site, f"/orders/{order_id}")
    page.get_by_text("Redo this order").click()
    page.get_by_label("Type of the redo").select_option("Warranty")
    page.get_by_label("Reason").fill("Scratched")
    click(page, "Begin the redo")
    redo = read_order_id(page)
    assert read_facts(page, "Order")["Redo of"] == order_id
    page.get_by_role("link", name=order_id).click()
    assert page.get_by_text("This order was redone").is_visible()
    save_picture(page, "orders-redone")
    page.get_by_role("link", name=redo).click()
    assert read_facts(page, "Order")["Reason"] == "Scratched"
    click(page, "Delete this draft")
    page.wait_for_url(f"{site}/orders")
    assert list(fetch(orders, order_id).redone_by) == []


def test_copies_and_further_pairs(site: str, orders: Served, windows: Windows) -> None:
    order_id = create_order(orders, build_order())
    page = open_at(windows, site, f"/orders/{order_id}")
    click(page, "Further pair")
    assert read_facts(page, "Order")["Pair of"] == order_id
    page.goto(f"{site}/orders/{order_id}")
    click(page, "Copy")
    assert read_facts(page, "Order")["Submission"] == "New"
    assert fetch(orders, read_order_id(page)).original == order_id


def test_what_is_no_longer_allowed_says_why(site: str, orders: Served, windows: Windows) -> None:
    order_id = create_order(orders, build_order())
    page = open_at(windows, site, f"/orders/{order_id}")
    orders.call("CancelOrder", CancelOrderRequest(order_id=order_id))
    click(page, "Ask the lab to cancel")
    assert "has not answered yet" in page.get_by_role("alert").inner_text()


def test_codes_that_were_acknowledged_are_shown(
    site: str, orders: Served, windows: Windows
) -> None:
    order: dict[str, Any] = build_order(acknowledged_warnings=["pd_missing"])
    del order["rx"]["left_eye"]["pd"]
    page = open_at(windows, site, f"/orders/{create_order(orders, order)}")
    shown = page.locator(".note.warn li").all_inner_texts()
    assert [each for each in shown if each.endswith("(checked)")] == [
        "OS PD: The PD of this eye is missing. (checked)"
    ]


def test_the_list_has_the_window(site: str, orders: Served, windows: Windows, unique: str) -> None:
    patient = {"first_name": "Ann", "last_name": f"Q{unique}"}
    create_order(orders, build_order(patient=patient, **add_lab(orders, unique, 5)))
    page = open_at(windows, site, "/orders")
    assert page.get_by_text("Not sent yet").count() >= 1
