"""What counts for which limit, and what a caller sees of it, in the form of each API."""

from typing import Any

import pytest
from flask.testing import FlaskClient

from gateway.rates.policies import Policy
from tests.gateway.front import GET, POST, TYPES, front, read_faults
from tests.serving import SERVICES, build_basic

DIALECTS = pytest.mark.parametrize("dialect", SERVICES)
YEAR = 365 * 24 * 3600  # no window ends while a test runs
LATER = "There were too many requests; try again in {} seconds."
EMAIL = "/api/public/v1/subscriptions/{}/send_email"
SMS = "/api/public/v1/subscriptions/{}/send_sms"


def limits(**amounts: int) -> dict[str, Any]:
    """Return the settings of a gateway with these limits; `_` in a name is `-`."""
    named = {name.replace("_", "-"): amount for name, amount in amounts.items()}
    return {"LIMITS": {name: Policy(name, amount, YEAR) for name, amount in named.items()}}


def come(client: FlaskClient, path: str, address: str = "203.0.113.1", **options: Any) -> Any:
    """Return the answer to a request from an address."""
    return client.open(path, environ_overrides={"REMOTE_ADDR": address}, **options)


def count_status(answers: list[Any], status: int) -> int:
    """Return how many of the answers have a status."""
    return [each.status_code for each in answers].count(status)


@DIALECTS
def test_callers_without_credentials_count_by_their_address(dialect: str) -> None:
    with front(**limits(anonymous=2)) as client:
        answers = [come(client, GET[dialect]) for _ in range(4)]
        assert [each.status_code for each in answers] == [503, 503, 429, 429]
        assert come(client, GET[dialect], "203.0.113.2").status_code == 503
    refused = answers[2]
    assert refused.content_type == TYPES[dialect]
    seconds = refused.headers["Retry-After"]
    assert read_faults(dialect, refused) == [(None, LATER.format(seconds))]
    assert refused.headers["RateLimit-Policy"] == f'"anonymous";q=2;w={YEAR}'
    assert refused.headers["RateLimit"] == f'"anonymous";r=0;t={seconds}'
    assert answers[0].headers["RateLimit"].startswith('"anonymous";r=1;t=')


def test_the_bodies_have_the_names_of_their_dialect() -> None:
    bodies = {}
    with front(**limits(anonymous=1)) as client:
        come(client, "/v1/labs")
        for dialect in SERVICES:
            bodies[dialect] = come(client, GET[dialect]).get_json()
    assert bodies["sessions"] | {"detail": "", "request_id": ""} == {
        "type": "about:blank",
        "title": "Too Many Requests",
        "status": 429,
        "detail": "",
        "request_id": "",
    }
    error = bodies["orders"]["error"]
    assert (error["type"], error["code"]) == ("rate_limit_error", "too_many_requests")
    assert bodies["subscriptions"]["errors"][0]["code"] == "too_many_requests"


@pytest.mark.parametrize(
    ("first", "second", "status"),
    [
        ("2001:db8:1:2::1", "2001:db8:1:2:ffff::9", 429),  # one /64 is one caller
        ("2001:db8:1:2::1", "2001:db8:1:3::1", 503),
        ("fe80::1%eth0", "fe80::2%eth1", 429),
        ("", "", 503),  # through a file: nobody knows who
        ("unknown", "unknown", 429),  # as a proxy may write
    ],
)
def test_what_an_address_is(first: str, second: str, status: int) -> None:
    with front(**limits(anonymous=1)) as client:
        come(client, "/v1/labs", first)
        assert come(client, "/v1/labs", second).status_code == status


def test_health_and_assets_are_free() -> None:
    with front(**limits(anonymous=1)) as client:
        for path in ("/livez", "/assets/pages.css", "/livez"):
            answer = come(client, path)
            answer.close()
            assert (answer.status_code, "RateLimit" in answer.headers) == (200, False)
        assert come(client, "/readyz").status_code == 503
        assert come(client, "/v1/labs").status_code == 503


@pytest.mark.parametrize("path", ["/orders/login", "/login", "/s/x", "/nowhere", "/v1/nowhere"])
def test_pages_and_unknown_paths_count_too(path: str) -> None:
    with front(**limits(anonymous=1)) as client:
        assert come(client, path).status_code != 429
        refused = come(client, path, headers={"Accept": "text/html"})
    assert refused.status_code == 429
    is_page = path != "/v1/nowhere"
    assert refused.mimetype == ("text/html" if is_page else "application/json")
    if is_page:
        assert "Too many requests" in refused.text
        assert refused.headers["Cache-Control"] == "no-store"


@DIALECTS
def test_callers_with_credentials_count_by_the_whole_of_them(dialect: str) -> None:
    with front(**limits(callers=2, anonymous=1)) as client:
        sent = {"Authorization": build_basic("demo-partner")}
        answers = [come(client, GET[dialect], str(n), headers=sent) for n in range(4)]
        assert [each.status_code for each in answers] == [503, 503, 429, 429]
        for other in (build_basic("demo-partner", "guess"), "Bearer tok_1"):
            answer = come(client, GET[dialect], headers={"Authorization": other})
            assert answer.status_code == 503
        assert answers[0].headers["RateLimit-Policy"] == f'"callers";q=2;w={YEAR}'


@DIALECTS
def test_without_a_limit_for_them_callers_are_not_counted(dialect: str) -> None:
    with front(**limits(anonymous=1, emails=1, sms=1, carts=1)) as client:
        sent = {"Authorization": build_basic("demo-partner")}
        for _ in range(3):
            answer = come(client, POST[dialect], method="POST", json={}, headers=sent)
            assert (answer.status_code, "RateLimit" in answer.headers) == (503, False)


def test_a_cart_has_its_own_count() -> None:
    with front(**limits(carts=3)) as client:
        answers = [come(client, "/s/one", str(number)) for number in range(4)]
        assert [each.status_code for each in answers] == [503, 503, 503, 429]
        assert come(client, "/s/one/opened", method="POST").status_code == 429
        assert come(client, "/s/one", method="POST").status_code == 429
        assert come(client, "/s/two").status_code == 503
    assert "There were too many requests" in answers[3].text


@pytest.mark.parametrize(("path", "limit"), [(EMAIL, "emails"), (SMS, "sms")])
def test_messages_count_by_caller_and_subscription(path: str, limit: str) -> None:
    with front(**limits(**{limit: 2})) as client:

        def send(subscription: str, secret: str) -> int:
            sent = {"Authorization": build_basic("demo-merchant", secret)}
            url = path.format(subscription)
            return int(come(client, url, method="POST", json={}, headers=sent).status_code)

        assert [send("a", "right") for _ in range(3)] == [503, 503, 429]
        assert send("b", "right") == 503
        assert send("a", "a stranger's guess") == 503
        other = SMS if path == EMAIL else EMAIL
        sent = {"Authorization": build_basic("demo-merchant", "right")}
        assert come(client, other.format("a"), method="POST", headers=sent).status_code == 503


def test_tokens_count_by_their_credentials() -> None:
    token = {"method": "POST", "path": "/v1/oauth/token"}
    with front(**limits(tokens=1, anonymous=1)) as client:
        body = {"client_id": "demo-client", "client_secret": "right"}
        assert [come(client, json=body, **token).status_code for _ in range(2)] == [503, 429]
        guess = {**body, "client_secret": "wrong"}
        assert come(client, json=guess, **token).status_code == 503
        form = {**body, "grant_type": "client_credentials"}
        refused = come(client, data=form, **token)
        assert (refused.status_code, refused.get_json()["error"]) == (429, "too_many_requests")
        basic = {"Authorization": build_basic("demo-client", "right")}
        granted = {"grant_type": "client_credentials"}
        assert come(client, json=granted, headers=basic, **token).status_code == 429


FORM = "application/x-www-form-urlencoded"


@pytest.mark.parametrize(
    ("body", "headers", "status", "error"),
    [
        ("{", {}, 400, "invalid_request"),
        ("[]", {}, 400, "invalid_request"),
        ('{"client_id": 1}', {}, 400, "invalid_request"),
        ('{"grant_type": "client_credentials"}', {}, 401, "unauthenticated"),
        ('{"grant_type": "password"}', {}, 400, "invalid_request"),
        ('{"grant_type": "client_credentials", "scope": 1}', {}, 400, "invalid_request"),
        ("x", {"Content-Type": "text/xml"}, 415, "unsupported_media_type"),
        ("x", {"Content-Encoding": "br"}, 415, "unsupported_media_type"),
        ("grant_type=%FF", {"Content-Type": FORM}, 400, ""),
        ("grant_type=client_credentials", {"Content-Type": FORM}, 401, ""),
    ],
)
def test_a_request_for_a_token_without_usable_credentials_counts_by_its_address(
    body: str, headers: dict[str, str], status: int, error: str
) -> None:
    token: dict[str, Any] = {"method": "POST", "path": "/v1/oauth/token", "data": body}
    token["headers"] = {"Content-Type": "application/json", **headers}
    with front(**limits(anonymous=2, tokens=1)) as client:
        answers = [come(client, **token) for _ in range(3)]
        assert [each.status_code for each in answers] == [status, status, 429]
        assert come(client, address="203.0.113.2", **token).status_code == status
        known = {"client_id": "demo-client", "client_secret": "right"}
        assert come(client, token["path"], method="POST", json=known).status_code == 503
    refused = answers[2]
    assert answers[0].headers["RateLimit"].startswith('"anonymous";r=1;t=')
    seconds = refused.headers["Retry-After"]
    if error:
        assert answers[0].get_json()["error"]["code"] == error
        assert read_faults("orders", refused) == [(None, LATER.format(seconds))]
    else:
        said = refused.get_json()
        assert (said["error"], said["error_description"]) == (
            "too_many_requests",
            LATER.format(seconds),
        )


def test_logins_count_by_address() -> None:
    with front(**limits(logins=2)) as client:
        form = {"email": "a@example.com", "password": "x"}
        at = [*["203.0.113.1"] * 3, "203.0.113.2"]
        answers = [come(client, "/orders/login", each, method="POST", data=form) for each in at]
        assert [each.status_code for each in answers] == [503, 503, 429, 503]
        assert come(client, "/orders/login").status_code == 200


def test_a_session_of_the_dashboard_is_a_caller() -> None:
    with front(**limits(callers=1, anonymous=1)) as client:
        for token, statuses in (("x" * 43, [503, 429]), ("y" * 43, [503, 429])):
            client.set_cookie("orders", token)
            assert [come(client, "/orders").status_code for _ in range(2)] == statuses
        client.set_cookie("orders", "no token")
        assert [come(client, "/orders").status_code for _ in range(2)] == [503, 429]


def test_without_any_limit_there_is_nothing() -> None:
    with front(LIMITS={}) as client:
        assert "limiter" not in client.application.extensions
        answer = come(client, "/v1/labs")
        assert (answer.status_code, "RateLimit" in answer.headers) == (503, False)


@pytest.mark.parametrize("size", [0, 1, 60_000])
def test_credentials_of_any_kind_are_counted(size: int) -> None:
    with front(**limits(callers=1)) as client:
        for sent in ("Basic \udcff\xe9\u20ac"[: 6 + size] + "x" * size, "\t" + "y" * size):
            value = sent.encode(errors="surrogateescape").decode("latin-1")
            codes = [
                come(client, "/v1/labs", environ_base={"HTTP_AUTHORIZATION": value}).status_code
                for _ in range(2)
            ]
            assert codes == [503, 429]


def test_a_tracking_link_has_its_own_count() -> None:
    with front(**limits(tracking=3)) as client:
        answers = [come(client, "/t/one", str(number)) for number in range(4)]
        assert [each.status_code for each in answers] == [503, 503, 503, 429]
        assert come(client, "/t/two").status_code == 503
    assert "There were too many requests" in answers[3].text
