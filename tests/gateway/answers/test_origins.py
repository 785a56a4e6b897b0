"""CORS: off unless configured, and then for the APIs and the named origins alone."""

from typing import Any

import pytest
from flask.testing import FlaskClient

from gateway.answers.origins import read_origins
from tests.gateway.front import POST, front
from tests.serving import SERVICES

SHOP = "https://shop.example"
ASKED = {"Origin": SHOP, "Access-Control-Request-Method": "POST"}


def preflight(client: FlaskClient, path: str, **headers: str) -> Any:
    """Return the answer to a preflight."""
    return client.options(path, headers={**ASKED, **headers})


def list_fields(answer: Any) -> dict[str, str]:
    """Return the fields of CORS in an answer."""
    return {name: value for name, value in answer.headers if name.startswith("Access-Control-")}


@pytest.mark.parametrize("dialect", SERVICES)
def test_it_works(dialect: str) -> None:
    with front(CORS_ORIGINS=frozenset({SHOP, "http://localhost:3000"})) as client:
        allowed = preflight(client, POST[dialect])
        fields = list_fields(allowed)
        assert (allowed.status_code, allowed.data) == (204, b"")
        assert fields["Access-Control-Allow-Origin"] == SHOP
        assert {"GET", "POST"} <= set(fields["Access-Control-Allow-Methods"].split(", "))
        assert "Authorization" in fields["Access-Control-Allow-Headers"].split(", ")
        assert fields["Access-Control-Max-Age"] == "3600"
        assert "Access-Control-Allow-Credentials" not in fields
        answer = client.get(POST[dialect], headers={"Origin": SHOP})
        assert answer.headers["Access-Control-Allow-Origin"] == SHOP
        assert "X-Request-Id" in answer.headers["Access-Control-Expose-Headers"].split(", ")
        assert "Origin" in answer.vary


def test_off_there_is_nothing() -> None:
    with front() as client:
        assert client.application.config["CORS_ORIGINS"] == frozenset()
        for answer in (preflight(client, "/v1/orders"), client.get("/v1/labs")):
            assert list_fields(answer) == {}
            assert "Origin" not in answer.vary


@pytest.mark.parametrize(
    "origin", ["https://evil.example", "https://shop.example.evil", "null", ""]
)
def test_another_origin_may_nothing(origin: str) -> None:
    with front(CORS_ORIGINS=frozenset({SHOP})) as client:
        refused = preflight(client, "/v1/orders", Origin=origin)
        assert (refused.status_code, list_fields(refused)) == (204, {})
        answer = client.get("/v1/labs", headers={"Origin": origin})
        assert list_fields(answer) == {}
        assert "Origin" in answer.vary  # a cache must not serve it to the shop


def test_any_origin_may_where_all_may() -> None:
    with front(CORS_ORIGINS=frozenset({"*"})) as client:
        answer = client.get("/v1/labs", headers={"Origin": "https://anybody.example"})
        assert answer.headers["Access-Control-Allow-Origin"] == "*"
        assert "Origin" not in answer.vary


def test_pages_belong_to_no_origin() -> None:
    with front(CORS_ORIGINS=frozenset({SHOP})) as client:
        for path in ("/orders/login", "/s/x", "/livez"):
            assert list_fields(client.get(path, headers={"Origin": SHOP})) == {}
        assert list_fields(preflight(client, "/orders/login")) == {}


def test_options_without_a_preflight_lists_the_methods() -> None:
    with front(CORS_ORIGINS=frozenset({SHOP})) as client:
        answer = client.options("/v1/orders")
        assert answer.status_code == 200
        assert set(answer.headers["Allow"].split(", ")) == {"GET", "HEAD", "OPTIONS", "POST"}


def test_origins_are_read_from_the_environment() -> None:
    assert read_origins({}) == frozenset()
    sent = f" {SHOP.upper()} , http://localhost:3000,"
    assert read_origins({"GATEWAY_CORS_ORIGINS": sent}) == {SHOP, "http://localhost:3000"}
    for wrong in ("shop.example", f"{SHOP}/", f"{SHOP}/path", "ftp://shop.example", "null"):
        with pytest.raises(SystemExit, match="GATEWAY_CORS_ORIGINS must be"):
            read_origins({"GATEWAY_CORS_ORIGINS": wrong})
