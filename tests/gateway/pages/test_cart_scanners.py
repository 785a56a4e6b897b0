"""Whatever visits a cart's link before the shopper moves nothing; the shopper's browser does."""

from typing import Any

import pytest
from flask.testing import FlaskClient

from tests.browser import PHONE, Windows
from tests.serving import Served
from tests.subscriptions_svc.shop import get, set_status, solicit

VISIT = {"Sec-Fetch-Mode": "navigate", "Sec-Fetch-Dest": "document", "Sec-Fetch-Site": "none"}
SCANNERS: list[dict[str, str]] = [
    {},
    {"User-Agent": "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 Chrome/140.0"},
    {"User-Agent": "facebookexternalhit/1.1"},
    {**VISIT, "Sec-Purpose": "prefetch;prerender"},
    {**VISIT, "Purpose": "prefetch"},
    {**VISIT, "X-Moz": "prefetch"},
    {**VISIT, "Sec-Fetch-Mode": "no-cors", "Sec-Fetch-Dest": "image"},
    {**VISIT, "Sec-Fetch-Dest": "iframe"},
    {"Sec-Fetch-Mode": "cors", "Sec-Fetch-Dest": "empty"},
]


@pytest.mark.parametrize("status", ["draft", "sent"])
@pytest.mark.parametrize("headers", SCANNERS)
def test_a_scanner_of_mail_moves_nothing(
    http: FlaskClient, subscriptions: Served, body: Any, status: str, headers: dict[str, str]
) -> None:
    made = solicit(subscriptions, body)
    set_status(subscriptions, made.id, status)
    before = subscriptions.rows()
    for method in (http.get, http.head):
        answer = method(f"/s/{made.last_persisted_cart.code}", headers=headers)
        assert answer.status_code == 200
    answer = http.head(f"/s/{made.last_persisted_cart.code}", headers=VISIT)
    assert answer.status_code == 200
    assert subscriptions.rows() == before


@pytest.mark.parametrize("status", ["draft", "sent"])
def test_a_visit_opens_it(http: FlaskClient, subscriptions: Served, body: Any, status: str) -> None:
    made = solicit(subscriptions, body)
    set_status(subscriptions, made.id, status)
    assert http.get(f"/s/{made.last_persisted_cart.code}", headers=VISIT).status_code == 200
    assert get(subscriptions, made.id).status == "in_progress"


def test_a_browser_opens_it_without_scripts(
    site: str, windows: Windows, subscriptions: Served, body: Any
) -> None:
    made = solicit(subscriptions, body)
    page = windows.open(PHONE, java_script_enabled=False)
    page.goto(f"{site}/s/{made.last_persisted_cart.code}")
    assert get(subscriptions, made.id).status == "in_progress"
