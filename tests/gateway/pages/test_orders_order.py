"""The review page of an order: what an optician reads, what is missing, and how it prints."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from flask.testing import FlaskClient
from playwright.sync_api import Page

from gateway.pages.notation import NOTHING
from orders_svc.store import tables
from protos.orders_pb2 import GetOrderRequest, UpdateOrderRequest
from tests.browser import DESK, PHONE, Windows, save_picture
from tests.gateway.pages.dashboard import (
    assert_readable,
    build_order,
    count_sheets,
    create_order,
    log_in,
    open_at,
    print_picture,
)
from tests.serving import Served

# What the pages show is the same on both engines, whose tests are those of orders_svc.
pytestmark = pytest.mark.parametrize("engine", ["sqlite"], indirect=True, scope="module")

ODD = {
    "right_eye": {"sphere": 0.1, "cylinder": 0.5, "axis": 7, "pd": 31.5, "near_pd": 33},
    "left_eye": {"sphere": 0, "cylinder": -0.375, "axis": 90, "pd": 31, "add": 2, "seg_height": 40},
}
FULL: dict[str, Any] = {
    "rx": ODD,
    "submission_type": "redo",
    "redo_data": {"type": "Remake", "reason": "r" * 24 + " x" * 113, "reference": "INV-9" * 10},
    "special_instructions": "Please call before edging. " * 37,
    "services": ["Roll & Polish Edges", "Add/Replace Nose Pads"],
    "patient": {
        "first_name": "Wolfeschlegelsteinhausenbergerdorff" + "W" * 15,
        "last_name": "W" * 50,
        "email": "a-long-address-of-a-patient@a-long-name-of-a-domain.example.com",
        "phone_number": "+1 (555) 010-0100 x1",
    },
}


def read_row(page: Page, eye: str) -> dict[str, str]:
    """Return the texts in the row of an eye, by column."""
    names = page.locator(".rx thead th").all_inner_texts()
    cells = page.locator(f"#field-rx-{eye}-eye tr.eye > *").all_inner_texts()
    return dict(zip(names, cells, strict=True))


def read_facts(page: Page, title: str) -> dict[str, str]:
    """Return the fields under a heading."""
    section = page.locator("section", has=page.get_by_role("heading", name=title, exact=True))
    terms, said = section.locator("dt"), section.locator("dd")
    return dict(zip(terms.all_inner_texts(), said.all_inner_texts(), strict=True))


@pytest.mark.parametrize("size", [DESK, PHONE], ids=["desk", "phone"])
def test_it_works(site: str, orders: Served, windows: Windows, size: dict[str, int]) -> None:
    page = open_at(
        windows, site, f"/orders/{create_order(orders, build_order(mode='draft'))}", size=size
    )
    assert page.get_by_role("heading", level=1).inner_text() == "Ada Example Draft"
    assert page.get_by_role("button", name="Submit to Acme Lab").is_visible()
    assert page.get_by_role("img", name="Lens outlines, seen from the front").is_visible()
    assert_readable(page)
    save_picture(page, f"orders-review-{size['width']}")


def test_the_prescription_reads_as_opticians_write_it(
    site: str, orders: Served, windows: Windows
) -> None:
    page = open_at(windows, site, f"/orders/{create_order(orders, build_order())}")
    assert read_row(page, "right") == {
        "Eye": "OD",
        "Sphere": "-2.25",
        "Cylinder": "-0.75",
        "Axis": "180",
        "Add": "+2.00",
        "PD": "31.5",
        "Near PD": "30.0",
        "Seg height": "18.0",
        "OC height": NOTHING,
        "Prism": "1.00 BI, 0.50 BU",
    }
    assert page.locator("#field-rx-right-eye tr.also td[colspan] span").all_inner_texts() == [
        "In plus cylinder form -3.00 +0.75 x 090",
        "Spherical equivalent -2.625",
        "Resultant prism 1.12 base 26.6°",
    ]
    assert read_row(page, "left") == {
        "Eye": "OS",
        "Sphere": "-2.00",
        "Cylinder": "DS",
        "Axis": NOTHING,
        "Add": "+2.00",
        "PD": "31.0",
        "Near PD": "29.5",
        "Seg height": "18.0",
        "OC height": NOTHING,
        "Prism": NOTHING,
    }
    assert page.locator("#field-rx-left-eye tr.also").count() == 0
    assert read_facts(page, "Lens") == {
        "Style": "Progressive",
        "Material": "Polycarbonate",
        "Color": "Crystal Gray",
        "Coats": "Anti-Reflective Coating, Hard Coat",
        "Tint": "Gray",
        "Tint instruction": "20% solid",
    }
    frame = read_facts(page, "Frame")
    assert frame["Eye size"] == "50.0 mm"
    assert frame["Pantoscopic tilt"] == "8.0°"
    assert frame["Tracing"].startswith("OD 50.0 x 34.0, ED 50.0, circumference 138.4 mm; OS 50.0")
    assert read_facts(page, "Patient")["Ship to"] == "Ada Example, 1 Main St, Reno, NV 89501"


def test_an_eye_that_is_not_prescribed_and_plano(
    site: str, orders: Served, windows: Windows
) -> None:
    rx = {"left_eye": {"sphere": 0, "cylinder": -0.5, "axis": 5}}
    page = open_at(windows, site, f"/orders/{create_order(orders, build_order(rx=rx))}")
    assert set(read_row(page, "right").values()) == {"OD", NOTHING}
    assert read_row(page, "left")["Sphere"] == "PL"
    assert read_row(page, "left")["Cylinder"] == "-0.50"
    assert read_row(page, "left")["Axis"] == "005"
    assert "-0.50 +0.50 x 095" in page.locator("#field-rx-left-eye").inner_text()


def test_a_draft_shows_in_place_what_it_lacks(site: str, orders: Served, windows: Windows) -> None:
    order = build_order(mode="draft")
    del order["lens"]
    order_id = create_order(orders, order)
    page = open_at(windows, site, f"/orders/{order_id}", size=PHONE)
    page.get_by_role("button", name="Submit to Acme Lab").click()
    text = "Required to submit an order of type rx."
    alert = page.get_by_role("alert")
    assert alert.get_by_role("listitem").all_inner_texts() == [f"Lens: {text}"]
    assert text in read_facts(page, "Lens")["Lens"]
    alert.get_by_role("link", name="Lens").click()
    assert page.evaluate("document.querySelector(':target').textContent").startswith("Not chosen")
    assert page.get_by_text("Draft", exact=True).is_visible()
    assert_readable(page)
    save_picture(page, "orders-review-faults")
    assert orders.call("GetOrder", GetOrderRequest(order_id=order_id)).lab_status == "draft"


def test_a_fault_is_shown_beside_its_field_wherever_it_is(
    site: str, orders: Served, windows: Windows
) -> None:
    """A draft from the time when the lab offered more."""
    order_id = create_order(orders, build_order(mode="draft"))
    older = build_order(mode="draft", mounting_option="Gone", services=["Gone"])
    older["lens"]["coats"] = ["coat_123", "gone"]
    older["rx"]["right_eye"]["horizontal_prism"]["power"] = 99
    with orders.database.write() as tx:
        this = tables.orders.c.id == order_id
        tx.execute(tables.orders.update().where(this).values(document=older))
    page = open_at(windows, site, f"/orders/{order_id}")
    page.get_by_role("button", name="Submit to Acme Lab").click()
    shown = page.get_by_role("alert").get_by_role("listitem").all_inner_texts()
    assert [each.partition(":")[0] for each in shown] == [
        "OD Prism",
        "Mounting",
        "Services",
        "Coats",
    ]
    assert "Must be one of the lab's mounting_options" in read_facts(page, "Order")["Mounting"]
    assert "Must be the id of a coat" in read_facts(page, "Lens")["Coats"]
    assert "OD Prism: Must be from 0.01 to 50." in page.locator("#field-rx-right-eye").inner_text()
    assert page.locator(".noted.bad").count() == 4
    assert_readable(page)


def test_a_complete_draft_is_submitted_once(site: str, orders: Served, windows: Windows) -> None:
    order_id = create_order(orders, build_order(mode="draft"))
    page = open_at(windows, site, f"/orders/{order_id}")
    again = page.context.new_page()
    again.goto(page.url)
    for window in (page, again):
        window.get_by_role("button", name="Submit to Acme Lab").click()
        assert window.get_by_role("status").inner_text() == "The order is with Acme Lab."
        assert window.get_by_role("button", name="Submit").count() == 0
    assert_readable(page)
    save_picture(page, "orders-review-submitted")
    assert orders.call("GetOrder", GetOrderRequest(order_id=order_id)).lab_status == "submitted"


def test_warnings_stand_beside_what_they_are_about(
    site: str, orders: Served, windows: Windows
) -> None:
    order = build_order(rx=ODD)
    order["frame"]["bridge"] = 20
    order["lens"]["coats"] = ["coat_123", "coat_789"]
    page = open_at(windows, site, f"/orders/{create_order(orders, order)}")
    noted = {
        "#field-rx-right-eye-sphere": "0.1",
        "#field-rx-right-eye-near-pd": "33.0",
        "#field-rx-right-eye-add": NOTHING,
        "#field-rx-left-eye-cylinder": "-0.375",
        "#field-rx-left-eye-seg-height": "40.0",
        "#field-frame-bridge": "20.0 mm",
        "#field-lens-coats": "Anti-Reflective Coating, Premium AR",
    }
    marked = page.locator(".noted.warn")
    assert {f"#{each.get_attribute('id')}" for each in marked.all()} == set(noted)
    for where, text in noted.items():
        assert text in page.locator(where).inner_text()
    assert "Is the second coat of type ar." in read_facts(page, "Lens")["Coats"]
    assert "near pd: is above" in page.locator("#field-rx-right-eye").inner_text().lower()
    assert page.get_by_role("heading", name="The lab may ask about this").is_visible()
    assert_readable(page)
    save_picture(page, "orders-review-warnings")


def test_a_balance_lens_is_called_by_its_name(site: str, orders: Served, windows: Windows) -> None:
    rx = {"right_eye": {"sphere": -2, "pd": 31.5}, "left_eye": {"balance": True, "pd": 31}}
    page = open_at(windows, site, f"/orders/{create_order(orders, build_order(rx=rx))}")
    shown = read_row(page, "left")
    assert (shown["Sphere"], shown["Cylinder"], shown["PD"]) == ("Balance", NOTHING, "31.0")
    assert page.locator("#field-rx-left-eye tr.also").count() == 0
    assert read_row(page, "right")["Cylinder"] == "DS"
    assert_readable(page)


@contextmanager
def confirm(orders: Served, *codes: str) -> Iterator[None]:
    """The first lab wants warnings of these codes confirmed."""
    this = tables.labs.c.id == "lab_123"
    with orders.database.write() as tx:
        before = tx.execute(tables.labs.select().where(this)).one().settings
        changed = {**before, "confirm": list(codes)}
        tx.execute(tables.labs.update().where(this).values(settings=changed))
    orders.refresh_cache()
    try:
        yield
    finally:
        with orders.database.write() as tx:
            tx.execute(tables.labs.update().where(this).values(settings=before))
        orders.refresh_cache()


@pytest.mark.parametrize("size", [DESK, PHONE], ids=["desk", "phone"])
def test_what_the_lab_wants_confirmed_is_ticked_before_a_submit(
    site: str, orders: Served, windows: Windows, size: dict[str, int]
) -> None:
    order = build_order(mode="draft")
    del order["rx"]["left_eye"]["pd"], order["rx"]["left_eye"]["near_pd"]
    with confirm(orders, "pd_missing", "decentration"):
        order_id = create_order(orders, order)
        page = open_at(windows, site, f"/orders/{order_id}", size=size)
        page.get_by_role("button", name="Submit to Acme Lab").click()
        alert = page.get_by_role("alert")
        assert "Must name pd_missing" in alert.inner_text()
        assert "tick it, and submit again" in alert.inner_text()
        box = page.get_by_role("checkbox")
        assert box.count() == 1
        assert_readable(page)
        save_picture(page, f"orders-review-confirm-{size['width']}")
        page.get_by_label("Checked: OS PD: The PD of this eye is missing.").check()
        page.get_by_role("button", name="Submit to Acme Lab").click()
        assert page.get_by_role("status").inner_text() == "The order is with Acme Lab."


def test_the_lab_status_is_shown(site: str, orders: Served, windows: Windows) -> None:
    order_id = create_order(orders, build_order())
    for state, word in (
        ("on_hold", "On hold"),
        ("in_progress", "In progress"),
        ("shipped", "Shipped"),
    ):
        move = UpdateOrderRequest(order_id=order_id, lab_status=state, tray_number="T-1")
        orders.call("UpdateOrder", move, "staff", desk=True)
        page = open_at(windows, site, f"/orders/{order_id}")
        assert page.locator("h1 .tag").inner_text() == word
        assert "Tray T-1" in page.locator(".head").inner_text()


def test_without_javascript_all_of_it_works(site: str, orders: Served, windows: Windows) -> None:
    order_id = create_order(orders, build_order(mode="draft"))
    page = windows.open(java_script_enabled=False)
    page.goto(f"{site}/orders/{order_id}")
    log_in(page)
    page.get_by_role("link", name="All orders").click()
    page.get_by_role("searchbox").fill(order_id)
    page.get_by_role("searchbox").press("Enter")
    page.get_by_role("link", name="Ada Example").click()
    page.get_by_role("button", name="Submit to Acme Lab").click()
    assert page.get_by_text("The order is with Acme Lab.").is_visible()


def test_the_fullest_order_prints_on_one_sheet(site: str, orders: Served, windows: Windows) -> None:
    page = open_at(windows, site, f"/orders/{create_order(orders, build_order(**FULL))}")
    assert_readable(page)
    for paper, size in (("A4", (718, 1047)), ("Letter", (740, 980))):
        assert count_sheets(page.pdf(format=paper, print_background=True)) == 1
        print_picture(page, f"orders-{paper}", *size)


def test_what_an_order_says_is_text_and_nothing_else(
    site: str, orders: Served, windows: Windows
) -> None:
    evil = "<script>alert(1)</script><i onx=1>&\"'"
    order = build_order(special_instructions=f"{evil}\nsecond line")
    order["patient"] = {"first_name": evil, "last_name": evil}
    order["frame"] |= {"manufacturer": evil, "model": "{{ 7 * 7 }}"}
    page = open_at(windows, site, f"/orders/{create_order(orders, order)}")
    assert evil in read_facts(page, "Frame")["Manufacturer"]
    assert read_facts(page, "Frame")["Model"] == "{{ 7 * 7 }}"
    assert read_facts(page, "Instructions")["For the lab"] == f"{evil}\nsecond line"
    scripts = [each.get_attribute("src") for each in page.locator("script").all()]
    assert scripts == ["/assets/orders.js"]
    assert page.locator("i").count() == 0


def test_an_order_of_a_frame_has_no_prescription(
    site: str, orders: Served, windows: Windows
) -> None:
    order = build_order(order_type="frame")
    for block in ("rx", "lens", "mounting_option"):
        del order[block]
    page = open_at(windows, site, f"/orders/{create_order(orders, order)}")
    assert page.get_by_role("heading", name="Prescription").count() == 0
    assert page.get_by_role("heading", name="Lens", exact=True).count() == 0
    assert_readable(page)


def test_somebody_elses_order_is_not_there(http: FlaskClient, orders: Served) -> None:
    order_id = create_order(orders, build_order(mode="draft"))
    client = http.application.test_client()
    form = {"email": "second@example.com", "password": "demo-password"}
    client.post("/orders/login", data=form)
    seal = client.get("/orders").text.partition('name="seal" value="')[2][:64]
    for path in (order_id, "ord_000000000000000000000000", "x", "%00", "..%2fv1"):
        answer = client.get(f"/orders/{path}", headers={"Accept": "text/html"})
        assert (answer.status_code, answer.mimetype) == (404, "text/html")
        assert "Ada" not in answer.text
    answer = client.post(f"/orders/{order_id}/submit", data={"seal": seal})
    assert answer.status_code == 404
    assert orders.call("GetOrder", GetOrderRequest(order_id=order_id)).lab_status == "draft"
