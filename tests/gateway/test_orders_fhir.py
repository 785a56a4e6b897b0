"""FHIR over HTTP at /v1, on both engines."""

import json
from typing import Any

import pytest
from flask.testing import FlaskClient
from hypothesis import given
from hypothesis import strategies as st

from tests.gateway.front import CALLER
from tests.gateway.test_orders import post
from tests.gateway.test_orders_reading import alone
from tests.optics.fhir_documents import check_document, document, lens
from tests.test_any_value import ANY_VALUE, find_places, put, values

__all__ = ["alone"]
KNOWN = CALLER["orders"]
OPERATION = "/v1/fhir/VisionPrescription/$order-rx"


def test_an_order_goes_out_and_comes_back(alone: FlaskClient, body: Any) -> None:
    order = body("order")
    path = post(alone, order, KNOWN).headers["Location"]
    answer = alone.get(f"{path}/fhir", headers=KNOWN)
    assert answer.status_code == 200
    assert answer.headers["Content-Type"] == "application/fhir+json"
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    check_document(json.loads(answer.data))
    assert b'"sphere":-2.00' in answer.data
    read = alone.post(OPERATION, data=answer.data, headers=KNOWN)
    assert read.status_code == 200
    assert read.get_json()["rx"] == order["rx"]
    assert [each["path"] for each in read.get_json()["not_carried"]] == [
        *("identifier", "created", "patient"),
    ]


def test_nothing_may_be_lost(alone: FlaskClient) -> None:
    answer = alone.post(OPERATION, json=document(lens()), headers=KNOWN)
    assert answer.get_json() == {"rx": {"right_eye": {"sphere": -2}}, "not_carried": []}


def test_a_repeat_is_replayed(alone: FlaskClient) -> None:
    keyed = {**KNOWN, "Idempotency-Key": "fhir-1"}
    first, second = (alone.post(OPERATION, json=document(lens()), headers=keyed) for _ in "12")
    assert first.data == second.data
    assert second.headers["Idempotent-Replayed"] == "true"
    other = alone.post(OPERATION, json=document(lens(sphere=1)), headers=keyed)
    assert other.status_code == 422


def test_a_fault_has_its_path_as_param(alone: FlaskClient) -> None:
    answer = alone.post(OPERATION, json=document(lens(eye="both")), headers=KNOWN)
    assert answer.status_code == 400
    error = answer.get_json()["error"]
    assert (error["param"], error["message"]) == (
        "lensSpecification.0.eye",
        "Must be one of: right, left.",
    )


@pytest.mark.parametrize(
    "sent",
    [
        b"",
        b"null",
        b"{",
        b"[]",
        b'{},"document":{}',
        b'{},"x":1',
        b'{"status":"a","status":"b"}',
        b'{"a":NaN}',
        b'{"a":"\\ud800"}',
        b"\xff",
        b'{"a":' + b"[" * 50_000,
    ],
)
def test_a_body_that_is_no_document_is_refused(alone: FlaskClient, sent: bytes) -> None:
    answer = alone.post(OPERATION, data=sent, headers=KNOWN)
    assert answer.status_code == 400, answer.data
    assert alone.post(OPERATION, data=sent).status_code == 401


def test_a_fault_of_syntax_is_located_in_the_body_as_sent(alone: FlaskClient) -> None:
    answer = alone.post(OPERATION, data=b'{"status": "active",\n "lens": [1,]}', headers=KNOWN)
    message = answer.get_json()["error"]["message"]
    assert message == (
        "The body is not JSON at line 2, column 12: there is a comma before the closing bracket."
    )


def test_any_value_anywhere(alone: FlaskClient, body: Any) -> None:
    path = post(alone, body("order"), KNOWN).headers["Location"]
    text = alone.get(f"{path}/fhir", headers=KNOWN).get_data(as_text=True)
    where = list(find_places(json.loads(text)))

    @ANY_VALUE
    @given(st.sampled_from(where), values)
    def holds(place: tuple[Any, ...], value: Any) -> None:
        sent = json.dumps(put(json.loads(text), place, value))
        answer = alone.post(OPERATION, data=sent, headers=KNOWN)
        assert answer.status_code in (200, 400), answer.data

    holds()
