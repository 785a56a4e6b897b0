"""A browser at the dashboard: logging in, orders to look at, and checks of how a page looks."""

import json
import os
import re
from itertools import pairwise
from pathlib import Path
from typing import Any

from google.protobuf.json_format import ParseDict
from playwright.sync_api import Page

from protos.orders_pb2 import CreateOrderRequest
from tests.browser import DESK, Windows, save_picture
from tests.serving import Served

OPTICIAN, PASSWORD = "optician@example.com", "demo-password"
DEMO = Path(__file__).parents[3] / "demo" / "order.json"
# The texts whose contrast with their background is too low.
CONTRAST = """() => {
  const parse = text => (text.match(/[\\d.]+/g) || []).map(Number);
  const light = ([r, g, b]) => [r, g, b]
    .map(c => c / 255).map(c => c <= 0.03928 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4)
    .reduce((sum, c, i) => sum + c * [0.2126, 0.7152, 0.0722][i], 0);
  const ground = each => {
    for (let at = each; at; at = at.parentElement) {
      const color = parse(getComputedStyle(at).backgroundColor);
      if (color.length === 3 || color[3] === 1) return color;
    }
    return [255, 255, 255];
  };
  const faint = [];
  const walk = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (walk.nextNode()) {
    const each = walk.currentNode.parentElement;
    if (!walk.currentNode.data.trim() || !each.checkVisibility()) continue;
    const style = getComputedStyle(each), svg = each.closest("svg");
    const text = parse(svg ? style.fill : style.color);
    const [low, high] = [light(text), light(ground(each))].sort((a, b) => a - b);
    const ratio = (high + 0.05) / (low + 0.05);
    if (ratio < 4.5) faint.push(`${ratio.toFixed(2)} ${walk.currentNode.data.trim()}`);
  }
  return faint;
}"""


def open_at(windows: Windows, site: str, path: str, **options: Any) -> Page:
    """Log in as the form does, and return the window at a path."""
    page = windows.open(options.pop("size", DESK), **options)
    form: Any = {"email": OPTICIAN, "password": PASSWORD}
    answer = page.request.post(f"{site}/orders/login", form=form, max_redirects=0)
    assert answer.headers["location"] == "/orders"
    page.goto(f"{site}{path}")
    return page


def log_in(page: Page, email: str = OPTICIAN, password: str = PASSWORD) -> None:
    """Fill in the login form and send it."""
    page.get_by_label("E-mail").fill(email)
    page.get_by_label("Password").fill(password)
    page.get_by_role("button", name="Log in").click()


def build_order(**changes: Any) -> dict[str, Any]:
    """Return the demo order with some blocks replaced."""
    return {**json.loads(DEMO.read_text()), **changes}


def create_order(orders: Served, order: dict[str, Any]) -> str:
    """Create an order and return its id."""
    made: str = orders.call("CreateOrder", ParseDict(order, CreateOrderRequest())).id
    return made


def assert_readable(page: Page) -> None:
    """Assert that nothing overflows the window, no text is faint, and every control has a name."""
    page.wait_for_load_state()  # a click does not wait for the styles of the page it leads to
    assert page.evaluate("document.documentElement.scrollWidth - innerWidth") <= 0, "wide"
    assert (faint := page.evaluate(CONTRAST)) == [], faint
    assert page.evaluate("document.documentElement.lang") == "en"
    nameless = "!e.textContent.trim() && !e.labels?.length && !e.ariaLabel"
    used = "[...document.querySelectorAll('a, button, input:not([type=hidden])')]"
    assert page.evaluate(f"{used}.filter(e => {nameless}).length") == 0
    headings = page.evaluate("[...document.querySelectorAll('h1, h2, h3')].map(e => +e.tagName[1])")
    assert headings[0] == 1, headings
    assert all(after - before <= 1 for before, after in pairwise(headings))
    ids = page.evaluate("[...document.querySelectorAll('[id]')].map(e => e.id)")
    assert len(ids) == len(set(ids))


def count_sheets(pdf: bytes) -> int:
    """Return the number of pages of a PDF."""
    return len(re.findall(rb"/Type\s*/Page\b(?!s)", pdf))


def print_picture(page: Page, name: str, width: int, height: int) -> None:
    """Keep a picture of a sheet of paper, of this size in CSS pixels, without its margins."""
    if os.environ.get("SCREENSHOTS"):
        page.emulate_media(media="print")
        page.set_viewport_size({"width": width, "height": height})
        save_picture(page, name)
