"""Calls to /api/public/v1/subscriptions, and what all their answers have in common."""

import json
from typing import Any

from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from tests.serving import build_basic

URL = "/api/public/v1/subscriptions"
SHOP = {"Authorization": build_basic("demo-merchant")}
OTHER_MERCHANT = {"Authorization": build_basic("other-merchant")}
STAFF = {"Authorization": build_basic("demo-staff")}


def send(
    http: FlaskClient, sent: Any, url: str = URL, headers: Any = SHOP, method: str = "POST"
) -> TestResponse:
    """Return the answer to a body; text and bytes are sent unchanged."""
    data = sent if isinstance(sent, (str, bytes)) else json.dumps(sent)
    return http.open(url, method=method, data=data, headers=headers)


def get(http: FlaskClient, url: str, headers: Any = SHOP) -> Any:
    """The document at a URL."""
    answer = http.get(url, headers=headers)
    assert (answer.status_code, answer.content_type) == (200, "application/json")
    return answer.get_json()


def read_refusal(answer: TestResponse, status: int) -> Any:
    """Check the form of a refusal, and return its body."""
    assert (answer.status_code, answer.content_type) == (status, "application/json")
    assert answer.headers["X-Request-Id"]
    challenge = 'Basic realm="optigate", charset="UTF-8"' if status == 401 else None
    assert answer.headers.get("WWW-Authenticate") == challenge
    return answer.get_json()


def read_violations(answer: TestResponse, status: int, code: str) -> list[tuple[str, str]]:
    """Return source and title of each violation, all of one code."""
    errors = read_refusal(answer, status)["errors"]
    assert {error.pop("code") for error in errors} == {code}
    return sorted((error["source"], error["title"]) for error in errors)
