"""Existing orders: /v1/orders over HTTP, on both engines."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from flask.testing import FlaskClient

from protos.orders_pb2 import UpdateOrderRequest
from tests.gateway.front import CALLER, front
from tests.gateway.test_orders import ACME, check_error, post
from tests.orders_svc.life import created, find_actions
from tests.serving import Served

MOMENT = datetime(2026, 3, 1, 12, tzinfo=UTC)
MOMENT_SECONDS = 1772366400
KNOWN_CALLER = CALLER["orders"]
MEASURED = {"a": 50.0, "b": 34.0, "lens_ed": 50.0, "circumference": 138.43}
PATHS = ["", "/oma", "/outline.svg"]
EACH_PATH = pytest.mark.parametrize("path", PATHS)
VISION = "lab=lab_456&account_number=7654321"


@pytest.fixture(scope="module")
def alone(orders: Served) -> Iterator[FlaskClient]:
    """A client of a gateway with the orders service only."""
    with front(orders=orders.address) as client:
        yield client


def create_order(client: FlaskClient, body: Any) -> str:
    """Create an order, and return its id."""
    return str(post(client, body, KNOWN_CALLER).get_json()["id"])


def test_it_works(alone: FlaskClient, orders: Served, body: Any) -> None:
    with orders.clock.at(MOMENT):
        order_id = create_order(alone, body("order"))
    answer = alone.get(f"/v1/orders/{order_id}", headers=KNOWN_CALLER)
    assert (answer.status_code, answer.content_type) == (200, "application/json")
    sent = body("order")
    sent["shipping"]["address"]["country"] = "US"
    assert answer.get_json() == {
        "id": order_id,
        "lab_status": "submitted",
        "url": f"http://127.0.0.1:8080/orders/{order_id}",
        "created": MOMENT_SECONDS,
        "updated": MOMENT_SECONDS,
        "tray_number": None,
        "invoice_number": None,
        "tracking_number": None,
        "job_delivery": None,
        "warnings": [],
        "traced": {"right_eye": MEASURED, "left_eye": MEASURED},
        "version": 1,
        "available_actions": find_actions("submitted"),
        "history": [created(MOMENT_SECONDS, "submitted")],
        **sent,
    }
    assert answer.headers["ETag"] == '"v1"'


def test_one_traced_side_stands_for_both_on_request(alone: FlaskClient, body: Any) -> None:
    sent = body("order")
    head, _, _ = sent["frame"]["tracing"].partition("TRCFMT=1;400;E;L")
    sent["frame"] |= {"tracing": head, "mirror_tracing": True}
    created = post(alone, sent, KNOWN_CALLER)
    message = "There is no trace of the left side: the right one, mirrored, stands for it."
    order_id = created.get_json()["id"]
    assert created.get_json() == {
        "id": order_id,
        "warnings": [{"param": "frame.tracing", "message": message, "code": "tracing_remark"}],
    }
    order = alone.get(f"/v1/orders/{order_id}", headers=KNOWN_CALLER).get_json()
    assert order["frame"] == sent["frame"]
    assert order["traced"] == {"right_eye": MEASURED, "left_eye": MEASURED}
    sent["frame"]["mirror_tracing"] = "yes"
    assert check_error(post(alone, sent, KNOWN_CALLER), 400)["param"] == "frame.mirror_tracing"


def test_absent_fields_are_omitted(alone: FlaskClient, body: Any) -> None:
    sent = body("order")
    least = {
        "mode": "draft",
        "submission_type": "new",
        "order_type": "rx",
        "lab": "lab_123",
        "account_number": "1234567",
        "patient": {"first_name": "Ada", "last_name": "Example"},
        "mounting_option": "Uncuts Only",
        "frame": {
            name: sent["frame"][name]
            for name in (
                "handling",
                "manufacturer",
                "model",
                "material",
                "color",
                "eye_size",
                "bridge",
            )
        },
        "rx": {"left_eye": {"sphere": 0}},
    }
    order = alone.get(f"/v1/orders/{create_order(alone, least)}", headers=KNOWN_CALLER).get_json()
    assert {name: order[name] for name in least} == least
    assert order.keys() - least.keys() == {
        "id",
        "job_delivery",
        "lab_status",
        "tracking_number",
        "url",
        "created",
        "updated",
        "tray_number",
        "invoice_number",
        "warnings",
        "version",
        "available_actions",
        "history",
    }


def test_warnings_are_returned_where_there_are_some(alone: FlaskClient, body: Any) -> None:
    sent = body("order")
    sent["rx"]["right_eye"]["near_pd"] = 32
    created = post(alone, sent, KNOWN_CALLER)
    assert created.status_code == 201
    order_id = created.get_json()["id"]
    warnings = [
        {
            "param": "rx.right_eye.near_pd",
            "message": "Is above the distance PD.",
            "code": "near_pd_above_pd",
        }
    ]
    assert created.get_json() == {"id": order_id, "warnings": warnings}
    order = alone.get(f"/v1/orders/{order_id}", headers=KNOWN_CALLER).get_json()
    assert order["warnings"] == warnings


def test_a_tracing_that_is_none_is_refused(alone: FlaskClient, body: Any) -> None:
    sent = body("order")
    sent["frame"]["tracing"] = "DBL=18\nTRCFMT=4;400;E;R;F\n"
    assert check_error(post(alone, sent, KNOWN_CALLER), 400) == {
        "message": "Line 2: TRCFMT must have format 1, not 4 (packed binary); "
        "export the tracing as ASCII.",
        "code": "invalid_request",
        "param": "frame.tracing",
    }


def test_a_list_is_read_page_by_page(alone: FlaskClient, orders: Served, body: Any) -> None:
    ids = []
    for number in range(3):
        with orders.clock.at(MOMENT + timedelta(days=-365, seconds=number)):
            ids.append(create_order(alone, {**body("order"), "mode": "draft"}))
    change = UpdateOrderRequest(order_id=ids[2], lab_status="in_progress", tray_number="T-1")
    alone.post(f"/v1/orders/{ids[2]}/submit", headers=KNOWN_CALLER)
    orders.call("UpdateOrder", change, "staff", desk=True)
    first = MOMENT_SECONDS - 365 * 86400
    path = f"/v1/orders?{ACME}&created[gte]={first}&created[lt]={first + 3}"
    page = alone.get(f"{path}&limit=1", headers=KNOWN_CALLER)
    assert (page.status_code, page.content_type) == (200, "application/json")
    (row,) = page.get_json()["data"]
    assert row.pop("updated") > first
    assert page.get_json()["has_more"] is True
    assert row == {
        "id": ids[2],
        "tray_number": "T-1",
        "invoice_number": None,
        "lab_status": "in_progress",
        "created": first + 2,
    }
    rest = alone.get(f"{path}&starting_after={ids[2]}", headers=KNOWN_CALLER).get_json()
    assert (rest["has_more"], [each["id"] for each in rest["data"]]) == (False, ids[1::-1])
    back = alone.get(f"{path}&ending_before={ids[0]}&limit=1", headers=KNOWN_CALLER).get_json()
    assert (back["has_more"], [each["id"] for each in back["data"]]) == (True, [ids[1]])
    none = alone.get(f"/v1/orders?{VISION}&created[lt]=1", headers=KNOWN_CALLER)
    assert none.get_json() == {"has_more": False, "data": []}


@pytest.mark.parametrize(
    ("query", "param"),
    [
        ("limit=0", "limit"),
        ("limit=101", "limit"),
        ("limit=ten", "limit"),
        ("limit=1.5", "limit"),
        ("limit=", "limit"),
        ("limit=99999999999999999999", "limit"),
        ("created[gt]=yesterday", "created[gt]"),
        ("created[gt]=-1", "created[gt]"),
        ("created[gt]=1&created[gt]=2", "created[gt]"),
        ("created[ne]=1", "created[ne]"),
        ("created=1", "created"),
        ("starting_after=ord_x", "starting_after"),
        ("ending_before=%00", "ending_before"),
        ("ending_before=%F0%9F%91%93", "ending_before"),
        ("starting_after=a&ending_before=b", "ending_before"),
        ("page=2", "page"),
    ],
)
def test_a_query_that_makes_no_sense_is_refused(alone: FlaskClient, query: str, param: str) -> None:
    said = check_error(alone.get(f"/v1/orders?{ACME}&{query}", headers=KNOWN_CALLER), 400)
    assert (said["code"], said["param"]) == ("invalid_request", param)


@pytest.mark.parametrize("operator", ["gt", "gte", "lt", "lte"])
@pytest.mark.parametrize("moment", ["2026-01-01", "yesterday", "1.5", ""])
def test_the_times_of_a_list_are_unix_seconds(
    alone: FlaskClient, operator: str, moment: str
) -> None:
    said = check_error(
        alone.get(f"/v1/orders?{ACME}&created[{operator}]={moment}", headers=KNOWN_CALLER), 400
    )
    assert said == {
        "message": "Must be an integer of Unix seconds, such as 1767225600.",
        "code": "invalid_request",
        "param": f"created[{operator}]",
    }


def test_an_unknown_operator_is_told_from_a_known_one(alone: FlaskClient) -> None:
    said = check_error(alone.get(f"/v1/orders?{ACME}&created[after]=1", headers=KNOWN_CALLER), 400)
    assert said == {
        "message": "Unknown field; did you mean `created[lte]`?",
        "code": "invalid_request",
        "param": "created[after]",
    }


def test_a_list_is_of_one_lab(alone: FlaskClient) -> None:
    said = check_error(alone.get("/v1/orders", headers=KNOWN_CALLER), 400)
    assert sorted(each["param"] for each in said["errors"]) == ["account_number", "lab"]
    for lab in ("lab=lab_123&account_number=7654321", "lab=x&account_number=1"):
        assert (
            check_error(alone.get(f"/v1/orders?{lab}", headers=KNOWN_CALLER), 404)["code"]
            == "not_found"
        )


def test_a_draft_is_submitted(alone: FlaskClient, body: Any, unique: str) -> None:
    order_id = create_order(alone, {**body("order"), "mode": "draft"})
    keyed = {**KNOWN_CALLER, "Idempotency-Key": unique}
    first, again = (alone.post(f"/v1/orders/{order_id}/submit", headers=keyed) for _ in range(2))
    assert (first.status_code, first.get_json()["lab_status"]) == (200, "submitted")
    assert first.get_json() == alone.get(f"/v1/orders/{order_id}", headers=KNOWN_CALLER).get_json()
    assert again.data == first.data
    assert again.headers["Idempotent-Replayed"] == "true"
    said = check_error(
        alone.post(f"/v1/orders/{order_id}/submit", json={}, headers=KNOWN_CALLER), 409
    )
    assert said == {"message": "The order is not a draft.", "code": "wrong_state"}


def test_a_draft_that_is_not_whole_stays_one(alone: FlaskClient, body: Any) -> None:
    sent = {**body("order"), "mode": "draft"}
    del sent["lens"]
    path = f"/v1/orders/{create_order(alone, sent)}"
    said = check_error(alone.post(f"{path}/submit", headers=KNOWN_CALLER), 400)
    assert said == {
        "message": "Required to submit an order of type rx.",
        "code": "invalid_request",
        "param": "lens",
    }
    assert alone.get(path, headers=KNOWN_CALLER).get_json()["lab_status"] == "draft"


@pytest.mark.parametrize("sent", [{"x": 1}, {"order_id": "ord_1"}, [], "x"])
def test_a_submit_has_no_body(alone: FlaskClient, body: Any, sent: Any) -> None:
    path = f"/v1/orders/{create_order(alone, {**body('order'), 'mode': 'draft'})}"
    refused = alone.post(f"{path}/submit", data=json.dumps(sent), headers=KNOWN_CALLER)
    assert check_error(refused, 400)["code"] == "invalid_request"
    assert alone.get(path, headers=KNOWN_CALLER).get_json()["lab_status"] == "draft"


def test_a_job_is_text(alone: FlaskClient, body: Any) -> None:
    order_id = create_order(alone, body("order"))
    answer = alone.get(f"/v1/orders/{order_id}/oma", headers=KNOWN_CALLER)
    assert (answer.status_code, answer.content_type) == (200, "text/plain; charset=utf-8")
    assert f"JOB={order_id}\r\n" in answer.get_data(as_text=True)
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert answer.headers["X-Request-Id"]


def test_an_outline_is_a_drawing(alone: FlaskClient, body: Any) -> None:
    order_id = create_order(alone, body("order"))
    answer = alone.get(f"/v1/orders/{order_id}/outline.svg", headers=KNOWN_CALLER)
    assert (answer.status_code, answer.mimetype) == (200, "image/svg+xml")
    assert answer.headers["Content-Security-Policy"] == "default-src 'none'"
    assert answer.get_data(as_text=True).startswith("<svg ")


@EACH_PATH
@pytest.mark.parametrize(
    "order_id", ["ord_1", "ord_" + "0" * 24, "%00", "%FF", "%F0%9F%91%93", "x" * 5000]
)
def test_an_unknown_order_is_not_found(alone: FlaskClient, path: str, order_id: str) -> None:
    said = check_error(alone.get(f"/v1/orders/{order_id}{path}", headers=KNOWN_CALLER), 404)
    assert said == {"message": "You have no such order.", "code": "not_found"}
    assert (
        check_error(alone.post(f"/v1/orders/{order_id}/submit", headers=KNOWN_CALLER), 404) == said
    )


@EACH_PATH
def test_a_read_has_no_parameters(alone: FlaskClient, body: Any, path: str) -> None:
    order_id = create_order(alone, body("order"))
    said = check_error(
        alone.get(f"/v1/orders/{order_id}{path}?lab=lab_123", headers=KNOWN_CALLER), 400
    )
    assert said["param"] == "lab"


@EACH_PATH
def test_an_order_requires_a_token_and_a_user(alone: FlaskClient, body: Any, path: str) -> None:
    where = f"/v1/orders/{create_order(alone, body('order'))}{path}"
    user = {"User-Email": KNOWN_CALLER["User-Email"]}
    assert check_error(alone.get(where, headers=user), 401, "authentication_error")
    token = {"Authorization": KNOWN_CALLER["Authorization"]}
    assert check_error(alone.get(where, headers=token), 400)["param"] == "User-Email"
    stranger = {**token, "User-Email": "stranger@example.org"}
    assert check_error(alone.get(where, headers=stranger), 403, "permission_error")
