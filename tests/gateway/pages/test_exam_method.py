"""The exam's geometry and its staircase, as the browser runs them."""

import math
import random
from collections.abc import Iterator
from typing import Any

import pytest
from playwright.sync_api import Browser, Page

from sessions_svc.rules.acuity import to_snellen, to_snellen_metres
from tests.browser import serve_app
from tests.gateway.front import front

MINUTE = math.radians(1 / 60)
# Runs a whole test; `reads` has for each line whether its letters are read.
RUN = """async ([lines, reads]) => {
  const { answer, begin } = await import("/assets/exam/staircase.js");
  let test = begin(lines);
  const shown = [];
  while (test.phase !== "done" && shown.length < 1000) {
    shown.push([test.phase, test.line]);
    test = answer(test, reads[test.line]);
  }
  return { best: test.best, letters: test.letters, shown };
}"""
GUESS = """async ([lines, chances]) => {
  const { answer, begin } = await import("/assets/exam/staircase.js");
  let test = begin(lines), letters = 0;
  while (test.phase !== "done") test = answer(test, chances[letters++ % chances.length]);
  return [test.best, letters];
}"""


@pytest.fixture(scope="module")
def window(browser: Browser) -> Iterator[Page]:
    """A window of the gateway without services."""
    with front() as client, serve_app(client.application) as address:
        context = browser.new_context()
        page = context.new_page()
        page.goto(f"{address}/assets/icon.svg")
        yield page
        context.close()


def optics(window: Page, expression: str) -> Any:
    return window.evaluate(f'import("/assets/exam/optics.js").then((of) => {expression})')


@pytest.mark.parametrize(
    ("logmar", "distance", "size"),
    [
        (0.0, 6000, 8.727),  # the 6/6 letter of a chart at 6 m
        (1.0, 6000, 87.266),  # and the 6/60 letter
        (0.0, 4000, 5.818),
        (0.0, 3000, 4.363),
        (0.3, 3000, 8.706),
        (-0.3, 6000, 4.374),
        (0.0, 400, 0.582),
    ],
)
def test_a_letter_is_five_minutes_high_at_logmar_0(
    window: Page, logmar: float, distance: int, size: float
) -> None:
    drawn = optics(window, f"of.letterSize({logmar}, {distance})")
    assert drawn == pytest.approx(size, abs=0.001)
    assert drawn == pytest.approx(5 * 10**logmar * distance * math.tan(MINUTE), rel=1e-12)


def test_a_screen_draws_what_has_two_pixels_a_stroke(window: Page) -> None:
    # A phone of 460 pixels an inch in the hand, and a monitor of 96 across the room.
    assert optics(window, "of.nearest(460 / 25.4)") == pytest.approx(379.6, abs=0.1)
    assert optics(window, "of.nearest(96 / 25.4)") == pytest.approx(1819.1, abs=0.1)
    for pixels, distance in ((460 / 25.4, 400), (96 / 25.4, 3000), (96 / 25.4, 6000)):
        found = optics(window, f"of.lines({pixels}, {distance}, 80)")
        sizes = [5 * 10**each * distance * math.tan(MINUTE) for each in found]
        assert found == [each / 10 for each in range(10, -4, -1) if each / 10 in found]
        assert all(size <= 80 and size / 5 * pixels >= 2 for size in sizes)
        wider, smaller = found[0] + 0.1, found[-1] - 0.1
        assert wider > 1.05 or 5 * 10**wider * distance * math.tan(MINUTE) > 80
        assert smaller < -0.35 or 10**smaller * distance * math.tan(MINUTE) * pixels < 2


def test_a_line_has_the_services_name_of_it(window: Page) -> None:
    for tenth in range(-3, 11):
        logmar = tenth / 10
        named = f"{to_snellen(logmar)} ({to_snellen_metres(logmar)})"
        assert optics(window, f"of.snellen({logmar})") == named


def test_the_result_is_the_smallest_line_that_is_read(window: Page) -> None:
    for lines in (1, 2, 3, 5, 11, 14):
        for best in range(-1, lines):
            ran = window.evaluate(RUN, [lines, [line <= best for line in range(lines)]])
            assert ran["best"] == (best if best >= 0 else None), (lines, best)
            assert ran["letters"] == len(ran["shown"]) <= 20


def test_the_phases_are_those_of_the_protocol(window: Page) -> None:
    ran = window.evaluate(RUN, [11, [line <= 5 for line in range(11)]])
    assert [f"{phase} {line}" for phase, line in ran["shown"]] == [
        *("screening 0", "screening 3", "screening 6"),
        *("first 4", "first 4", "first 4", "first 5", "first 5", "first 5"),
        *("first 6", "first 6"),
        *("easy 3", "easy 4", "easy 5"),
        *("second 6", "second 6"),
    ]
    assert ran["best"] == 5


def test_guessing_ends_and_passes_few_lines(window: Page) -> None:
    dice = random.Random(8596)
    lucky = longest = 0
    for _ in range(400):
        chances = [dice.random() < 0.25 for _ in range(199)]
        best, letters = window.evaluate(GUESS, [11, chances])
        lucky += best is not None and best > 0
        longest = max(longest, letters)
    assert lucky < 400 * 0.08
    assert longest <= 11 * 2 * 4 + 8
