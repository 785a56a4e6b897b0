"""/v1 over HTTP, on both engines, before a gateway that reaches no other service."""

import json
import re
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from flask.testing import FlaskClient
from sqlalchemy import update
from werkzeug.test import TestResponse

from chassis.context import utc_now
from orders_svc.store import tables
from tests.gateway.front import front
from tests.serving import Served, build_basic

USER = {"User-Email": "optician@example.com"}
ACME = "lab=lab_123&account_number=1234567"
VISION = "lab=lab_456&account_number=7654321"
SETTINGS = {
    "frame_handling_options": ["Frame to Come", "Lenses Only"],
    "frame_materials": ["Metal", "Zyl"],
    "mounting_options": ["Edged & Mount", "Uncuts Only"],
    "order_types": ["rx", "frame"],
    "redo_types": ["Remake", "Warranty"],
    "services": ["Roll & Polish Edges", "Add/Replace Nose Pads"],
}
LABS = [
    {"id": "lab_123", "name": "Acme Lab", "account_number": "1234567"},
    {"id": "lab_456", "name": "VisionWorks Lab", "account_number": "7654321"},
]
ADDONS = {
    "coats": [
        {"id": "coat_123", "name": "Anti-Reflective Coating", "type": "ar"},
        {"id": "coat_456", "name": "Hard Coat", "type": "scratch"},
        {"id": "coat_789", "name": "Premium AR", "type": "ar"},
    ],
    "colors": [
        {"id": "color_456", "name": "Clear"},
        {"id": "color_123", "name": "Crystal Gray"},
    ],
    "tints": ["Gray", "Brown"],
}
CALLS = [
    ("/v1/labs", {"data": LABS}),
    ("/v1/labs/lab_123/order_settings?account_number=1234567", SETTINGS),
    (
        f"/v1/catalogs/styles?{ACME}&lens_type=multifocal",
        {"data": [{"id": "style_789", "name": "Progressive"}]},
    ),
    (
        f"/v1/catalogs/materials?{ACME}&style=style_123",
        {
            "data": [
                {"id": "material_456", "name": "CR-39"},
                {"id": "material_123", "name": "Polycarbonate"},
            ]
        },
    ),
    (f"/v1/catalogs/addons?{ACME}&style=style_789&material=material_123", {"data": ADDONS}),
]
PATHS = [path for path, _ in CALLS]
EACH_PATH = pytest.mark.parametrize("path", PATHS)
MISSING = "Missing data for required field."
NO_USER = "Must be the e-mail address of a user of this client."
NO_TOKEN = "The token is unknown or has expired; fetch a new one."


@pytest.fixture(scope="module")
def alone(orders: Served) -> Iterator[FlaskClient]:
    """A client of a gateway with the orders service only."""
    with front(orders=orders.address) as client:
        yield client


@pytest.fixture(scope="module")
def token(alone: FlaskClient) -> dict[str, str]:
    """Headers with a token of the demo client."""
    return fetch(alone, "demo-client")


@pytest.fixture(scope="module")
def known(token: dict[str, str]) -> dict[str, str]:
    """Headers of the demo client's optician."""
    return {**token, **USER}


def fetch(client: FlaskClient, name: str) -> dict[str, str]:
    """Headers with a token of a client."""
    body = {"client_id": name, "client_secret": f"{name}-secret"}
    answer = client.post("/v1/oauth/token", json=body)
    assert answer.status_code == 200
    assert list(answer.get_json()) == ["token"]
    return {"Authorization": f"Bearer {answer.get_json()['token']}"}


def check_error(answer: TestResponse, status: int, kind: str = "invalid_request_error") -> Any:
    """Check the type of an error, and return its other members."""
    assert (answer.status_code, answer.content_type) == (status, "application/json")
    assert list(answer.get_json()) == ["error"]
    said = answer.get_json()["error"]
    assert said.pop("type") == kind
    return said


def post(client: FlaskClient, body: Any, headers: dict[str, str]) -> TestResponse:
    return client.post("/v1/orders", data=json.dumps(body), headers=headers)


def test_it_works(alone: FlaskClient, known: dict[str, str], body: Any) -> None:
    created = post(alone, body("order"), known)
    assert (created.status_code, created.content_type) == (201, "application/json")
    order_id = created.get_json()["id"]
    assert created.get_json() == {"id": order_id}
    assert re.fullmatch(r"ord_[0-9a-f]{24}", order_id)
    assert created.headers["Location"] == f"/v1/orders/{order_id}"


def test_a_draft_has_a_page(alone: FlaskClient, known: dict[str, str], body: Any) -> None:
    created = post(alone, {**body("order"), "mode": "draft"}, known)
    order_id = created.get_json()["id"]
    url = f"http://127.0.0.1:8080/orders/{order_id}"
    assert (created.status_code, created.get_json()) == (201, {"id": order_id, "url": url})


@pytest.mark.parametrize(("path", "document"), CALLS)
def test_a_list_is_read(
    alone: FlaskClient, known: dict[str, str], path: str, document: Any
) -> None:
    answer = alone.get(path, headers=known)
    assert (answer.status_code, answer.content_type) == (200, "application/json")
    assert answer.get_json() == document


def test_a_coat_may_have_no_type_and_a_list_no_entry(
    alone: FlaskClient, known: dict[str, str], orders: Served
) -> None:
    with orders.database.write() as tx:
        coat = tables.addons.c.id == "coat_456"
        tx.execute(update(tables.addons).where(coat).values(type=None))
    path = f"/v1/catalogs/addons?{ACME}&style=style_123&material=material_456"
    coats = alone.get(path, headers=known).get_json()["data"]["coats"]
    assert coats[1] == {"id": "coat_456", "name": "Hard Coat", "type": None}
    with orders.database.write() as tx:
        tx.execute(update(tables.addons).where(coat).values(type="scratch"))
    nothing = f"/v1/catalogs/addons?{ACME}&style=style_789&material=material_456"
    assert alone.get(nothing, headers=known).get_json() == {
        "data": {"coats": [], "colors": [], "tints": []}
    }


def test_the_second_user_sees_only_their_lab(alone: FlaskClient, token: dict[str, str]) -> None:
    second = {**token, "User-Email": "second@example.com"}
    assert alone.get("/v1/labs", headers=second).get_json() == {"data": LABS[1:]}
    for path in PATHS[1:]:
        said = check_error(alone.get(path, headers=second), 404)
        message = "You have no such lab with this account number."
        assert said == {"message": message, "code": "not_found"}
    styles = f"/v1/catalogs/styles?{VISION}&lens_type=single_vision"
    assert alone.get(styles, headers=second).status_code == 200


def test_another_client_sees_nothing(alone: FlaskClient, body: Any) -> None:
    other = {**fetch(alone, "other-client"), "User-Email": "stranger@example.org"}
    assert alone.get("/v1/labs", headers=other).get_json() == {"data": []}
    assert {alone.get(path, headers=other).status_code for path in PATHS[1:]} == {404}
    assert check_error(post(alone, body("order"), other), 400) == {
        "message": "Must be one of your labs, with its account_number.",
        "code": "invalid_request",
        "param": "lab",
    }


@pytest.mark.parametrize(
    "path",
    [
        "/v1/labs/lab_123/order_settings?account_number=7654321",
        "/v1/labs/lab_999/order_settings?account_number=1234567",
        "/v1/labs/%F0%9F%91%93/order_settings?account_number=%F0%9F%91%93",
        "/v1/labs/%FF/order_settings?account_number=1234567",
        "/v1/catalogs/styles?lab=lab_123&account_number=1&lens_type=multifocal",
        "/v1/catalogs/materials?lab=x&account_number=1234567&style=style_123",
        "/v1/catalogs/addons?lab=x&account_number=1234567&style=style_123&material=material_123",
    ],
)
def test_a_lab_that_is_not_the_users_is_not_found(
    alone: FlaskClient, known: dict[str, str], path: str
) -> None:
    assert check_error(alone.get(path, headers=known), 404)["code"] == "not_found"


@pytest.mark.parametrize(
    ("path", "faults"),
    [
        ("/v1/labs?x=1", [("x", "Unknown field.")]),
        ("/v1/labs/lab_123/order_settings", [("account_number", MISSING)]),
        ("/v1/labs/lab_123/order_settings?account_number=", [("account_number", MISSING)]),
        (
            "/v1/labs/lab_123/order_settings?account_number=1234567&lab=lab_456",
            [("lab", "Unknown field.")],
        ),
        (
            "/v1/labs/lab%00/order_settings?account_number=%00",
            [
                ("lab", "Control characters are not allowed."),
                ("account_number", "Control characters are not allowed."),
            ],
        ),
        (
            "/v1/catalogs/styles",
            [("lens_type", MISSING), ("lab", MISSING), ("account_number", MISSING)],
        ),
        (
            f"/v1/catalogs/styles?{ACME}&lens_type=bifocal",
            [("lens_type", "Must be one of: single_vision, multifocal.")],
        ),
        (
            f"/v1/catalogs/styles?{ACME}&{ACME}&lens_type=multifocal",
            [("lab", "Given more than once."), ("account_number", "Given more than once.")],
        ),
        (f"/v1/catalogs/materials?{ACME}", [("style", MISSING)]),
        (f"/v1/catalogs/materials?{ACME}&style=%20", [("style", "Must not be blank.")]),
        (f"/v1/catalogs/addons?{ACME}&style=style_123", [("material", MISSING)]),
    ],
)
def test_a_query_that_makes_no_sense_is_refused(
    alone: FlaskClient, known: dict[str, str], path: str, faults: list[tuple[str, str]]
) -> None:
    said = check_error(alone.get(path, headers=known), 400)
    listed = said.pop("errors", [{"param": said["param"], "message": said["message"]}])
    assert sorted((each["param"], each["message"]) for each in listed) == sorted(faults)
    assert said.pop("code") == "invalid_request"
    assert said == listed[0]


@EACH_PATH
def test_a_read_requires_a_token_and_a_user(
    alone: FlaskClient, token: dict[str, str], path: str
) -> None:
    for headers in (USER, {**USER, "Authorization": "Bearer tok_x"}):
        refused = alone.get(path, headers=headers)
        assert check_error(refused, 401, "authentication_error")["code"] == "unauthenticated"
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


def test_a_token_by_a_key_is_the_same_token(alone: FlaskClient, unique: str) -> None:
    body = {"client_id": "demo-client", "client_secret": "demo-client-secret"}
    first, second = (
        alone.post("/v1/oauth/token", json=body, headers={"Idempotency-Key": unique})
        for _ in range(2)
    )
    assert (first.status_code, first.data) == (second.status_code, second.data)
    assert "Idempotent-Replayed" not in first.headers
    assert second.headers["Idempotent-Replayed"] == "true"


@pytest.mark.parametrize(
    ("sent", "status", "kind", "said"),
    [
        (
            {"client_id": "demo-client", "client_secret": "wrong"},
            401,
            "authentication_error",
            {
                "message": "Send the name and secret of an account of this service.",
                "code": "unauthenticated",
            },
        ),
        (
            {"client_id": "demo-client"},
            400,
            "invalid_request_error",
            {"message": MISSING, "code": "invalid_request", "param": "client_secret"},
        ),
        (
            {"client_id": "demo-client", "client_secret": 7},
            400,
            "invalid_request_error",
            {
                "message": "Expected `string`, got `integer`",
                "code": "invalid_request",
                "param": "client_secret",
            },
        ),
    ],
)
def test_a_token_requires_both_credentials(
    alone: FlaskClient, sent: Any, status: int, kind: str, said: Any
) -> None:
    assert check_error(alone.post("/v1/oauth/token", json=sent), status, kind) == said


def test_all_faults_of_an_order_are_listed_at_once(
    alone: FlaskClient, known: dict[str, str], body: Any, orders: Served
) -> None:
    before = orders.rows()
    sent = body("order")
    sent |= {"mode": "maybe", "services": ["Tea"]}
    sent["rx"]["left_eye"]["axis"] = 181
    said = check_error(post(alone, sent, known), 400)
    assert [each["param"] for each in said["errors"]] == [
        "mode",
        "rx.left_eye.axis",
        "rx.left_eye.cylinder",
        "services.0",
    ]
    assert (said["param"], said["message"]) == ("mode", "Must be one of: draft, submit.")
    assert orders.rows() == before


@pytest.mark.parametrize(
    ("path", "value", "message"),
    [
        ("axis", "90", "Expected `integer`, got `string`"),
        ("axis", 90.5, "Expected `integer`, got `number`"),
        ("axis", True, "Expected `integer`, got `boolean`"),
        ("sphere", "-1", "Expected `number`, got `string`"),
        ("cylnder", -1, "Unknown field."),
    ],
)
def test_a_mistyped_eye_never_becomes_a_lens(
    alone: FlaskClient, known: dict[str, str], body: Any, path: str, value: Any, message: str
) -> None:
    sent = body("order")
    sent["rx"]["right_eye"][path] = value
    assert check_error(post(alone, sent, known), 400) == {
        "message": message,
        "code": "invalid_request",
        "param": f"rx.right_eye.{path}",
    }


def test_a_key_makes_one_order(
    alone: FlaskClient, known: dict[str, str], body: Any, unique: str
) -> None:
    headers = {**known, "Idempotency-Key": unique}
    first, second = (post(alone, body("order"), headers) for _ in range(2))
    assert (first.status_code, second.status_code) == (201, 201)
    assert first.data == second.data
    assert first.headers["Location"] == second.headers["Location"]
    assert "Idempotent-Replayed" not in first.headers
    assert second.headers["Idempotent-Replayed"] == "true"

    said = check_error(post(alone, {**body("order"), "mode": "draft"}, headers), 422)
    assert said == {
        "message": "Was used for another request; use a new key.",
        "code": "idempotency_mismatch",
        "param": "Idempotency-Key",
    }
