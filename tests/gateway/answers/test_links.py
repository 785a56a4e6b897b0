"""`Link` of lists: a client that only follows rel=next sees everything, once."""

import re
from datetime import timedelta
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import pytest
from flask.testing import FlaskClient

from sessions_svc.rules.statuses import Status
from tests.gateway.front import CALLER
from tests.gateway.session_calls import NOON, PARTNER, SESSIONS
from tests.gateway.subscription_calls import SHOP, URL
from tests.gateway.test_orders import post
from tests.serving import Served
from tests.sessions_svc.desk import bring
from tests.subscriptions_svc.shop import solicit


def read_links(answer: Any) -> dict[str, str]:
    """Return the targets of a `Link` field by their relations."""
    found = re.findall(r'<([^>]*)>; rel="(\w+)"', answer.headers.get("Link", ""))
    return {relation: target for target, relation in found}


def walk(http: FlaskClient, path: str, headers: Any, relation: str = "next") -> list[Any]:
    """Return the pages from a path on."""
    pages: list[Any] = []
    while path:
        assert len(pages) < 10
        answer = http.get(path, headers=headers)
        assert answer.status_code == 200
        pages.append(answer)
        path = read_links(answer).get(relation, "")
    return pages


def list_ids(pages: list[Any], name: str = "id") -> list[str]:
    """Return the ids on the pages."""
    return [each[name] for page in pages for each in page.get_json()["data"]]


def test_orders_by_their_cursors(http: FlaskClient, orders: Served, body: Any) -> None:
    made = []
    for minute in range(5):
        with orders.clock.at(NOON + timedelta(minutes=minute)):
            made.append(post(http, body("order"), CALLER["orders"]).get_json()["id"])
    path = "/v1/orders?lab=lab_123&account_number=12345678&limit=2"
    path = path.replace("12345678", body("order")["account_number"])
    path = path.replace("lab_123", body("order")["lab"])
    pages = walk(http, path, CALLER["orders"])
    assert list_ids(pages)[:5] == made[::-1]
    first, last = read_links(pages[0]), read_links(pages[-1])
    assert list(first) == ["next"]
    assert list(last) == ["prev"]
    query = dict(parse_qsl(urlsplit(first["next"]).query))
    assert query | {"starting_after": ""} == {
        "lab": body("order")["lab"],
        "account_number": body("order")["account_number"],
        "limit": "2",
        "starting_after": "",
    }
    back = walk(http, last["prev"], CALLER["orders"], "prev")
    assert list_ids(back)[-1] == made[-2]
    assert "prev" not in read_links(back[-1])
    assert list_ids([http.get(read_links(back[0])["next"], headers=CALLER["orders"])])


def test_sessions_by_their_pages(http: FlaskClient, sessions: Served, unique: str) -> None:
    for number in range(3):
        bring(sessions, f"{unique}{number}", Status.CREATED)
    alone = http.get(f"{SESSIONS}?user_key={unique}0", headers=PARTNER)
    assert "Link" not in alone.headers
    empty = http.get(f"{SESSIONS}?user_key={unique}0&page=9&per_page=1", headers=PARTNER)
    assert read_links(empty) == {"prev": f"{SESSIONS}?user_key={unique}0&per_page=1&page=1"}
    nobody = http.get(f"{SESSIONS}?user_key=x{unique}&page=9", headers=PARTNER)
    assert read_links(nobody) == {}


def test_subscriptions_by_their_pages(
    http: FlaskClient, subscriptions: Served, body: Any, unique: str
) -> None:
    made = {solicit(subscriptions, body, given_names=unique).id for _ in range(3)}
    pages = walk(http, f"{URL}?search={unique}&per_page=2&status=draft", SHOP)
    assert (len(pages), set(list_ids(pages))) == (2, made)
    assert read_links(pages[0]) == {"next": f"{URL}?search={unique}&per_page=2&status=draft&page=2"}
    assert list(read_links(pages[1])) == ["prev"]


@pytest.mark.parametrize("path", ["/api/public/v1/me", "/v1/me", "/api/v2/partners/me"])
def test_single_things_have_none(http: FlaskClient, path: str) -> None:
    headers = CALLER["orders"] if path == "/v1/me" else PARTNER
    assert "Link" not in http.get(path, headers=headers).headers
