"""Any JSON value in any place of a body is accepted or refused, never a crash.

`FUZZ_EXAMPLES` sets how many values each test tries; they are others in each run.
"""

import json
import os
from collections.abc import Iterator
from copy import deepcopy
from typing import Any

import pytest
from flask.testing import FlaskClient
from google.protobuf.json_format import ParseDict, ParseError
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from protos import sessions_pb2
from sessions_svc.rules.statuses import Status
from tests.serving import Served, build_basic
from tests.sessions_svc import desk

BODIES = {
    "sessions": ("/api/v2/partners/sessions", "session"),
    "orders": ("/v1/orders", "order"),
    "subscriptions": ("/api/public/v1/subscriptions", "subscription"),
}
# The status that a valid value may get here: a key that is taken, another account's merchant.
VALID_REFUSALS = {("session_key",): 409, ("reference",): 409, ("merchant", "id"): 401}
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


def find_places(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Every path in a JSON value, its root included."""
    yield path
    if isinstance(value, dict):
        for name, each in value.items():
            yield from find_places(each, (*path, name))
    elif isinstance(value, list):
        for index, each in enumerate(value):
            yield from find_places(each, (*path, index))


def put(body: Any, path: tuple[Any, ...], value: Any) -> Any:
    """The body with another value at a place."""
    if not path:
        return value
    inside = body
    for name in path[:-1]:
        inside = inside[name]
    inside[path[-1]] = value
    return body


def authorize(http: FlaskClient, service: str) -> dict[str, str]:
    """The headers of an authorized caller."""
    if service != "orders":
        name = {"sessions": "demo-partner", "subscriptions": "demo-merchant"}[service]
        return {"Authorization": build_basic(name)}
    credentials = {"client_id": "demo-client", "client_secret": "demo-client-secret"}
    token = http.post("/v1/oauth/token", json=credentials).get_json()["token"]
    return {"Authorization": f"Bearer {token}", "User-Email": "optician@example.com"}


EXAMPLES = int(os.environ.get("FUZZ_EXAMPLES", "60"))
ANY_VALUE = settings(max_examples=EXAMPLES, deadline=None, suppress_health_check=list(HealthCheck))
FEWER = settings(ANY_VALUE, max_examples=EXAMPLES // 2)


@pytest.mark.parametrize("service", BODIES)
def test_any_value_in_any_place(
    http: FlaskClient, service: str, body: Any, request: pytest.FixtureRequest
) -> None:
    served: Served = request.getfixturevalue(service)
    path, name = BODIES[service]
    headers = authorize(http, service)
    where = list(find_places(body(name)))
    made = iter(range(10**9))

    @ANY_VALUE
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
        assert answer.status_code in (400, 403, 422, VALID_REFUSALS.get(place)), answer.get_data()
        assert answer.get_json()
        assert served.rows() == before

    holds()


@pytest.mark.parametrize("method", ["PUT", "DELETE"])
def test_any_value_in_any_place_of_a_change(
    http: FlaskClient, sessions: Served, body: Any, unique: str, method: str
) -> None:
    url = BODIES["sessions"][0]
    keys = {"user_key": unique, "session_key": unique}
    desk.bring(sessions, unique, Status.CREATED)

    def fresh() -> Any:
        return {**body("session"), **keys} if method == "PUT" else dict(keys)

    @ANY_VALUE
    @given(st.sampled_from(list(find_places(fresh()))), values)
    def holds(place: tuple[Any, ...], value: Any) -> None:
        before = sessions.rows()
        sent = json.dumps(put(fresh(), place, value))
        answer = http.open(url, method=method, data=sent, headers=authorize(http, "sessions"))
        if answer.status_code == 200:
            return
        assert answer.status_code in (400, 403, 404), answer.get_data()
        assert answer.get_json()["status"] == answer.status_code
        assert sessions.rows() == before

    holds()


@FEWER
@given(st.dictionaries(st.sampled_from(["user_key", "session_key", "page", "x"]), texts))
def any_query(http: FlaskClient, query: dict[str, str]) -> None:
    encoded = {name: value.encode("utf-8", "surrogatepass") for name, value in query.items()}
    headers = authorize(http, "sessions")
    answer = http.get(BODIES["sessions"][0], query_string=encoded, headers=headers)
    assert answer.status_code in (200, 400, 404), answer.get_data()
    assert answer.get_json()


def test_any_query_is_answered(http: FlaskClient) -> None:
    any_query(http)


DESK: dict[str, tuple[Status, dict[str, Any]]] = {
    "SubmitExam": (
        Status.STARTED,
        {"status": "awaiting_confirmation", "missing_requirements": ["glasses_prior"]},
    ),
    "Approve": (
        Status.AWAITING_REVIEW,
        {
            "dispensed_prescriptions": [
                desk.build_dispensed_contacts(assets=[{"content_type": "a/b", "source": "AAAA"}]),
                desk.build_dispensed_glasses(),
            ]
        },
    ),
    "CompleteAcuity": (Status.STARTED, {"visual_acuity": desk.VISUAL_ACUITY}),
    "ConfigurePartner": (
        Status.CREATED,
        {
            "limits": {"min_age": 5, "max_add": 4.0, "regions": ["IL"]},
            "stores": [{"id": "s", "enabled": True}],
            "products": ["p"],
            "endpoint": {
                "url": "https://a.example/",
                "headers": {"X-Key": "k"},
                "events": ["session_updated"],
            },
        },
    ),
}


def draw_alike(value: Any) -> Any:
    """Values of the type that a message has in the place of this one."""
    if isinstance(value, str):
        return texts
    if isinstance(value, bool):
        return st.booleans()
    if isinstance(value, int | float):
        return numbers | st.floats(-40, 40)
    if isinstance(value, list):
        return st.lists(st.sampled_from(value), max_size=22)
    return st.sampled_from([None, {}])


def get_inside(value: Any, path: tuple[Any, ...]) -> Any:
    """The value at a path of a JSON value."""
    return get_inside(value[path[0]], path[1:]) if path else value


@pytest.mark.parametrize("rpc", DESK)
def test_any_value_in_any_place_of_a_desk_request(sessions: Served, unique: str, rpc: str) -> None:
    status, fields = DESK[rpc]
    partner = f"p-{unique[:20]}"
    desk.create_partner(sessions, partner)
    made = iter(range(10**9))

    where = st.sampled_from(list(find_places(fields))[1:])

    @FEWER
    @given(
        where.flatmap(
            lambda place: st.tuples(st.just(place), draw_alike(get_inside(fields, place)))
        )
    )
    def holds(change: tuple[tuple[Any, ...], Any]) -> None:
        place, value = change
        key = f"{unique}-{next(made)}"
        named = {"partner": partner} if rpc == "ConfigurePartner" else {"session_key": key}
        sent = {"partner": "demo-partner", **put(deepcopy(fields), place, value), **named}
        try:
            request = ParseDict(sent, getattr(sessions_pb2, f"{rpc}Request")())
        except (ParseError, ValueError, TypeError, SystemError):
            return  # it cannot be sent over gRPC
        if rpc != "ConfigurePartner":
            order = desk.ACUITY_ORDER if rpc == "CompleteAcuity" else {}
            desk.bring(sessions, key, status, order=order)
        before = sessions.rows()
        code = desk.get_code(sessions, rpc, request, "staff", desk=True)
        if code != "OK":
            assert code == "INVALID_ARGUMENT"
            assert sessions.rows() == before

    holds()
