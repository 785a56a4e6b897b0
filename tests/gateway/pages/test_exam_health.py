"""Warning signs, the choice at the door and the payment as a person sees them in Chromium."""

from typing import Any

import pytest
from playwright.sync_api import expect

from sessions_svc.rules.statuses import Status
from tests.browser import DESK, PHONE, Windows, save_picture
from tests.gateway.pages.person import make_link, open_exam, start
from tests.gateway.pages.test_login import ensure_legible
from tests.serving import Served
from tests.sessions_svc.desk import ACUITY_ORDER, bring, get_session, get_status
from tests.sessions_svc.links import RESULTS, call_door
from tests.sessions_svc.payments import Shop

VIEWS = pytest.mark.parametrize(
    ("name", "size", "scheme"), [("phone", PHONE, "dark"), ("desk", DESK, "light")]
)


@pytest.fixture(scope="module")
def engine() -> str:
    """The engine under test: the browser sees no difference."""
    return "sqlite"


@VIEWS
def test_a_warning_sign_ends_the_test(
    site: str, sessions: Served, windows: Windows, unique: str, name: str, size: Any, scheme: Any
) -> None:
    page = open_exam(windows, site, sessions, unique, size, color_scheme=scheme)
    page.get_by_label("Nothing").check()
    page.get_by_label("None of these").check()
    page.get_by_label("A shadow or a curtain").check()
    assert not page.get_by_label("None of these").is_checked()
    save_picture(page, f"signs-{name}-{scheme}")
    page.get_by_role("button", name="Next: measure the screen").click()
    title = page.get_by_role("heading", level=1)
    expect(title).to_have_text("See an eye doctor first")
    ensure_legible(page)
    save_picture(page, f"warned-{name}-{scheme}")
    page.get_by_role("button", name="Back").click()
    expect(title).to_have_text("Check how sharply you see")
    page.get_by_role("button", name="Next: measure the screen").click()
    page.get_by_role("button", name="End the test and save my answers").click()
    page.get_by_text("You can close this page now.").wait_for()
    expect(title).to_have_text("See an eye doctor first")
    assert get_status(sessions, unique) == "referred"
    found = get_session(sessions, unique).data.eye_health
    assert (found.curtain, found.vision_loss) == (True, False)


@VIEWS
def test_the_door_asks_what_the_test_is_for(
    site: str, sessions: Served, windows: Windows, unique: str, name: str, size: Any, scheme: Any
) -> None:
    bring(sessions, unique, Status.CREATED, store_id="store_1234")
    page = windows.open(size, color_scheme=scheme)
    page.goto(make_link(site, sessions, unique))
    assert page.get_by_text("Main Street").is_visible()
    ensure_legible(page)
    page.get_by_role("button", name="Start").click()  # the browser itself demands a choice
    assert get_status(sessions, unique) == "created"
    page.get_by_label("Contact lenses").check()
    save_picture(page, f"choice-{name}-{scheme}")
    page.get_by_role("button", name="Start").click()
    page.wait_for_url("**/exam/*")
    assert get_session(sessions, unique).chosen_product == "contacts"


@VIEWS
def test_the_page_goes_on_when_it_is_paid(
    site: str, sessions: Served, windows: Windows, unique: str, name: str, size: Any, scheme: Any
) -> None:
    shop = Shop(sessions, unique)
    shop.create("s", *(each["type"] for each in ACUITY_ORDER["products"]))
    page = windows.open(size, color_scheme=scheme)
    query = "&".join(f"{key}={value}" for key, value in shop.link().items())
    page.goto(f"{site}/login?{query}")
    assert page.get_by_text("$15.00").is_visible()
    ensure_legible(page)
    save_picture(page, f"priced-{name}-{scheme}")
    start(page, f"{site}/login?{query}")
    (cookie,) = page.context.cookies()
    call_door(sessions, "CompleteExam", exam_token=cookie.get("value", ""), visual_acuity=RESULTS)
    page.reload()
    title = page.get_by_role("heading", level=1)
    expect(title).to_have_text("Pay for your test")
    ensure_legible(page)
    save_picture(page, f"checkout-{name}-{scheme}")
    shop.move("RecordPayment")
    expect(title).to_have_text("Your results", timeout=15_000)
