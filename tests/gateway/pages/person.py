"""A person at the browser: opens a link, and reads only letters that are large enough."""

import math
from typing import Any
from urllib.parse import urlencode

from playwright.sync_api import Page

from protos import sessions_pb2 as pb
from sessions_svc.rules.statuses import Status
from tests.browser import Windows, save_picture
from tests.serving import Served
from tests.sessions_svc.desk import ACUITY_ORDER, bring
from tests.sessions_svc.links import create_link

CARD = {"lying": 85.6, "upright": 53.98}  # mm, ISO/IEC 7810 ID-1
DESK_MM, PHONE_MM = 3.8, 5.0  # CSS pixels a millimetre
KEYS = {"0": "ArrowRight", "90": "ArrowDown", "180": "ArrowLeft", "270": "ArrowUp"}
NAMES = {"0": "Right", "90": "Down", "180": "Left", "270": "Up"}
PAUSE = 400  # ms, longer than the blank between letters


def make_link(site: str, sessions: Served, key: str, redirect_url: str = "") -> str:
    """Return a new link into the session whose keys are `key`."""
    return f"{site}/login?{urlencode(create_link(sessions, key, redirect_url))}"


def start(page: Page, address: str) -> None:
    """Open a link, choose glasses if there is a choice, and start."""
    page.goto(address)
    for choice in page.locator("input[value=glasses]").all():
        choice.check()
    with page.expect_navigation():
        page.get_by_role("button", name="Start").click()


def read_results(sessions: Served, key: str) -> Any:
    """Return the stored results of an exam."""
    request = pb.GetSessionRequest(user_key=key, session_key=key)
    return sessions.call("GetSession", request).data.visual_acuity


def open_exam(
    windows: Windows, site: str, sessions: Served, key: str, size: dict[str, int], **options: Any
) -> Page:
    """Open a window at the first step of an exam."""
    bring(sessions, key, Status.CREATED, order=ACUITY_ORDER)
    page = windows.open(size, **options)
    page.clock.install()
    start(page, make_link(site, sessions, key))
    return page


def prepare(
    page: Page, css_per_mm: float, centimetres: object, correction: str = "Nothing"
) -> None:
    """Take the steps up to the first eye, on a screen of this many CSS pixels per millimetre."""
    page.get_by_label(correction).check()
    page.get_by_label("None of these").check()
    page.get_by_role("button", name="Next: measure the screen").click()
    side = CARD[page.locator("#card-way").inner_text()]
    page.get_by_label("Width of the frame").fill(str(round(side * css_per_mm * 2) / 2))
    page.get_by_role("button", name="It fits").click()
    page.get_by_label("Distance in centimetres").fill(str(centimetres))
    page.get_by_role("button", name="Next: right eye").click()


def measure_logmar(page: Page, css_per_mm: float, millimetres: float) -> float:
    """Return the logMAR of the letter on the stage, from its measured size."""
    box = page.locator("#letter").bounding_box()
    assert box is not None
    assert box["width"] == box["height"]
    stroke = box["width"] / 5 / css_per_mm
    return math.log10(math.degrees(math.atan(stroke / millimetres)) * 60)


def read_direction(page: Page) -> str:
    """Return the direction of the letter's arms, in degrees clockwise from the right."""
    turned = page.locator("#letter path").get_attribute("transform") or ""
    return turned.removeprefix("rotate(").split(" ")[0]


def read_letters(
    page: Page,
    css_per_mm: float,
    millimetres: float,
    sees: float,
    *,
    by: str = "keys",
    name: str = "",
) -> list[float]:
    """Cover an eye and answer until it is done, reading letters down to a logMAR.

    Return the logMAR of each letter. The page's clock is the test's.
    """
    page.get_by_role("button", name="Begin").click()
    shown: list[float] = []
    while True:
        page.clock.run_for(PAUSE)
        if not page.locator("#stage").is_visible():
            return shown
        shown.append(measure_logmar(page, css_per_mm, millimetres))
        way = read_direction(page)
        if name and len(shown) == 1:
            save_picture(page, name)
        if shown[-1] < sees - 0.01:
            page.get_by_role("button", name="Can't tell").click()
        elif by == "keys":
            page.keyboard.press(KEYS[way])
        elif by == "buttons":
            page.get_by_role("button", name=NAMES[way], exact=True).click()
        else:
            swipe(page, way)


def swipe(page: Page, way: str) -> None:
    """Draw a finger across the letter."""
    box = page.locator("#room").bounding_box()
    assert box is not None
    x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
    angle = math.radians(float(way))
    end = {"x": x + 60 * math.cos(angle), "y": y + 60 * math.sin(angle)}
    devtools = page.context.new_cdp_session(page)
    for kind, points in {"Start": [{"x": x, "y": y}], "Move": [end], "End": []}.items():
        devtools.send("Input.dispatchTouchEvent", {"type": f"touch{kind}", "touchPoints": points})
    devtools.detach()
