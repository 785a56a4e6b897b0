"""A deprecated route says so in its answers and in its document."""

from datetime import date
from functools import wraps
from typing import Any

import pytest
from flask.testing import FlaskClient

from gateway.answers.deprecations import deprecate
from openapi.documents import build_document
from openapi.fields.comments import read_comments
from tests.gateway.front import CALLER, front

SINCE, SUNSET = date(2026, 3, 1), date(2026, 9, 1)
URL = "https://optics.example/upgrade"
HEADERS = {
    "Deprecation": "@1772323200",
    "Sunset": "Tue, 01 Sep 2026 00:00:00 GMT",
    "Link": f'<{URL}>; rel="deprecation"; type="text/html"',
}


def mark(http: FlaskClient, endpoint: str) -> None:
    """Deprecate a route of this application alone."""
    views = http.application.view_functions
    original = views[endpoint]

    @deprecate(SINCE, SUNSET, URL)
    @wraps(original)
    def view(**values: Any) -> Any:
        return original(**values)

    views[endpoint] = view


def test_it_works() -> None:
    with front() as http:
        mark(http, "orders.list_labs")
        refused = http.get("/v1/labs", headers=CALLER["orders"])
        assert refused.status_code == 503  # its service is away
        assert {name: refused.headers[name] for name in HEADERS} == HEADERS
        other = http.get("/v1/me", headers=CALLER["orders"])
        assert other.headers.keys() & HEADERS.keys() == set()
        document = build_document(http.application, "orders", read_comments())
    deprecated = {
        path
        for path, methods in document["paths"].items()
        for operation in methods.values()
        if operation.get("deprecated")
    }
    assert deprecated == {"/v1/labs"}


def test_a_sunset_does_not_come_too_soon() -> None:
    with pytest.raises(ValueError, match="stays for 180 days"):
        deprecate(SINCE, date(2026, 8, 1), URL)


def test_a_page_in_a_browser_may_read_them() -> None:
    with front(CORS_ORIGINS=frozenset({"https://shop.example"})) as http:
        answer = http.get(
            "/v1/labs", headers={**CALLER["orders"], "Origin": "https://shop.example"}
        )
    exposed = answer.headers["Access-Control-Expose-Headers"].split(", ")
    assert {"Deprecation", "Sunset", "Link"} <= set(exposed)
