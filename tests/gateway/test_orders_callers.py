"""Who calls /v1: tokens, HTTP Basic and users, over HTTP on both engines."""

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from flask.testing import FlaskClient

from chassis.context import utc_now
from tests.gateway.front import front
from tests.gateway.test_orders import EACH_PATH, USER, check_error, fetch, post
from tests.serving import Served, build_basic

NO_USER = "Must be the e-mail address of a user of this client."
NO_HEADER = (
    "The Authorization header is missing; send Authorization: Bearer <token>, with a token from "
    "POST /v1/oauth/token."
)
NO_BEARER = "The Authorization header does not have the form Bearer <token>."
NO_BASIC = "The Authorization header does not have the form Basic <name:secret in base64>."
NO_TOKEN = "The token is unknown or has expired; fetch a new one."

AUTHORIZATIONS = [
    (None, NO_HEADER),
    ("", NO_HEADER),
    ("tok_x", NO_BEARER),
    ("Bearer", NO_BEARER),
    ("Token tok_x", NO_BEARER),
    ("Bearer tok_x", NO_TOKEN),
    ("Basic !", NO_BASIC),
    (build_basic("demo-client", "wrong"), "The name or the secret is wrong."),
    (build_basic("nobody"), "The name or the secret is wrong."),
]


@pytest.fixture(scope="module")
def alone(orders: Served) -> Iterator[FlaskClient]:
    """A client of a gateway with the orders service only."""
    with front(orders=orders.address) as client:
        yield client


@pytest.fixture(scope="module")
def token(alone: FlaskClient) -> dict[str, str]:
    """Headers with a token of the demo client."""
    return fetch(alone, "demo-client")


@EACH_PATH
def test_a_read_requires_a_token_and_a_user(
    alone: FlaskClient, token: dict[str, str], path: str
) -> None:
    for sent, message in AUTHORIZATIONS:
        headers = USER if sent is None else {**USER, "Authorization": sent}
        refused = alone.get(path, headers=headers)
        assert check_error(refused, 401, "authentication_error") == {
            "message": message,
            "code": "unauthenticated",
        }
        assert refused.headers["WWW-Authenticate"] == 'Bearer realm="optigate"'
    for headers in (token, {**token, "User-Email": ""}):
        assert check_error(alone.get(path, headers=headers), 400) == {
            "message": "Send the e-mail address of a dashboard user.",
            "code": "invalid_request",
            "param": "User-Email",
        }
    for email in ("nobody@example.com", "stranger@example.org", "OPTICIAN@EXAMPLE.COM", "é@x.y"):
        refused = alone.get(path, headers={**token, "User-Email": email})
        said = {"message": NO_USER, "code": "forbidden", "param": "User-Email"}
        assert check_error(refused, 403, "permission_error") == said


def test_an_order_requires_a_token_and_a_user(
    alone: FlaskClient, token: dict[str, str], body: Any
) -> None:
    for sent in (body("order"), {}, {"x": 1}):
        assert post(alone, sent, USER).status_code == 401
        assert check_error(post(alone, sent, token), 400)["param"] == "User-Email"
        stranger = {**token, "User-Email": "stranger@example.org"}
        assert (
            check_error(post(alone, sent, stranger), 403, "permission_error")["message"] == NO_USER
        )


def test_basic_credentials_do_as_well(alone: FlaskClient) -> None:
    headers = {**USER, "Authorization": build_basic("demo-client")}
    assert alone.get("/v1/labs", headers=headers).status_code == 200
    staff = {**USER, "Authorization": build_basic("demo-staff")}
    assert check_error(alone.get("/v1/labs", headers=staff), 403, "permission_error") == {
        "message": "This needs an account with role client.",
        "code": "forbidden",
    }


def test_a_token_lives_24_hours(alone: FlaskClient, orders: Served) -> None:
    now = utc_now()
    with orders.clock.at(now):
        known = {**fetch(alone, "demo-client"), **USER}
    with orders.clock.at(now + timedelta(hours=23, minutes=59)):
        assert alone.get("/v1/labs", headers=known).status_code == 200
    with orders.clock.at(now + timedelta(hours=24)):
        refused = alone.get("/v1/labs", headers=known)
    said = {"message": NO_TOKEN, "code": "unauthenticated"}
    assert check_error(refused, 401, "authentication_error") == said
