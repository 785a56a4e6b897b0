"""The life of an order over HTTP: ETags, edits, cancelling, copies and lens packages."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from flask.testing import FlaskClient

from tests.gateway.front import CALLER
from tests.gateway.test_orders import check_error, post
from tests.gateway.test_orders_reading import alone, create_order
from tests.orders_svc.bodies import LAB, Body
from tests.orders_svc.life import add_lab, created, find_actions
from tests.serving import USERS, Served

__all__ = ["alone"]
KNOWN = CALLER["orders"]
SUBMITTED = datetime(2026, 3, 1, 12, tzinfo=UTC)
AT = int(SUBMITTED.timestamp())


@pytest.fixture
def draft(alone: FlaskClient, body: Any) -> str:
    """The path of a draft."""
    return f"/v1/orders/{create_order(alone, {**body('order'), 'mode': 'draft'})}"


def get(client: FlaskClient, path: str) -> Any:
    """An answer with an order."""
    answer = client.get(path, headers=KNOWN)
    assert answer.status_code == 200
    return answer


def put(client: FlaskClient, path: str, body: Any, tag: str | None) -> Any:
    """The answer to a PUT with this If-Match."""
    headers = KNOWN if tag is None else {**KNOWN, "If-Match": tag}
    return client.put(path, json=body, headers=headers)


def test_a_draft_is_replaced(alone: FlaskClient, body: Any, draft: str) -> None:
    before = get(alone, draft)
    assert before.headers["ETag"] == '"v1"'
    sent = {**body("order"), "mode": "draft", "special_instructions": "Other"}
    answer = put(alone, draft, sent, before.headers["ETag"])
    assert (answer.status_code, answer.headers["ETag"]) == (200, '"v2"')
    assert answer.get_json() == get(alone, draft).get_json()
    changed = {"special_instructions", "updated", "version", "history"}
    after = answer.get_json()
    assert {name for name, each in after.items() if each != before.get_json()[name]} <= changed
    assert after["history"][1]["event"] == "edited"


def test_a_put_names_the_version_it_is_based_on(alone: FlaskClient, body: Any, draft: str) -> None:
    answer = put(alone, draft, {**body("order"), "mode": "draft"}, None)
    said = check_error(answer, 428)
    assert said["code"] == "precondition_required"
    assert said["message"].startswith("Send If-Match with the ETag of a GET")
    assert get(alone, draft).headers["ETag"] == '"v1"'


@pytest.mark.parametrize(
    "tag",
    [
        '"v0"',
        '"v2"',
        'W/"v1"',
        '"1"',
        '"x"',
        "v1",
        '"v1.0"',
        f'"v{"9" * 30}"',
        '"v٣"'.encode().decode("latin-1"),
        "",
    ],
)
def test_a_version_mismatch_is_412(alone: FlaskClient, body: Any, draft: str, tag: str) -> None:
    answer = put(alone, draft, {**body("order"), "mode": "draft"}, tag)
    said = check_error(answer, 412)
    assert said["code"] == "version_mismatch"
    assert get(alone, draft).headers["ETag"] == '"v1"'


def test_any_version_may_be_named(alone: FlaskClient, body: Any, draft: str) -> None:
    sent = {**body("order"), "mode": "draft"}
    assert put(alone, draft, sent, "*").headers["ETag"] == '"v2"'


def test_one_of_several_versions_is_enough(alone: FlaskClient, body: Any, draft: str) -> None:
    sent = {**body("order"), "mode": "draft"}
    assert put(alone, draft, sent, '"v7", "v1"').headers["ETag"] == '"v2"'


@pytest.mark.parametrize(
    ("change", "status", "param"),
    [
        ({"mode": "submit"}, 400, "mode"),
        ({"patient": {}}, 400, "patient.first_name"),
        ({"x": 1}, 400, "x"),
        ({"lab": "lab_456"}, 400, "lab"),
        ({"id": "ord_1"}, 400, "id"),
    ],
)
def test_a_bad_document_is_400(
    alone: FlaskClient, body: Any, draft: str, change: Body, status: int, param: str
) -> None:
    sent = {**body("order"), "mode": "draft", **change}
    assert check_error(put(alone, draft, sent, '"v1"'), status)["param"] == param
    assert get(alone, draft).headers["ETag"] == '"v1"'


def test_a_submitted_order_is_409(alone: FlaskClient, body: Any) -> None:
    path = f"/v1/orders/{create_order(alone, body('order'))}"
    assert check_error(put(alone, path, body("order"), '"v1"'), 409)["code"] == "wrong_state"
    assert check_error(alone.delete(path, headers=KNOWN), 409)["code"] == "wrong_state"


def test_a_draft_is_deleted(alone: FlaskClient, draft: str) -> None:
    stale = alone.delete(draft, headers={**KNOWN, "If-Match": '"v9"'})
    assert check_error(stale, 412)["code"] == "version_mismatch"
    answer = alone.delete(draft, headers={**KNOWN, "If-Match": '"v1"'})
    assert (answer.status_code, answer.data) == (204, b"")
    assert check_error(alone.get(draft, headers=KNOWN), 404)
    assert check_error(alone.delete(draft, headers=KNOWN), 404)


def test_a_delete_has_no_body(alone: FlaskClient, draft: str) -> None:
    bodies: list[Any] = [{"versions": [1]}, {"x": 1}, [], "x"]
    for sent in bodies:
        answer = alone.delete(draft, data=json.dumps(sent), headers=KNOWN)
        assert check_error(answer, 400)["code"] == "invalid_request"


def test_an_order_waits_in_its_window(
    alone: FlaskClient, orders: Served, body: Any, unique: str
) -> None:
    sent = {**body("order"), **add_lab(orders, unique, 5)}
    with orders.clock.at(SUBMITTED):
        answer = post(alone, sent, KNOWN)
        path = f"/v1/orders/{answer.get_json()['id']}"
        pending = get(alone, path)
        until = int((SUBMITTED + timedelta(minutes=5)).timestamp())
        assert answer.get_json()["editable_until"] == until
        told = pending.get_json()
        assert (told["lab_status"], told["editable_until"]) == ("pending_transmission", until)
        assert told["available_actions"] == find_actions("pending_transmission")
        assert told["history"] == [created(AT, "pending_transmission")]
        edited = put(alone, path, {**sent, "special_instructions": "x"}, '"v1"')
        assert (edited.status_code, edited.headers["ETag"]) == (200, '"v2"')
        cancelled = alone.post(f"{path}/cancel", headers=KNOWN)
    assert (cancelled.status_code, cancelled.headers["ETag"]) == (200, '"v3"')
    assert cancelled.get_json() == get(alone, path).get_json()
    assert cancelled.get_json()["lab_status"] == "cancelled"
    assert cancelled.get_json()["cancellation"] == {"client": AT}
    assert cancelled.get_json()["history"][-1] == {
        "at": AT,
        "event": "cancelled",
        "lab_status": "cancelled",
        "by": "client",
        "user": USERS["client"],
    }


def test_the_lab_is_asked_to_cancel(alone: FlaskClient, body: Any, unique: str) -> None:
    path = f"/v1/orders/{create_order(alone, body('order'))}"
    keyed = {**KNOWN, "Idempotency-Key": unique}
    first, again = (alone.post(f"{path}/cancel", headers=keyed) for _ in range(2))
    assert (first.status_code, again.data) == (200, first.data)
    assert again.headers["Idempotent-Replayed"] == "true"
    assert first.get_json()["lab_status"] == "submitted"
    assert first.get_json()["cancellation"].keys() == {"client"}
    said = check_error(alone.post(f"{path}/cancel", headers=KNOWN), 409)
    assert said["code"] == "wrong_state"


def test_a_redo_and_its_original(alone: FlaskClient, body: Any) -> None:
    original = create_order(alone, body("order"))
    sent: Body = {"submission_type": "redo", "redo_data": {"type": "Remake", "reason": "scratched"}}
    answer = alone.post(f"/v1/orders/{original}/duplicate", json=sent, headers=KNOWN)
    made = answer.get_json()
    assert (answer.status_code, answer.headers["Location"]) == (201, f"/v1/orders/{made['id']}")
    assert made.keys() == {"id", "url"}
    redo = get(alone, f"/v1/orders/{made['id']}").get_json()
    assert redo["original"] == original
    assert redo["redo_data"] == {**sent["redo_data"], "reference": original}
    told = get(alone, f"/v1/orders/{original}").get_json()
    assert told["redone_by"] == [made["id"]]
    assert "pairs" not in told


def test_a_copy_needs_no_body(alone: FlaskClient, draft: str) -> None:
    answer = alone.post(f"{draft}/duplicate", headers=KNOWN)
    assert answer.status_code == 201
    copy = get(alone, f"/v1/orders/{answer.get_json()['id']}").get_json()
    assert (copy["submission_type"], f"/v1/orders/{copy['original']}") == ("new", draft)


@pytest.mark.parametrize("sent", [[], "x", {"x": 1}, {"submission_type": 1}, {"redo_data": {}}])
def test_a_bad_wish_is_400(alone: FlaskClient, draft: str, sent: Any) -> None:
    answer = alone.post(f"{draft}/duplicate", data=json.dumps(sent), headers=KNOWN)
    assert check_error(answer, 400)["code"] == "invalid_request"


def test_codes_acknowledged_at_the_submit_are_kept(alone: FlaskClient, body: Any) -> None:
    sent = {**body("order"), "mode": "draft", "acknowledged_warnings": ["pd_missing"]}
    path = f"/v1/orders/{create_order(alone, sent)}"
    codes = {"acknowledged_warnings": ["decentration", "pd_missing"]}
    answer = alone.post(f"{path}/submit", json=codes, headers=KNOWN)
    kept = ["pd_missing", "decentration"]
    assert answer.get_json()["acknowledged_warnings"] == kept
    assert get(alone, path).get_json()["acknowledged_warnings"] == kept


def test_lens_packages(alone: FlaskClient, body: Any, unique: str) -> None:
    sent = {**LAB, "name": unique, "lens": body("order")["lens"]}
    answer = alone.post("/v1/lens_packages", json=sent, headers=KNOWN)
    assert answer.status_code == 201
    package = answer.get_json()
    assert {name: package[name] for name in sent} == sent
    assert package.keys() - sent.keys() == {"id", "created", "description", "services"}
    said = check_error(alone.post("/v1/lens_packages", json=sent, headers=KNOWN), 409)
    assert (said["code"], said["param"]) == ("already_exists", "name")
    where = "/v1/lens_packages?lab=lab_123&account_number=1234567"
    assert package in get(alone, where).get_json()["data"]
    one = f"/v1/lens_packages/{package['id']}"
    assert alone.delete(one, headers=KNOWN).status_code == 204
    assert package not in get(alone, where).get_json()["data"]
    assert check_error(alone.delete(one, headers=KNOWN), 404)["code"] == "not_found"
    other = "/v1/lens_packages?lab=lab_123&account_number=x"
    assert check_error(alone.get(other, headers=KNOWN), 404)["code"] == "not_found"
    for bad in ({}, {**sent, "lens": {}}, {**sent, "name": 1}, {**sent, "x": 1}):
        assert check_error(alone.post("/v1/lens_packages", json=bad, headers=KNOWN), 400)
