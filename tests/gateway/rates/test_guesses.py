"""Wrong secrets are counted; a right one always passes."""

from typing import Any

import pytest
from flask.testing import FlaskClient

from gateway import create_app
from gateway.rates.policies import Policy
from tests.gateway.front import CALLER, GET, TYPES, read_faults
from tests.serving import SERVICES, Served, build_basic

# Who is right is decided by the service, on both engines alike.
pytestmark = pytest.mark.parametrize("engine", ["sqlite"], indirect=True, scope="module")
DIALECTS = pytest.mark.parametrize("dialect", SERVICES)
YEAR = 365 * 24 * 3600
NAMES = {"sessions": "demo-partner", "orders": "demo-client", "subscriptions": "demo-merchant"}
TEXT = (
    "The credentials are wrong, as were too many others from here; wait {} seconds before the next "
    "attempt. Right ones are accepted at any time."
)


@pytest.fixture
def client(http: FlaskClient) -> Any:
    """A client of a gateway that takes three wrong secrets of a name, and six of an address."""
    amounts = {"wrong-secrets": 3, "wrong-secrets-by-address": 6}
    limits = {name: Policy(name, amount, YEAR) for name, amount in amounts.items()}
    app = create_app({**http.application.config, "LIMITS": limits})
    yield app.test_client()
    app.extensions["backends"].close()


def ask(client: FlaskClient, dialect: str, authorization: str, address: str = "203.0.113.1") -> Any:
    """Return the answer to a GET with these credentials."""
    headers = {**CALLER[dialect], "Authorization": authorization}
    return client.get(GET[dialect], headers=headers, environ_overrides={"REMOTE_ADDR": address})


def guess(client: FlaskClient, dialect: str, name: str, times: int, address: str = "") -> list[int]:
    """Guess secrets; return the statuses."""
    at = {"address": address} if address else {}
    return [
        ask(client, dialect, build_basic(name, f"guess-{number}"), **at).status_code
        for number in range(times)
    ]


@DIALECTS
def test_a_name_has_three_and_the_right_one_passes(client: FlaskClient, dialect: str) -> None:
    name = NAMES[dialect]
    assert guess(client, dialect, name, 5) == [401, 401, 401, 429, 429]
    refused = ask(client, dialect, build_basic(name, "one more"))
    assert (refused.status_code, refused.content_type) == (429, TYPES[dialect])
    assert "WWW-Authenticate" not in refused.headers
    expected = TEXT.format(refused.headers["Retry-After"])
    assert read_faults(dialect, refused) == [(None, expected)]
    right = ask(client, dialect, build_basic(name))
    assert right.status_code in (200, 400)  # sessions are listed by user
    assert "RateLimit" not in right.headers
    assert guess(client, dialect, name, 1, "203.0.113.2") == [401]


def test_an_address_has_six_for_all_names(client: FlaskClient) -> None:
    for number in range(3):
        assert guess(client, "subscriptions", f"name-{number}", 2) == [401, 401]
    assert guess(client, "subscriptions", "another", 1) == [429]
    assert guess(client, "sessions", "another", 1) == [429]
    tokens = [ask(client, "orders", f"Bearer tok_{n}").status_code for n in range(2)]
    assert tokens == [429, 429]
    assert ask(client, "subscriptions", build_basic("demo-merchant")).status_code == 200
    assert guess(client, "subscriptions", "another", 1, "203.0.113.2") == [401]


def test_a_bearer_token_has_no_name(client: FlaskClient) -> None:
    codes = [ask(client, "orders", f"Bearer tok_{number}").status_code for number in range(7)]
    assert codes == [401] * 6 + [429]


def test_no_credentials_are_no_guess(client: FlaskClient) -> None:
    codes = [
        client.get("/v1/labs", environ_overrides={"REMOTE_ADDR": "203.0.113.1"}).status_code
        for _ in range(8)
    ]
    assert codes == [401] * 8
    assert guess(client, "orders", "demo-client", 1) == [401]


@pytest.mark.parametrize("kind", ["plain", "json", "form", "basic"])
def test_the_token_route_counts_the_name_in_its_body(client: FlaskClient, kind: str) -> None:
    def fetch(secret: str) -> Any:
        body = {"client_id": "demo-client", "client_secret": secret}
        grant = {"grant_type": "client_credentials"}
        sent: dict[str, Any] = {
            "plain": {"json": body},
            "json": {"json": body | grant},
            "form": {"data": body | grant},
            "basic": {
                "data": grant,
                "headers": {"Authorization": build_basic("demo-client", secret)},
            },
        }[kind]
        at = {"REMOTE_ADDR": "203.0.113.1"}
        return client.post("/v1/oauth/token", environ_overrides=at, **sent)

    answers = [fetch(f"wrong-{number}-secret") for number in range(5)]
    assert [each.status_code for each in answers] == [401, 401, 401, 429, 429]
    if kind in ("form", "basic"):
        assert answers[3].get_json()["error"] == "too_many_requests"
    assert fetch("demo-client-secret").status_code == 200


def test_a_refusal_names_no_service(client: FlaskClient, orders: Served) -> None:
    """It is counted where the service has refused; a dead one refuses nobody."""
    app = create_app({**client.application.config, "ORDERS_ADDR": "127.0.0.1:1"})
    other = app.test_client()
    assert guess(other, "orders", "demo-client", 8) == [503] * 8
    app.extensions["backends"].close()
