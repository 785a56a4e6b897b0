"""GET /me of each API on both engines, and the RPC that is called before a refusal."""

from typing import Any

import pytest
from flask.testing import FlaskClient

from tests.chassis.logs import capture_log
from tests.gateway.front import CALLER, CHALLENGES, POST, TYPES, front, read_faults
from tests.serving import SERVICES, Served, build_basic

DIALECTS = pytest.mark.parametrize("dialect", SERVICES)
ME = {
    "sessions": "/api/v2/partners/me",
    "orders": "/v1/me",
    "subscriptions": "/api/public/v1/me",
}
DEMO: dict[str, Any] = {
    "sessions": {
        "partner": "demo-partner",
        "stores": ["store_1234"],
        "products": ["example1", "example2"],
    },
    "orders": {
        "client": "demo-client",
        "user": "optician@example.com",
        "labs": [
            {"id": "lab_123", "name": "Acme Lab", "account_number": "1234567"},
            {"id": "lab_456", "name": "VisionWorks Lab", "account_number": "7654321"},
        ],
    },
    "subscriptions": {
        "account": "demo-merchant",
        "merchants": [
            {"id": "tienda_moderna", "name": "Tienda Moderna", "store_refs": ["tienda_moderna"]}
        ],
    },
}
OTHER_CALLER: dict[str, dict[str, str]] = {
    "sessions": {"Authorization": build_basic("other-partner")},
    "orders": {"Authorization": build_basic("other-client"), "User-Email": "stranger@example.org"},
    "subscriptions": {"Authorization": build_basic("other-merchant")},
}
OTHER_CALLERS: dict[str, Any] = {
    "sessions": {"partner": "other-partner", "stores": [], "products": []},
    "orders": {"client": "other-client", "user": "stranger@example.org", "labs": []},
    "subscriptions": {
        "account": "other-merchant",
        "merchants": [{"id": "otra_tienda", "name": "Otra Tienda", "store_refs": ["otra_tienda"]}],
    },
}


@pytest.fixture
def served(sessions: Served, orders: Served, subscriptions: Served) -> dict[str, Served]:
    """The services, by name."""
    return {"sessions": sessions, "orders": orders, "subscriptions": subscriptions}


@DIALECTS
def test_it_works(http: FlaskClient, served: dict[str, Served], dialect: str) -> None:
    before = served[dialect].rows()
    answer = http.get(ME[dialect], headers=CALLER[dialect])
    assert (answer.status_code, answer.content_type) == (200, "application/json")
    assert answer.get_json() == DEMO[dialect]
    assert served[dialect].rows() == before


@DIALECTS
def test_another_tenant_reads_its_own(http: FlaskClient, dialect: str) -> None:
    answer = http.get(ME[dialect], headers=OTHER_CALLER[dialect])
    assert (answer.status_code, answer.get_json()) == (200, OTHER_CALLERS[dialect])


def test_a_second_user_of_a_client_has_other_labs(http: FlaskClient) -> None:
    headers = {**CALLER["orders"], "User-Email": "second@example.com"}
    assert http.get(ME["orders"], headers=headers).get_json() == {
        "client": "demo-client",
        "user": "second@example.com",
        "labs": [{"id": "lab_456", "name": "VisionWorks Lab", "account_number": "7654321"}],
    }


def test_a_bearer_token_is_its_client(http: FlaskClient) -> None:
    client = {"client_id": "demo-client", "client_secret": "demo-client-secret"}
    token = http.post("/v1/oauth/token", json=client).get_json()["token"]
    headers = {**CALLER["orders"], "Authorization": f"Bearer {token}"}
    assert http.get(ME["orders"], headers=headers).get_json() == DEMO["orders"]


@DIALECTS
@pytest.mark.parametrize(
    "authorization",
    [
        None,
        "Basic",
        "Bearer tok_unknown",
        build_basic("demo-staff", "wrong"),
        build_basic("nobody"),
    ],
)
@pytest.mark.parametrize("query", ["", "?surplus=1"])
def test_unknown_callers_are_unauthorized_whatever_they_ask(
    http: FlaskClient, dialect: str, authorization: str | None, query: str
) -> None:
    headers = {**CALLER[dialect], "Authorization": authorization}
    if authorization is None:
        del headers["Authorization"]
    refused = http.get(ME[dialect] + query, headers=headers)
    assert (refused.status_code, refused.content_type) == (401, TYPES[dialect])
    assert refused.headers["WWW-Authenticate"] == CHALLENGES[dialect]
    ((path, _),) = read_faults(dialect, refused)
    assert path is None


@DIALECTS
def test_staff_accounts_are_not_clients(http: FlaskClient, dialect: str) -> None:
    headers = {**CALLER[dialect], "Authorization": build_basic("demo-staff")}
    refused = http.get(ME[dialect], headers=headers)
    status = 401 if dialect == "subscriptions" else 403
    assert (refused.status_code, refused.content_type) == (status, TYPES[dialect])


@pytest.mark.parametrize(
    ("email", "status"),
    [(None, 400), ("", 400), ("stranger@example.org", 403), ("nobody@example.com", 403)],
)
@pytest.mark.parametrize("query", ["", "?surplus=1"])
def test_the_user_of_an_order_client_must_be_its_own(
    http: FlaskClient, email: str | None, status: int, query: str
) -> None:
    headers = {**CALLER["orders"], "User-Email": email}
    if email is None:
        del headers["User-Email"]
    refused = http.get(ME["orders"] + query, headers=headers)
    assert (refused.status_code, refused.content_type) == (status, "application/json")
    assert refused.get_json()["error"]["param"] == "User-Email"


@DIALECTS
def test_a_query_has_no_fields(http: FlaskClient, dialect: str) -> None:
    refused = http.get(f"{ME[dialect]}?surplus=1", headers=CALLER[dialect])
    assert (refused.status_code, refused.content_type) == (400, TYPES[dialect])
    assert read_faults(dialect, refused) == [("surplus", "Unknown field.")]


@DIALECTS
@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE"])
def test_it_is_only_read(http: FlaskClient, dialect: str, method: str) -> None:
    refused = http.open(ME[dialect], method=method, headers=CALLER[dialect])
    assert (refused.status_code, refused.content_type) == (405, TYPES[dialect])
    assert refused.headers["Allow"] == "GET, HEAD, OPTIONS"


@DIALECTS
def test_a_dead_service_is_unavailable(dialect: str) -> None:
    with front() as client:
        refused = client.get(ME[dialect], headers=CALLER[dialect])
    assert (refused.status_code, refused.content_type) == (503, TYPES[dialect])
    assert refused.headers["Retry-After"] == "1"
    assert read_faults(dialect, refused) == [(None, "The service does not answer; try again.")]


@DIALECTS
def test_a_body_that_cannot_be_read_asks_who_calls_and_nothing_else(
    http: FlaskClient, served: dict[str, Served], dialect: str
) -> None:
    before = served[dialect].rows()
    with capture_log() as lines:
        refused = http.post(POST[dialect], data=b"{", headers=CALLER[dialect])
    assert (refused.status_code, refused.content_type) == (400, TYPES[dialect])
    assert [line["rpc"].rpartition("/")[2] for line in lines() if "rpc" in line] == ["WhoAmI"]
    assert served[dialect].rows() == before
