"""A gateway in front of the services that a test names; the others are dead."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from flask.testing import FlaskClient

from gateway import create_app
from tests.serving import SERVICES, build_basic

DEAD = "127.0.0.1:1"
# For each dialect: a body's route, a route to read, and a known caller.
POST = {
    "sessions": "/api/v2/partners/sessions",
    "orders": "/v1/orders",
    "subscriptions": "/api/public/v1/subscriptions",
}
GET = {
    "sessions": "/api/v2/partners/sessions",
    "orders": "/v1/labs",
    "subscriptions": "/api/public/v1/subscriptions",
}
CALLER: dict[str, dict[str, str]] = {
    "sessions": {"Authorization": build_basic("demo-partner")},
    "orders": {
        "Authorization": build_basic("demo-client"),
        "User-Email": "optician@example.com",
    },
    "subscriptions": {"Authorization": build_basic("demo-merchant")},
}
TYPES = dict.fromkeys(SERVICES, "application/json") | {"sessions": "application/problem+json"}
CHALLENGES = dict.fromkeys(SERVICES, 'Basic realm="optigate", charset="UTF-8"') | {
    "orders": 'Bearer realm="optigate"'
}


@contextmanager
def front(**settings: Any) -> Iterator[FlaskClient]:
    """An HTTP client of the gateway; `orders="host:port"` says where a service is."""
    addresses = {f"{name.upper()}_ADDR": settings.pop(name, DEAD) for name in SERVICES}
    app = create_app({**addresses, **settings})
    try:
        yield app.test_client()
    finally:
        app.extensions["backends"].close()


def read_faults(dialect: str, answer: Any) -> list[tuple[str | None, str]]:
    """Return path and message of each fault in an error body; None where no path is named."""
    body = answer.get_json()
    if dialect == "sessions":
        assert body["status"] == answer.status_code
        errors = body.get("errors", {"": [body["detail"]]})
        return [(path or None, text) for path, each in errors.items() for text in each]
    if dialect == "orders":
        error = body["error"]
        listed = error.get("errors", [error])
        assert listed[0]["message"] == error["message"]
        return [(each.get("param") or None, each["message"]) for each in listed]
    return [(each.get("source"), each["title"]) for each in body["errors"]]
