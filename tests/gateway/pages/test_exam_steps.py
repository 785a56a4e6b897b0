"""The steps of the acuity exam in Chromium, on one engine: phones, mistakes, failures."""

import pytest
from playwright.sync_api import Page

from tests.browser import DESK, PHONE, Windows, save_picture
from tests.gateway.pages.person import (
    DESK_MM,
    KEYS,
    PAUSE,
    PHONE_MM,
    open_exam,
    prepare,
    read_direction,
    read_letters,
    read_results,
)
from tests.serving import Served
from tests.sessions_svc.desk import get_status

TOUCHED = {"device_scale_factor": 3, "is_mobile": True, "has_touch": True}


@pytest.fixture(scope="module")
def engine() -> str:
    """The engine under test: the browser sees no difference."""
    return "sqlite"


def test_a_person_too_near_the_screen_is_sent_back(
    site: str, sessions: Served, windows: Windows, unique: str
) -> None:
    page = open_exam(windows, site, sessions, unique, DESK)
    page.get_by_role("button", name="Next: measure the screen").click()
    assert page.get_by_role("alert").inner_text() == "Choose what you will wear."
    prepare_until_distance(page)
    told, onward = page.locator("#distance-told"), page.get_by_role("button", name="Next: right")
    # 2 pixels a stroke: 2 / 3.8 mm subtend one minute at 1809.4 mm.
    for centimetres, enough in {"": 0, "0": 0, "-300": 0, "180": 0, "181": 1, "600": 1}.items():
        page.get_by_label("Distance").fill(centimetres)
        assert onward.is_enabled() == bool(enough), centimetres
    page.get_by_label("Distance").fill("100")
    assert "Be at least 181 cm away (5 ft 11 in)" in told.inner_text()
    page.get_by_label("Distance").fill("700")
    assert "Move closer" in told.inner_text()
    page.get_by_label("Distance").fill("250")
    assert "20/16 (6/4.8)" in told.inner_text()


def prepare_until_distance(page: Page) -> None:
    page.get_by_label("Nothing").check()
    page.get_by_label("None of these").check()
    page.get_by_role("button", name="Next: measure the screen").click()
    page.get_by_label("Width of the frame").fill(str(85.5))
    page.get_by_label("Width of the frame").fill(str(round(85.6 * DESK_MM * 2) / 2))
    page.get_by_role("button", name="It fits").click()


def test_on_a_phone_the_card_is_upright_and_a_swipe_answers(
    site: str, sessions: Served, windows: Windows, unique: str
) -> None:
    page = open_exam(windows, site, sessions, unique, PHONE, **TOUCHED)
    save_picture(page, "phone-exam-1")
    for step in ("intro", "card", "distance", "cover"):
        if step == "card":
            page.get_by_label("Nothing").check()
            page.get_by_label("None of these").check()
            page.get_by_role("button", name="Next: measure the screen").click()
        elif step == "distance":
            page.get_by_role("button", name="It fits").click()
        elif step == "cover":
            page.reload()
            prepare(page, PHONE_MM, 50)
        save_picture(page, f"phone-exam-{step}")
        assert page.evaluate("document.documentElement.scrollWidth") == PHONE["width"]
    read_letters(page, PHONE_MM, 500, 0.0, by="swipes", name="phone-exam-letter")
    read_letters(page, PHONE_MM, 500, 2, by="swipes")
    page.get_by_role("heading", name="Your results").wait_for()
    save_picture(page, "phone-results")
    assert page.evaluate("document.documentElement.scrollWidth") == PHONE["width"]
    assert page.locator(".acuity").all_inner_texts() == ["20/20", "Not read"]
    kept = read_results(sessions, unique)
    assert kept.right_eye.logmar == 0
    assert not kept.left_eye.HasField("logmar")
    assert (kept.correction, kept.distance) == ("none", 500)


def test_on_a_phone_that_lies_the_letters_stand_beside_the_buttons(
    site: str, sessions: Served, windows: Windows, unique: str
) -> None:
    lying = {"width": 640, "height": 320}
    page = open_exam(windows, site, sessions, unique, lying, device_scale_factor=3)
    prepare(page, PHONE_MM, 300)
    shown = read_letters(page, PHONE_MM, 3000, 2)
    # 43.6 mm, or 218 pixels, are the letter of logMAR 1.0.
    assert shown[0] == pytest.approx(1.0, abs=0.005)


def test_part_of_a_centimetre_is_no_fault(
    site: str, sessions: Served, windows: Windows, unique: str
) -> None:
    page = open_exam(windows, site, sessions, unique, DESK)
    prepare(page, DESK_MM, "250.55")
    for _ in range(2):
        read_letters(page, DESK_MM, 2506, 2)
    page.get_by_role("heading", name="Your results").wait_for()
    assert read_results(sessions, unique).distance == 2506


def test_all_of_it_goes_by_keyboard(
    site: str, sessions: Served, windows: Windows, unique: str
) -> None:
    page = open_exam(windows, site, sessions, unique, DESK)

    def press(*keys: str) -> str:
        for key in keys:
            page.keyboard.press(key)
        focused: str = page.evaluate("document.activeElement.id")
        return focused

    assert press("Tab", "Space", "ArrowDown", *["Tab"] * 7, "Space") == "no-sign"
    assert press("Tab", "Enter") == "card-title"
    assert press("Tab", "Tab", "ArrowRight", "ArrowRight") == "width"
    assert press("Tab", "Tab", "Enter") == "distance-title"
    assert press("Tab") == "centimetres"
    assert press("Tab", "Enter") == "cover-title"
    assert press("Tab", "Enter") == "stage-title"
    page.clock.run_for(PAUSE)
    page.keyboard.press(KEYS[read_direction(page)])
    assert page.locator("#stage-title").inner_text() == "Right eye · letter 2"


def test_a_letter_that_does_not_fit_restarts_the_eye(
    site: str, sessions: Served, windows: Windows, unique: str
) -> None:
    page = open_exam(windows, site, sessions, unique, DESK)
    prepare(page, DESK_MM, 300)
    page.get_by_role("button", name="Begin").click()
    page.set_viewport_size({"width": 320, "height": 300})
    page.clock.run_for(PAUSE)
    assert "starts over" in page.locator("#cover-note").inner_text()
    page.set_viewport_size(DESK)  # type: ignore[arg-type]  # a size like any other
    assert read_letters(page, DESK_MM, 3000, 0.1)[0] == pytest.approx(1.0, abs=0.005)


def test_the_frame_is_as_wide_as_the_slider_says(
    site: str, sessions: Served, windows: Windows, unique: str
) -> None:
    page = open_exam(windows, site, sessions, unique, DESK)
    page.get_by_label("Contact lenses").check()
    page.get_by_label("None of these").check()
    page.get_by_role("button", name="Next: measure the screen").click()
    slider, frame = page.get_by_label("Width of the frame"), page.locator("#frame")

    def size() -> tuple[float, float]:
        box = frame.bounding_box()
        assert box is not None
        return box["width"], box["height"]

    slider.fill("300")
    width, height = size()
    assert width == 300
    assert height == pytest.approx(300 / 85.6 * 53.98, abs=0.1)
    slider.focus()
    page.keyboard.press("ArrowRight")
    assert size()[0] == 300.5
    page.get_by_role("button", name="Wider").click()
    page.get_by_role("button", name="Wider").click()
    page.get_by_role("button", name="Narrower").click()
    assert size()[0] == 301


def test_a_key_that_is_held_or_comes_too_early_counts_once(
    site: str, sessions: Served, windows: Windows, unique: str
) -> None:
    page = open_exam(windows, site, sessions, unique, DESK)
    prepare(page, DESK_MM, 300)
    page.get_by_role("button", name="Begin").click()
    title = page.locator("#stage-title")
    page.keyboard.press("ArrowUp")
    assert title.inner_text() == "Right eye · letter 1"
    page.clock.run_for(400)
    page.keyboard.down("ArrowUp")
    page.keyboard.down("ArrowUp")
    page.clock.run_for(400)
    page.keyboard.down("ArrowUp")
    assert title.inner_text() == "Right eye · letter 2"
    assert page.locator("#aloud").inner_text() == "right eye, letter 2."


def test_another_zoom_voids_what_was_measured(
    site: str, sessions: Served, windows: Windows, unique: str
) -> None:
    page = open_exam(windows, site, sessions, unique, DESK)
    prepare(page, DESK_MM, 300)
    page.get_by_role("button", name="Begin").click()
    devtools = page.context.new_cdp_session(page)
    zoomed = {"width": 1000, "height": 700, "deviceScaleFactor": 1.25, "mobile": False}
    devtools.send("Emulation.setDeviceMetricsOverride", zoomed)
    page.get_by_role("heading", name="Measure your screen").wait_for()
    assert "measure again" in page.locator("#card-note").inner_text()


def test_results_survive_a_broken_connection(
    site: str, sessions: Served, windows: Windows, unique: str
) -> None:
    page = open_exam(windows, site, sessions, unique, DESK)
    prepare(page, DESK_MM, 300)
    page.route("**/results", lambda route: route.abort())
    for _ in range(2):
        read_letters(page, DESK_MM, 3000, 0.2)
    page.get_by_role("button", name="Try again").wait_for()
    assert get_status(sessions, unique) == "started"
    assert windows.wrong
    windows.wrong.clear()
    page.unroute("**/results")
    page.get_by_role("button", name="Try again").click()
    page.get_by_role("heading", name="Your results").wait_for()
    assert read_results(sessions, unique).left_eye.logmar == 0.2


def test_late_results_are_reported_as_lost(
    site: str, sessions: Served, windows: Windows, unique: str
) -> None:
    page = open_exam(windows, site, sessions, unique, DESK)
    prepare(page, DESK_MM, 300)
    page.context.clear_cookies()
    for _ in range(2):
        read_letters(page, DESK_MM, 3000, 0.2)
    page.get_by_text("can no longer be saved").wait_for()
    assert page.get_by_role("button", name="Try again").is_hidden()
    assert get_status(sessions, unique) == "started"
