"""The page at /login as a person sees it in Chromium, on one engine."""

from collections.abc import Iterator

import pytest
from flask import Flask, request
from flask.testing import FlaskClient
from playwright.sync_api import Page

from sessions_svc.rules.statuses import Status
from tests.browser import DESK, PHONE, Windows, save_picture, serve_app
from tests.gateway.pages.person import make_link, start
from tests.serving import Served
from tests.sessions_svc.bodies import build_user
from tests.sessions_svc.desk import ACUITY_ORDER, bring, get_status, move
from tests.sessions_svc.links import RESULTS

BOTH = {"products": [{"type": "contacts"}, {"type": "glasses"}]}
# The contrast of each element's text with the background behind it, as in WCAG 2.
CONTRASTS = """() => {
  const parts = (colour) => (colour.match(/[\\d.]+/g) || []).map(Number);
  const light = (colour) => {
    const [r, g, b] = parts(colour).slice(0, 3).map((each) => {
      const part = each / 255;
      return part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4;
    });
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const ground = (element) => {
    for (let each = element; each; each = each.parentElement) {
      const colour = getComputedStyle(each).backgroundColor;
      if (parts(colour)[3] !== 0) return colour;
    }
    return "rgb(255, 255, 255)";
  };
  const found = {};
  for (const element of document.querySelectorAll("body *")) {
    const own = [...element.childNodes].some((node) => node.nodeType === 3 && node.data.trim());
    if (!own || element.closest("[hidden], script")) continue;
    const [ink, paper] = [light(getComputedStyle(element).color), light(ground(element))];
    const ratio = (Math.max(ink, paper) + 0.05) / (Math.min(ink, paper) + 0.05);
    found[`${element.tagName}.${element.className}`] = ratio;
  }
  return found;
}"""

# Shows a step of the exam with all its optional parts.
SHOW = """(step) => {
  for (const each of document.querySelectorAll(".step")) each.hidden = each.id !== step;
  for (const each of document.querySelectorAll(`#${step} [hidden]`)) each.hidden = false;
  for (const each of document.querySelectorAll(`#${step} p:empty`)) each.textContent = "x";
}"""


def ensure_legible(page: Page) -> None:
    """Assert that every text has the contrast of WCAG AA and that nothing overflows the window."""
    page.wait_for_load_state()
    found = page.evaluate(CONTRASTS)
    assert found
    assert {name: ratio for name, ratio in found.items() if ratio < 4.5} == {}
    width = page.viewport_size
    assert width is not None
    assert page.evaluate("document.documentElement.scrollWidth") <= width["width"]


def read_heading(page: Page) -> str:
    return page.get_by_role("heading", level=1).inner_text()


class FrontEnd:
    """An operator's own exam: shows a page, and records its requests."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, str | None]] = []
        self.app = Flask("front_end")
        self.app.get("/exam")(self.show)
        self.app.get("/thankyou")(self.show)

    def show(self) -> str:
        self.asked.append((request.full_path, request.headers.get("Referer")))
        return '<link rel="icon" href="data:,"><h1>The operator</h1>'


@pytest.fixture(scope="module")
def engine() -> str:
    """The engine under test: what is behind the pages is tested on both in test_login_http."""
    return "sqlite"


@pytest.fixture(scope="module")
def operator() -> Iterator[tuple[str, FrontEnd]]:
    """The address of an operator's exam, and the exam."""
    front_end = FrontEnd()
    with serve_app(front_end.app) as address:
        yield address, front_end


def test_it_works(site: str, sessions: Served, windows: Windows, unique: str) -> None:
    bring(sessions, unique, Status.CREATED, order=BOTH)
    address = make_link(site, sessions, unique)
    for size, name in ((PHONE, "phone"), (DESK, "desk")):
        page = windows.open(size)
        page.goto(address)
        save_picture(page, f"{name}-door")
        assert page.title() == "Your vision test"
        assert read_heading(page) == "Your vision test is ready"
        assert page.locator("dd").all_inner_texts() == ["Test User", "Contact lenses, Glasses"]
        ensure_legible(page)
    assert get_status(sessions, unique) == "created"


def test_from_start_to_the_operators_exam_and_back(
    site: str,
    http: FlaskClient,
    sessions: Served,
    windows: Windows,
    unique: str,
    operator: tuple[str, FrontEnd],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    address, front_end = operator
    front_end.asked.clear()
    monkeypatch.setitem(http.application.config, "EXAM_URL", f"{address}/exam?from=door")
    bring(sessions, unique, Status.CREATED, order=BOTH)
    page = windows.open(PHONE, java_script_enabled=False)
    start(page, make_link(site, sessions, unique, f"{address}/thankyou?a=1"))
    assert read_heading(page) == "You can begin now"
    assert get_status(sessions, unique) == "started"
    save_picture(page, "phone-front-end")
    page.reload()
    page.get_by_role("link", name="Continue to the test").click()
    assert read_heading(page) == "The operator"
    where, _, fragment = page.url.partition("#")
    assert where == f"{address}/exam?from=door"
    token = fragment.removeprefix("exam_token=")
    missing = ["glasses_prior", "pupillary_distance"]
    move(sessions, "RequestConfirmation", unique, missing_requirements=missing)
    # What the operator's page does at its end: a form with the token.
    page.set_content(
        f'<form method="post" action="{site}/exam/return">'
        f'<input type="hidden" name="exam_token" value="{token}"><button>Done</button></form>'
    )
    page.get_by_role("button").click()
    state = (
        f"a=1&user_key={unique}&session_key={unique}&status=awaiting_confirmation"
        "&missing_requirements[]=glasses_prior&missing_requirements[]=pupillary_distance"
    )
    assert page.url == f"{address}/thankyou?{state}"
    assert front_end.asked == [("/exam?from=door", None), (f"/thankyou?{state}", None)]


def test_without_an_operators_exam_the_page_says_so(
    site: str, sessions: Served, windows: Windows, unique: str
) -> None:
    bring(sessions, unique, Status.CREATED)
    page = windows.open(PHONE)
    start(page, make_link(site, sessions, unique))
    assert read_heading(page) == "The test is not set up yet"
    said = page.locator("main").inner_text()
    assert "nothing went wrong on your side" in said
    assert "ask for a new link later" in said
    assert "GATEWAY" not in page.content()
    ensure_legible(page)
    save_picture(page, "phone-front-end-missing")


def test_without_javascript_the_acuity_exam_says_what_it_needs(
    site: str, sessions: Served, windows: Windows, unique: str
) -> None:
    bring(sessions, unique, Status.CREATED, order=ACUITY_ORDER)
    page = windows.open(PHONE, java_script_enabled=False)
    start(page, make_link(site, sessions, unique))
    assert read_heading(page) == "Check how sharply you see"
    assert page.get_by_text("needs JavaScript").is_visible()
    assert page.get_by_role("button").count() == 0
    save_picture(page, "phone-exam-without-javascript")


def test_every_page_is_legible(site: str, sessions: Served, windows: Windows, unique: str) -> None:
    bring(sessions, unique, Status.CREATED, order=ACUITY_ORDER)
    long = build_user(first_name="W" * 50, last_name="I W" * 16)
    for size, name in ((PHONE, "phone"), (DESK, "desk")):
        page = windows.open(size)
        page.goto(f"{site}/login?token=x")
        save_picture(page, f"{name}-closed")
        ensure_legible(page)
        page.goto(make_link(site, sessions, unique))
        with page.expect_navigation():
            page.get_by_role("button").click()
        for step in ("intro", "card", "distance", "cover", "save", "stage"):
            page.evaluate(SHOW, step)
            ensure_legible(page)
        bring(sessions, name + unique, Status.CREATED, user=long)
        page.goto(make_link(site, sessions, name + unique))
        ensure_legible(page)


def test_a_double_click_on_start_does_no_harm(
    site: str, sessions: Served, windows: Windows, unique: str
) -> None:
    bring(sessions, unique, Status.CREATED, order=ACUITY_ORDER)
    page = windows.open(DESK)
    page.goto(make_link(site, sessions, unique))
    page.get_by_role("button", name="Start").dblclick()
    page.get_by_role("heading", name="Check how sharply you see").wait_for()


def test_two_exams_in_one_browser_do_not_meet(
    site: str, sessions: Served, windows: Windows, unique: str
) -> None:
    page = windows.open(DESK)
    places = []
    for key in ("x" + unique, "y" + unique):
        bring(sessions, key, Status.CREATED, order=ACUITY_ORDER)
        start(page, make_link(site, sessions, key))
        places.append(page.url)
    assert places[0] != places[1]
    sent = {"visual_acuity": RESULTS}
    for place, key in zip(places, ("x" + unique, "y" + unique), strict=True):
        assert get_status(sessions, key) == "started"
        answer = page.request.post(f"{place}/results", data=sent)
        assert answer.status == 204
        assert get_status(sessions, key) == "completed"
