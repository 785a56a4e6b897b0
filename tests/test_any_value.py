"""Any JSON value in any place of the three bodies is accepted or refused, never a crash."""

import json
from collections.abc import Iterator
from typing import Any

import pytest
from flask.testing import FlaskClient
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.serving import Served, basic

BODIES = {
    "sessions": ("/api/v2/partners/sessions", "session"),
    "orders": ("/v1/orders", "order"),
    "subscriptions": ("/api/public/v1/subscriptions", "subscription"),
}
# What a well-meant value of these may be answered: a key that is taken, another's merchant.
MEANT = {("session_key",): 409, ("reference",): 409, ("merchant", "id"): 401}
WORDS = ["", " ", "rx", "both", "2024-02-30", "2024-02-29", "US-ZZ", "\0", "\ud800", "é" * 60]
NUMBERS = [0, -1, 1, 180, 0.5, -0.0, 2**31, 2**63, 10**40, 1e308, 90.5]

texts = st.text(max_size=20) | st.sampled_from(WORDS)
numbers = (
    st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.sampled_from(NUMBERS)
)
values = st.recursive(
    st.none() | st.booleans() | numbers | texts,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
    max_leaves=8,
)


def places(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Every place in a JSON value, itself included."""
    yield path
    if isinstance(value, dict):
        for name, each in value.items():
            yield from places(each, (*path, name))
    elif isinstance(value, list):
        for index, each in enumerate(value):
            yield from places(each, (*path, index))


def put(body: Any, path: tuple[Any, ...], value: Any) -> Any:
    """The body with another value at a place."""
    if not path:
        return value
    inside = body
    for name in path[:-1]:
        inside = inside[name]
    inside[path[-1]] = value
    return body


def authorized(http: FlaskClient, service: str) -> dict[str, str]:
    """The headers of a caller who may."""
    if service != "orders":
        name = {"sessions": "demo-partner", "subscriptions": "demo-merchant"}[service]
        return {"Authorization": basic(name)}
    credentials = {"client_id": "demo-client", "client_secret": "demo-client-secret"}
    token = http.post("/v1/oauth/token", json=credentials).get_json()["token"]
    return {"Authorization": f"Bearer {token}", "User-Email": "optician@example.com"}


@pytest.mark.parametrize("service", BODIES)
def test_any_value_in_any_place(
    http: FlaskClient, service: str, body: Any, request: pytest.FixtureRequest
) -> None:
    served: Served = request.getfixturevalue(service)
    path, name = BODIES[service]
    headers = authorized(http, service)
    where = list(places(body(name)))
    made = iter(range(10**9))

    @settings(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck))
    @given(st.sampled_from(where), values)
    def holds(place: tuple[Any, ...], value: Any) -> None:
        sent = body(name)
        key = {"sessions": "session_key", "subscriptions": "reference"}.get(service)
        if key:
            sent[key] = f"any-{next(made)}"
        before = served.rows()
        answer = http.post(path, data=json.dumps(put(sent, place, value)), headers=headers)
        if answer.status_code == 201:
            return
        assert answer.status_code in (400, 403, 422, MEANT.get(place)), answer.get_data()
        assert answer.get_json()
        assert served.rows() == before

    holds()
