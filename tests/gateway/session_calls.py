"""Calls to /api/v2/partners, and the contents of its refusals."""

import json
from datetime import UTC, datetime
from typing import Any

from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from tests.serving import build_basic

SESSIONS = "/api/v2/partners/sessions"
QUALIFICATIONS = "/api/v2/partners/qualifications"
PARTNER = {"Authorization": build_basic("demo-partner")}
OTHER_PARTNER = {"Authorization": build_basic("other-partner")}
NOON = datetime(2026, 6, 15, 12, 0, 0, 987654, tzinfo=UTC)
BEYOND_LIMITS: dict[str, Any] = {
    "user": {"birthdate": "2020-01-01", "region": "CA-ON"},
    "prescriptions": [{"type": "contacts", "right_eye": {"product_key": "none", "sphere": 20}}],
}
ALL = ["age", "region", "unknown_product_key", "prescription"]
DISQUALIFIED = {"qualifies": False, "disqualifications": ALL}


def post(http: FlaskClient, sent: Any, url: str = SESSIONS, headers: Any = PARTNER) -> TestResponse:
    """Return the answer to a body; text and bytes are sent unchanged."""
    data = sent if isinstance(sent, (str, bytes)) else json.dumps(sent)
    return http.post(url, data=data, headers=headers)


def check_problem(answer: TestResponse, status: int, title: str, detail: str) -> dict[str, Any]:
    """Check a problem's RFC 9457 members and request id, and return its other members."""
    assert answer.status_code == status
    assert answer.content_type == "application/problem+json"
    said: dict[str, Any] = answer.get_json()
    assert [said.pop(name) for name in ("type", "title", "status", "detail", "request_id")] == [
        *("about:blank", title, status, detail, answer.headers["X-Request-Id"])
    ]
    return said


def read_faults(
    answer: TestResponse, detail: str = "The request breaks rules."
) -> dict[str, list[str]]:
    """Return the faults that a 400 names, by path."""
    said = check_problem(answer, 400, "Bad Request", detail)
    errors: dict[str, list[str]] = said.pop("errors")
    assert said == {}
    return errors


def read_malformed(answer: TestResponse) -> dict[str, list[str]]:
    """Return the faults of a body that could not be read, by path."""
    return read_faults(answer, "The request is malformed.")
