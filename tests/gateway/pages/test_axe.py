"""axe-core finds nothing on any page, in both schemes, on a desk and on a phone."""

from collections.abc import Callable
from typing import Any

import pytest
from playwright.sync_api import Page

from chassis.context import utc_now
from orders_svc.store.access.invitations import invite_user
from orders_svc.store.access.users import NO_PASSWORD, add_user
from orders_svc.store.tables import accounts
from protos.orders_pb2 import UpdateOrderRequest
from sessions_svc.rules.statuses import Status
from tests.browser import DESK, PHONE, Windows, save_picture
from tests.event_desk import EventDesk
from tests.examples.node import install
from tests.gateway.pages.dashboard import build_order, create_order, open_at
from tests.gateway.pages.person import make_link, start
from tests.gateway.pages.test_tracking import read_path
from tests.serving import Served
from tests.sessions_svc.desk import ACUITY_ORDER, bring
from tests.subscriptions_svc.shop import create_activated, pay, propose, set_status, solicit
from tests.subscriptions_svc.shopper import NOON

AXE = "axe-core@4.10.3"
RUN = """async () => {
  const found = await axe.run(document, { resultTypes: ["violations"] });
  return found.violations.map((each) =>
    `${each.id}: ${each.help}: ${each.nodes.map((node) => node.html.slice(0, 200)).join(" | ")}`);
}"""
STEPS = ("intro", "card", "distance", "cover", "stage", "save")
SHOW = """(step) => {
  for (const each of document.querySelectorAll(".step")) each.hidden = each.id !== step;
  const parts = (what) => document.querySelectorAll(`#${step} ${what}`);
  for (const each of parts(":is(p, button)[hidden]")) each.hidden = false;
  for (const each of parts(":is(p, h1):empty")) each.textContent = "x";
}"""
VIEWS: list[Any] = [
    pytest.param("light", DESK, id="light-desk"),
    pytest.param("dark", PHONE, id="dark-phone"),
]
pytestmark = [
    pytest.mark.parametrize("engine", ["sqlite"], indirect=True, scope="module"),
    pytest.mark.parametrize(("scheme", "size"), VIEWS),
    pytest.mark.timeout(300),
]
Check = Callable[[Page, str], None]


@pytest.fixture(scope="module")
def axe(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The source of axe-core."""
    folder = tmp_path_factory.mktemp("axe")
    install(folder, AXE)
    return (folder / "node_modules" / "axe-core" / "axe.min.js").read_text()


@pytest.fixture
def view(scheme: str, size: dict[str, int]) -> dict[str, Any]:
    """The options of a window."""
    return {"size": size, "color_scheme": scheme}


@pytest.fixture
def check(axe: str, scheme: str, size: dict[str, int]) -> Check:
    """Asserts that axe finds nothing on a page, that its scheme is right, and that it fits."""

    def check_page(page: Page, name: str) -> None:
        page.wait_for_load_state()
        if not page.evaluate("'axe' in window"):
            page.evaluate(axe)
        save_picture(page, f"{name}-{scheme}-{size['width']}")
        assert page.evaluate(RUN) == [], name
        ground = page.evaluate("getComputedStyle(document.body).backgroundColor")
        assert ground == ("rgb(18, 24, 29)" if scheme == "dark" else "rgb(244, 246, 248)")
        assert page.evaluate("document.documentElement.scrollWidth") <= size["width"], name

    return check_page


def test_pages_of_the_gateway(
    site: str, windows: Windows, view: dict[str, Any], check: Check
) -> None:
    page = windows.open(**view)
    for path, name in (("/", "home"), ("/nothing-here", "problem"), ("/orders/login", "login")):
        page.goto(f"{site}{path}")
        check(page, name)


def test_pages_of_the_documentation(
    site: str, windows: Windows, view: dict[str, Any], check: Check, scheme: str
) -> None:
    """Each API in one view: they share the reader, whose page is large."""
    page = windows.open(**view)
    for api in {"light": ("sessions", "subscriptions"), "dark": ("orders",)}[scheme]:
        page.goto(f"{site}/docs/{api}")
        for block in (".opblock-get", ".opblock-post"):
            page.locator(f"{block} .opblock-summary-control").first.click()
        page.locator(".opblock-post .samples").wait_for()
        page.wait_for_load_state("networkidle")
        check(page, f"docs-{api}")


def test_pages_of_the_exam(
    site: str,
    sessions: Served,
    windows: Windows,
    unique: str,
    view: dict[str, Any],
    check: Check,
) -> None:
    page = windows.open(**view)
    page.goto(f"{site}/login?token=x")
    check(page, "closed")
    bring(sessions, unique, Status.CREATED, order=ACUITY_ORDER)
    page.goto(make_link(site, sessions, unique))
    check(page, "door")
    with page.expect_navigation():
        page.get_by_role("button", name="Start").click()
    for step in STEPS:
        page.evaluate(SHOW, step)
        check(page, f"exam-{step}")
    result = {"correction": "none", "distance": 3000, "smallest_logmar": -0.2}
    eyes = {"right_eye": {"logmar": 0.1}, "left_eye": {}}
    answer = page.request.post(f"{page.url}/results", data={"visual_acuity": {**eyes, **result}})
    assert answer.status == 204
    page.reload()
    check(page, "exam-end")
    bring(sessions, "z" + unique, Status.CREATED)
    start(page, make_link(site, sessions, "z" + unique))
    check(page, "front-end")


def test_pages_of_the_shopper(
    site: str,
    subscriptions: Served,
    windows: Windows,
    body: Any,
    view: dict[str, Any],
    check: Check,
) -> None:
    made = solicit(subscriptions, body)
    page = windows.open(**view, locale="en")
    page.goto(f"{site}/s/{made.last_persisted_cart.code}")
    check(page, "cart")
    page.locator("input").evaluate("field => field.required = false")
    with page.expect_navigation():
        page.get_by_role("button").click()
    check(page, "cart-missing")
    page.get_by_role("checkbox").check()
    page.get_by_role("button").click()
    page.get_by_role("heading", name="You have confirmed").wait_for()
    check(page, "cart-waiting")
    pay(subscriptions, made.id)
    page.reload()
    check(page, "cart-confirmed")
    set_status(subscriptions, made.id)
    page.reload()
    check(page, "cart-ended")
    page.goto(f"{site}/s/unknown")
    check(page, "cart-unknown")
    late = solicit(subscriptions, body)
    page.goto(f"{site}/s/{late.last_persisted_cart.code}")
    page.get_by_role("checkbox").check()
    set_status(subscriptions, late.id)
    with page.expect_navigation():
        page.get_by_role("button").click()
    check(page, "cart-refused")


def test_pages_of_a_change(
    site: str,
    subscriptions: Served,
    windows: Windows,
    body: Any,
    view: dict[str, Any],
    check: Check,
) -> None:
    made = create_activated(subscriptions, body, NOON)
    with subscriptions.clock.at(NOON):
        code = propose(subscriptions, made, "Gafas de sol graduadas")
        page = windows.open(**view, locale="en")
        page.goto(f"{site}/s/{code}")
        check(page, "cart-change")


def test_pages_of_the_dashboard(
    site: str, orders: Served, windows: Windows, view: dict[str, Any], check: Check
) -> None:
    draft = create_order(orders, build_order(mode="draft"))
    faulty = build_order(mode="draft")
    del faulty["lens"]
    page = open_at(windows, site, "/orders", **view)
    check(page, "orders")
    page.goto(f"{site}/orders/{draft}")
    check(page, "review")
    page.goto(f"{site}/orders/{create_order(orders, build_order())}")
    page.get_by_role("button", name="Link for the patient").click()
    page.get_by_role("link", name="/t/").wait_for()
    check(page, "review-submitted")
    page.goto(f"{site}/orders/{create_order(orders, faulty)}")
    with page.expect_navigation():
        page.get_by_role("button", name="Submit to").click()
    check(page, "review-faults")


def test_the_page_of_an_invitation(
    site: str, orders: Served, windows: Windows, view: dict[str, Any], check: Check, unique: str
) -> None:
    with orders.database.write() as tx:
        client = accounts.ids(tx)["demo-client"]
        user_id = add_user(tx, client, f"{unique}@example.com", NO_PASSWORD)
        token = invite_user(tx, user_id, utc_now())
    page = windows.open(**view)
    page.goto(f"{site}/orders/invitations/{token}")
    check(page, "invitation")
    page.get_by_label("New password").fill("password1")
    page.get_by_label("Once more").fill("password1")
    page.get_by_role("button", name="Set the password").click()
    page.get_by_role("alert").wait_for()
    check(page, "invitation-refused")


def test_pages_of_a_patient(
    site: str, orders: Served, windows: Windows, view: dict[str, Any], check: Check
) -> None:
    order_id = create_order(orders, build_order())
    page = windows.open(**view)
    page.goto(site + read_path(orders, order_id))
    check(page, "tracking")
    orders.call(
        "UpdateOrder",
        UpdateOrderRequest(order_id=order_id, lab_status="cancelled"),
        "staff",
        desk=True,
    )
    page.reload()
    check(page, "tracking-cancelled")
    page.goto(f"{site}/t/unknown")
    check(page, "tracking-unknown")


def test_pages_of_staff(
    site: str, orders: Served, windows: Windows, view: dict[str, Any], check: Check, unique: str
) -> None:
    EventDesk(orders, unique).add_dead("ord_1")
    typed: Any = {"username": "demo-staff", "password": "demo-staff-secret"}
    page = windows.open(**view, http_credentials=typed)
    page.goto(f"{site}/staff/orders/events?owner={unique}")
    check(page, "staff-events")
    with page.expect_navigation():
        page.get_by_role("button", name="Deliver again").click()
    check(page, "staff-events-replayed")
