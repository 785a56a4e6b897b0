"""The acuity exam in Chromium, from the link to the redirect back, on both engines."""

from collections.abc import Iterator

import pytest
from flask import Flask

from sessions_svc.rules.statuses import Status
from tests.browser import DESK, Windows, save_picture, serve_app
from tests.gateway.pages.person import (
    DESK_MM,
    make_link,
    prepare,
    read_letters,
    read_results,
)
from tests.serving import Served
from tests.sessions_svc.desk import ACUITY_ORDER, bring

# The letters, in logMAR, that lead who sees down to 0.1 or 0.4 to the end: screening, two lines
# above what was missed there, three easy ones, and what was missed once more.
TO_0_1 = "1.0 0.7 0.4 0.1 -0.2  0.0 0.0 0.1 0.1 0.1  0.3 0.2 0.1  0.0 0.0"
TO_0_4 = "1.0 0.7 0.4 0.1  0.3 0.3 0.4 0.4 0.4  0.6 0.5 0.4  0.3 0.3"


@pytest.fixture(scope="module")
def partner() -> Iterator[str]:
    """The address of the partner's page that people are sent back to."""
    app = Flask("partner")
    app.get("/thankyou")(lambda: '<link rel="icon" href="data:,"><h1>Thank you</h1>')
    with serve_app(app) as address:
        yield f"{address}/thankyou?order=1%2B1"


def test_it_works(site: str, sessions: Served, windows: Windows, unique: str, partner: str) -> None:
    bring(sessions, unique, Status.CREATED, order=ACUITY_ORDER)
    page = windows.open(DESK)
    page.clock.install()
    page.goto(make_link(site, sessions, unique, partner))
    save_picture(page, "desk-door-acuity")
    page.get_by_role("button", name="Start").click()
    save_picture(page, "desk-exam-1")
    page.get_by_label("Glasses").check()
    page.get_by_label("None of these").check()
    page.get_by_role("button", name="Next: measure the screen").click()
    save_picture(page, "desk-exam-2")
    page.get_by_role("button", name="It fits").click()
    save_picture(page, "desk-exam-3")
    page.reload()
    prepare(page, DESK_MM, 300, "Glasses")
    save_picture(page, "desk-exam-4")
    right = read_letters(page, DESK_MM, 3000, 0.1, name="desk-exam-letter")
    assert page.get_by_role("heading", name="Cover your right eye").is_visible()
    left = read_letters(page, DESK_MM, 3000, 0.4, by="buttons")
    assert right == pytest.approx([float(each) for each in TO_0_1.split()], abs=0.004)
    assert left == pytest.approx([float(each) for each in TO_0_4.split()], abs=0.004)
    page.get_by_role("heading", name="Your results").wait_for()
    save_picture(page, "desk-results")
    assert page.locator(".result").all_inner_texts() == [
        "Right eye\n\n20/25\n\n6/7.5 · logMAR 0.1",
        "Left eye\n\n20/50\n\n6/15 · logMAR 0.4",
    ]
    kept = read_results(sessions, unique)
    assert (kept.right_eye.logmar, kept.left_eye.logmar) == (0.1, 0.4)
    assert (kept.correction, kept.distance, kept.smallest_logmar) == ("glasses", 3000, -0.2)
    page.get_by_role("link", name="Continue to").click()
    state = f"user_key={unique}&session_key={unique}&status=completed"
    assert page.url == f"{partner}&{state}"
    page.go_back()
    assert page.get_by_role("heading", name="Your results").is_visible()
