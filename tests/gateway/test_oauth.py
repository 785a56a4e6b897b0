"""/v1/oauth/token as OAuth 2 libraries call it."""

import base64
from typing import Any
from urllib.parse import quote_plus, urlencode

import pytest
from authlib.integrations.requests_client import OAuth2Session as AuthlibSession
from flask.testing import FlaskClient
from oauthlib.oauth2 import BackendApplicationClient, InvalidClientError
from requests_oauthlib import OAuth2Session

from gateway.oauth import EXPIRES_IN_SECONDS
from orders_svc.rules.credentials.tokens import TOKEN_LIFETIME
from orders_svc.store import tables
from tests.gateway.front import CHALLENGES
from tests.serving import Served, build_basic

pytestmark = pytest.mark.parametrize("engine", ["sqlite"], indirect=True)
PATH = "/v1/oauth/token"
NAME, SECRET = "demo-client", "demo-client-secret"
GRANT = {"grant_type": "client_credentials"}
CREDENTIALS = {"client_id": NAME, "client_secret": SECRET}
USER = {"User-Email": "optician@example.com"}
WRONG = "The name or the secret is wrong."


def is_token(http: FlaskClient, said: Any) -> bool:
    """Return whether an answer is a token by a grant that opens the API."""
    token = said["access_token"]
    headers = {**USER, "Authorization": f"Bearer {token}"}
    expected = {
        "token": token,
        "access_token": token,
        "token_type": "Bearer",
        "expires_in": EXPIRES_IN_SECONDS,
    }
    return said == expected and http.get("/v1/labs", headers=headers).status_code == 200


def read_refusal(answer: Any, status: int, error: str) -> str:
    """Check a refusal in the form of RFC 6749, and return its description."""
    assert (answer.status_code, answer.content_type) == (status, "application/json")
    challenge = CHALLENGES["sessions"] if status == 401 else None
    assert answer.headers.get("WWW-Authenticate") == challenge
    said = answer.get_json()
    assert (said.pop("error"), said.pop("request_id")) == (error, answer.headers["X-Request-Id"])
    description: str = said.pop("error_description")
    assert said == {}
    return description


def test_a_form_is_answered_as_rfc_6749_has_it(http: FlaskClient) -> None:
    answer = http.post(PATH, data={**GRANT, **CREDENTIALS})
    assert (answer.status_code, answer.content_type) == (200, "application/json")
    assert answer.headers["Cache-Control"] == "no-store"
    assert is_token(http, answer.get_json())


def test_its_token_expires_when_it_says(engine: str) -> None:
    assert TOKEN_LIFETIME.total_seconds() == EXPIRES_IN_SECONDS


@pytest.mark.parametrize("more", [{}, {"client_id": NAME}, {"scope": "orders"}, {"audience": "x"}])
def test_credentials_may_come_as_http_basic(http: FlaskClient, more: dict[str, str]) -> None:
    headers = {"Authorization": build_basic(NAME)}
    assert is_token(http, http.post(PATH, data={**GRANT, **more}, headers=headers).get_json())
    assert is_token(http, http.post(PATH, json=GRANT, headers=headers).get_json())


def test_json_with_a_grant_type_is_answered_alike(http: FlaskClient) -> None:
    for scope in ("", "orders", None):
        answer = http.post(PATH, json={**GRANT, **CREDENTIALS, "scope": scope})
        assert (answer.status_code, answer.content_type) == (200, "application/json")
        assert is_token(http, answer.get_json())


@pytest.mark.parametrize("scope", [1, True, ["orders"], {"a": 1}])
def test_a_scope_in_json_is_a_text(http: FlaskClient, scope: Any) -> None:
    answer = http.post(PATH, json={**GRANT, **CREDENTIALS, "scope": scope})
    said = answer.get_json()["error"]
    assert (answer.status_code, said["param"]) == (400, "scope")
    assert said["message"].startswith("Must be a string, is a")


@pytest.mark.parametrize("kind", ["application/json", "application/x-www-form-urlencoded", ""])
def test_plain_json_is_answered_with_the_token_alone(http: FlaskClient, kind: str) -> None:
    data = f'{{"client_id": "{NAME}", "client_secret": "{SECRET}"}}'
    answer = http.post(PATH, data=data, content_type=kind)
    assert (answer.status_code, list(answer.get_json())) == (200, ["token"])
    assert answer.headers["Cache-Control"] == "no-store"


def test_the_same_token_again_does_not_say_how_long_it_lives(
    http: FlaskClient, unique: str
) -> None:
    first, again = (
        http.post(PATH, data={**GRANT, **CREDENTIALS}, headers={"Idempotency-Key": unique})
        for _ in range(2)
    )
    said = first.get_json()
    assert said.pop("expires_in") == EXPIRES_IN_SECONDS
    assert again.get_json() == said
    assert again.headers["Idempotent-Replayed"] == "true"


@pytest.mark.parametrize("encoded", [True, False])
def test_a_secret_with_signs_is_found_encoded_or_not(
    http: FlaskClient, orders: Served, encoded: bool
) -> None:
    secret = "a+b%20 c:d/secret-é"
    with orders.database.write() as tx:
        tables.accounts.put(tx, "signs-client", "client", secret)
    sent = quote_plus(secret) if encoded else secret
    packed = base64.b64encode(f"signs-client:{sent}".encode()).decode()
    answer = http.post(PATH, data=GRANT, headers={"Authorization": f"Basic {packed}"})
    assert answer.status_code == 200


@pytest.mark.parametrize(
    ("form", "headers", "status", "error", "description"),
    [
        ({}, {}, 400, "invalid_request", "Send grant_type=client_credentials."),
        (CREDENTIALS, {}, 400, "invalid_request", "Send grant_type=client_credentials."),
        (
            {"grant_type": "password", **CREDENTIALS},
            {},
            400,
            "unsupported_grant_type",
            "The only grant_type here is client_credentials.",
        ),
        (
            GRANT,
            {},
            401,
            "invalid_client",
            "Send client_id and client_secret, in the body or as Authorization: Basic.",
        ),
        (
            GRANT,
            {"Authorization": "Basic !"},
            401,
            "invalid_client",
            "The Authorization header does not have the form Basic <name:secret in base64>.",
        ),
        (
            GRANT,
            {"Authorization": "Basic \xf1\xf1"},
            401,
            "invalid_client",
            "The Authorization header does not have the form Basic <name:secret in base64>.",
        ),
        ({**GRANT, **CREDENTIALS, "client_secret": "no"}, {}, 401, "invalid_client", WRONG),
        (GRANT, {"Authorization": build_basic(NAME, "no")}, 401, "invalid_client", WRONG),
        (
            {**GRANT, "client_id": "other-client"},
            {"Authorization": build_basic(NAME)},
            400,
            "invalid_request",
            "client_id is not the name in the Authorization header.",
        ),
        (
            {**GRANT, "client_secret": SECRET},
            {},
            400,
            "invalid_request",
            "client_id: Missing data for required field.",
        ),
        (
            GRANT,
            {"Authorization": build_basic("demo-staff")},
            400,
            "unauthorized_client",
            "This needs an account with role client.",
        ),
    ],
)
def test_a_form_is_refused_as_rfc_6749_has_it(
    http: FlaskClient,
    form: dict[str, str],
    headers: dict[str, str],
    status: int,
    error: str,
    description: str,
) -> None:
    kind = "application/x-www-form-urlencoded"
    answer = http.post(PATH, data=urlencode(form), headers=headers, content_type=kind)
    assert read_refusal(answer, status, error) == description


@pytest.mark.parametrize(
    ("body", "description"),
    [
        ("grant_type=a&grant_type=b", "A parameter is given more than once."),
        ("grant_type=%FF", "The body is not a form in UTF-8."),
        (b"\xff", "The body is not a form in UTF-8."),
        ("&".join(f"a{number}=1" for number in range(100)), "Send grant_type=client_credentials."),
        ("grant_type=&grant_type=", "Send grant_type=client_credentials."),
    ],
)
def test_what_is_no_form_is_refused(http: FlaskClient, body: Any, description: str) -> None:
    answer = http.post(PATH, data=body, content_type="application/x-www-form-urlencoded")
    assert read_refusal(answer, 400, "invalid_request") == description


def test_another_grant_in_json_is_refused_in_the_form_of_the_api(http: FlaskClient) -> None:
    answer = http.post(PATH, json={"grant_type": "password", **CREDENTIALS})
    said = answer.get_json()["error"]
    assert (answer.status_code, said["param"], said["message"]) == (
        400,
        "grant_type",
        "Must be client_credentials.",
    )


@pytest.mark.parametrize("method", ["client_secret_basic", "client_secret_post"])
def test_authlib_fetches_a_token_and_calls(http: FlaskClient, site: str, method: str) -> None:
    client = AuthlibSession(NAME, SECRET, token_endpoint_auth_method=method)
    token = client.fetch_token(site + PATH, grant_type="client_credentials")
    assert token["token_type"] == "Bearer"
    labs = client.get(f"{site}/v1/labs", headers=USER)
    assert (labs.status_code, len(labs.json()["data"])) == (200, 2)


@pytest.mark.parametrize("in_body", [True, False])
def test_requests_oauthlib_fetches_a_token_and_calls(
    http: FlaskClient, site: str, in_body: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OAUTHLIB_INSECURE_TRANSPORT", "1")
    with OAuth2Session(client=BackendApplicationClient(client_id=NAME)) as client:
        client.fetch_token(
            site + PATH, client_id=NAME, client_secret=SECRET, include_client_id=in_body
        )
        labs = client.get(f"{site}/v1/labs", headers=USER)
        assert (labs.status_code, len(labs.json()["data"])) == (200, 2)
        with pytest.raises(InvalidClientError) as raised:
            client.fetch_token(site + PATH, client_id=NAME, client_secret="wrong")
    assert raised.value.description == WRONG
