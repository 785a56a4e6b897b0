"""Any value anywhere in the calls that read and move orders: an answer or a refusal, no crash."""

import json
import re
from copy import deepcopy
from typing import Any

import pytest
from flask.testing import FlaskClient
from grpc import RpcError, StatusCode
from hypothesis import given
from hypothesis import strategies as st

from protos import orders_pb2 as pb
from tests.gateway.front import CALLER
from tests.gateway.test_orders import post
from tests.gateway.test_orders_reading import alone
from tests.serving import Served, decode
from tests.test_any_value import ANY_VALUE, find_places, put, values

__all__ = ["alone"]
KNOWN_CALLER = CALLER["orders"]
NAMES = [
    *("lab", "account_number", "limit", "starting_after", "ending_before", "order_id", "created"),
    *("created[gt]", "created[gte]", "created[lt]", "created[lte]", "created[x]", "created_gt"),
]
GOOD = {"lab": "lab_123", "account_number": "1234567"}
words = (
    st.text(max_size=20)
    | st.integers().map(str)
    | st.sampled_from(["", "0", "1", "100", "1e3", "٣", "\0", "ord_", "%", "99999999999", "-0"])
)
INT64 = st.integers(-(2**63), 2**63 - 1)
TEXT = st.text(max_size=60) | st.sampled_from(["\0", "ord_" + "0" * 24, "shipped", "lab_123", " "])


def find_outcome(orders: Served, rpc: str, asked: Any, **how: Any) -> StatusCode:
    """Return the status of a call."""
    try:
        orders.call(rpc, asked, **how)
    except RpcError as error:
        return decode(error).code
    return StatusCode.OK


@pytest.fixture
def draft(alone: FlaskClient, body: Any) -> str:
    """The id of a new draft."""
    return str(post(alone, {**body("order"), "mode": "draft"}, KNOWN_CALLER).get_json()["id"])


def test_any_query_of_the_list(alone: FlaskClient, orders: Served, draft: str) -> None:
    cursors = st.just(draft)

    @ANY_VALUE
    @given(st.dictionaries(st.sampled_from(NAMES) | words, words | cursors, max_size=5))
    def holds(query: dict[str, str]) -> None:
        answer = alone.get("/v1/orders", query_string={**GOOD, **query}, headers=KNOWN_CALLER)
        assert answer.status_code in (200, 400, 404), answer.get_data()
        assert answer.get_json().keys() <= {"data", "has_more", "error"}

    before = orders.rows()
    holds()
    assert orders.rows() == before


@pytest.mark.parametrize("path", ["", "/oma", "/outline.svg"])
def test_any_id_and_query_of_a_read(
    alone: FlaskClient, orders: Served, draft: str, path: str
) -> None:
    @ANY_VALUE
    @given(words, st.dictionaries(words, words, max_size=2))
    def holds(order_id: str, query: dict[str, str]) -> None:
        where = f"/v1/orders/{order_id.replace('/', '%2F').replace('?', '%3F')}{path}"
        answer = alone.get(where, query_string=query, headers=KNOWN_CALLER)
        assert answer.status_code in (308, 400, 404), answer.get_data()

    before = orders.rows()
    holds()
    assert orders.rows() == before


def test_any_body_of_a_submit(alone: FlaskClient, orders: Served, draft: str) -> None:
    @ANY_VALUE
    @given(values)
    def holds(sent: Any) -> None:
        answer = alone.post(
            f"/v1/orders/{draft}/submit", data=json.dumps(sent), headers=KNOWN_CALLER
        )
        assert answer.status_code in (200, 400, 409), answer.get_data()
        assert (answer.status_code == 400) == (sent != {})

    holds()


def test_any_change_of_a_lab(orders: Served, draft: str) -> None:
    orders.call("SubmitOrder", pb.SubmitOrderRequest(order_id=draft))
    may = {
        StatusCode.OK,
        StatusCode.INVALID_ARGUMENT,
        StatusCode.NOT_FOUND,
        StatusCode.FAILED_PRECONDITION,
    }

    @ANY_VALUE
    @given(st.just(draft) | TEXT, TEXT, st.none() | TEXT, st.none() | TEXT)
    def updates(order_id: str, lab_status: str, tray: str | None, invoice: str | None) -> None:
        asked = pb.UpdateOrderRequest(
            order_id=order_id, lab_status=lab_status, tray_number=tray, invoice_number=invoice
        )
        assert find_outcome(orders, "UpdateOrder", asked, who="staff", desk=True) in may

    @ANY_VALUE
    @given(TEXT, TEXT, TEXT, TEXT, st.none() | st.integers(-(2**31), 2**31 - 1))
    def lists(lab: str, lab_status: str, after: str, before: str, limit: int | None) -> None:
        asked = pb.ListLabOrdersRequest(
            lab=lab, lab_status=lab_status, starting_after=after, ending_before=before, limit=limit
        )
        assert find_outcome(orders, "ListLabOrders", asked, who="staff", desk=True) in may

    updates()
    lists()


def test_any_page_of_a_direct_caller(orders: Served) -> None:
    @ANY_VALUE
    @given(INT64, INT64, INT64, INT64, st.integers(-(2**31), 2**31 - 1))
    def holds(gt: int, gte: int, lt: int, lte: int, limit: int) -> None:
        asked = pb.ListOrdersRequest(
            **GOOD, created_gt=gt, created_gte=gte, created_lt=lt, created_lte=lte, limit=limit
        )
        ends = find_outcome(orders, "ListOrders", asked)
        assert ends in (StatusCode.OK, StatusCode.INVALID_ARGUMENT)

    holds()


WRITES = {
    "cancel": (200, 400, 409),
    "duplicate": (201, 400, 409),
    "ready_for_pickup": (400, 409),
    "tracking_link": (201, 400, 409),
}


@pytest.mark.parametrize("path", WRITES)
def test_any_body_of_a_write(alone: FlaskClient, draft: str, path: str) -> None:
    @ANY_VALUE
    @given(values)
    def holds(sent: Any) -> None:
        where = f"/v1/orders/{draft}/{path}"
        answer = alone.post(where, data=json.dumps(sent), headers=KNOWN_CALLER)
        assert answer.status_code in WRITES[path], answer.get_data()

    holds()


def test_any_value_in_any_place_of_an_edit(alone: FlaskClient, body: Any, draft: str) -> None:
    where = list(find_places(body("order")))

    @ANY_VALUE
    @given(
        st.sampled_from(where), values, st.sampled_from(['"v1"', '"v0"', "x", "*", '"\xe9"', ""])
    )
    def holds(place: tuple[Any, ...], value: Any, tag: str) -> None:
        sent = json.dumps(put({**body("order"), "mode": "draft"}, place, value))
        headers = {**KNOWN_CALLER, "If-Match": tag}
        answer = alone.put(f"/v1/orders/{draft}", data=sent, headers=headers)
        assert answer.status_code in (200, 400, 412, 428), answer.get_data()

    holds()


def test_any_value_in_any_place_of_a_lens_package(alone: FlaskClient, body: Any) -> None:
    whole = {
        **GOOD,
        "name": "Any",
        "description": "",
        "lens": body("order")["lens"],
        "services": [],
    }
    where = list(find_places(whole))

    @ANY_VALUE
    @given(st.sampled_from(where), values)
    def holds(place: tuple[Any, ...], value: Any) -> None:
        sent = json.dumps(put(deepcopy(whole), place, value))
        answer = alone.post("/v1/lens_packages", data=sent, headers=KNOWN_CALLER)
        assert answer.status_code in (201, 400, 409), answer.get_data()

    holds()


def test_any_form_of_an_edit(alone: FlaskClient, draft: str) -> None:
    """The page takes whatever is typed: into an order, or back with a fault."""
    client = alone.application.test_client()
    login = {"email": "optician@example.com", "password": "demo-password"}
    assert client.post("/orders/login", data=login).status_code == 303
    seal = re.search(r'name="seal" value="([0-9a-f]{64})"', client.get("/orders").text)
    assert seal
    paths = ["rx.left_eye.sphere", "rx.left_eye.axis", "lens.coats", "lens.style", "services"]
    paths += ["rx.right_eye.horizontal_prism.power", "frame.a", "mode", "x", "rx", "patient.email"]
    names = st.sampled_from(["version", "package", "submit", *(f"order.{each}" for each in paths)])

    @ANY_VALUE
    @given(st.dictionaries(names, words | st.sampled_from(["nan", "inf", "9" * 400, "1", "1e999"])))
    def holds(form: dict[str, str]) -> None:
        version = alone.get(f"/v1/orders/{draft}", headers=KNOWN_CALLER).headers["ETag"].strip('"v')
        sent = {"seal": seal[1], "version": version, **form}
        answer = client.post(f"/orders/{draft}/edit", data=sent)
        assert answer.status_code in (303, 409, 422), answer.text

    holds()
