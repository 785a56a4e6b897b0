"""Prescriptions as practice software writes them: each with what is right (tests/field)."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from flask.testing import FlaskClient
from sqlalchemy import select

from protos import orders_pb2 as pb
from sessions_svc.store import tables as session_tables
from tests.gateway.front import CALLER, front
from tests.gateway.test_orders import check_error, post
from tests.serving import Served

FIELD = Path(__file__).parents[1] / "field"
CASES = {
    each["case"]: each["rx"]
    for each in json.loads((FIELD / "prescriptions.json").read_text())["cases"]
}
ZERO = json.loads((FIELD / "session-cylinder-zero.json").read_text())["prescriptions"]
KNOWN = CALLER["orders"]


@pytest.fixture(scope="module")
def alone(orders: Served) -> Iterator[FlaskClient]:
    """A client of a gateway with the orders service only."""
    with front(orders=orders.address) as client:
        yield client


def send(client: FlaskClient, body: Any, case: str, **changes: Any) -> Any:
    """The answer to the example order with the prescription of a case, for single vision."""
    sent = body("order") | {"rx": CASES[case]} | changes
    sent["lens"]["style"] = "style_123"
    del sent["frame"]["tracing"]
    return post(client, sent, KNOWN)


def read(client: FlaskClient, order_id: str) -> Any:
    """The rx of an order."""
    return client.get(f"/v1/orders/{order_id}", headers=KNOWN).get_json()["rx"]


def list_codes(answer: Any) -> list[tuple[str, str]]:
    """Path and code of the warnings of a created order."""
    assert answer.status_code == 201, answer.get_data()
    return [(each["param"], each["code"]) for each in answer.get_json().get("warnings", [])]


def test_eighths_with_two_decimals(alone: FlaskClient, orders: Served, body: Any) -> None:
    answer = send(alone, body, "eighths with two decimals")
    assert list_codes(answer) == []
    order_id = answer.get_json()["id"]
    assert read(alone, order_id) == CASES["eighths with two decimals"]
    asked = pb.GetReviewRequest(order_id=order_id)
    eye = orders.call("GetReview", asked, kind="Dashboard").right_eye
    assert eye.other_form == pb.OtherForm(sphere=-1.5, cylinder=0.37, axis=95)
    assert eye.spherical_equivalent == -1.3125


@pytest.mark.parametrize("axis", [0, 1, 90, 180, None, 180.0, "none"])
def test_no_cylinder_written_0_x_0(alone: FlaskClient, body: Any, axis: Any) -> None:
    answer = send(alone, body, "no cylinder, written 0 x 0")
    assert list_codes(answer) == []
    eye = {"sphere": -1.5, "pd": 32.0}
    assert read(alone, answer.get_json()["id"]) == {"right_eye": eye, "left_eye": eye}
    sent = {**eye, "cylinder": -0.0} | ({} if axis == "none" else {"axis": axis})
    answer = send(alone, body, "no pd", rx={"right_eye": sent, "left_eye": eye})
    assert read(alone, answer.get_json()["id"]) == {"right_eye": eye, "left_eye": eye}


def test_an_axis_of_zero_stands_for_none_only_with_a_cylinder_of_zero(
    alone: FlaskClient, body: Any
) -> None:
    for axis, cylinder in ((0, -0.5), (181, 0), (-1, 0)):
        eye = {"sphere": -1.5, "pd": 32.0, "cylinder": cylinder, "axis": axis}
        said = check_error(send(alone, body, "no pd", rx={"right_eye": eye}), 400)
        assert (said["param"], said["message"]) == ("rx.right_eye.axis", "Must be from 1 to 180.")


def test_an_integral_double(alone: FlaskClient, body: Any) -> None:
    answer = send(alone, body, "integral double")
    assert list_codes(answer) == []
    axis = read(alone, answer.get_json()["id"])["right_eye"]["axis"]
    assert (axis, type(axis)) == (45, int)
    eye = {**CASES["integral double"]["right_eye"], "axis": 45.5}
    said = check_error(send(alone, body, "no pd", rx={"right_eye": eye}), 400)
    assert (said["param"], said["message"]) == (
        "rx.right_eye.axis",
        "Expected `integer`, got `number`",
    )


def test_no_pd(alone: FlaskClient, body: Any) -> None:
    missing = [("rx.right_eye.pd", "pd_missing"), ("rx.left_eye.pd", "pd_missing")]
    assert list_codes(send(alone, body, "no pd")) == missing


def test_eyes_more_than_4_d_apart(alone: FlaskClient, body: Any) -> None:
    answer = send(alone, body, "eyes more than 4 D apart")
    assert list_codes(answer) == [("rx", "anisometropia"), ("rx", "antimetropia")]
    assert answer.get_json()["warnings"][0] == {
        "param": "rx",
        "message": "The eyes differ by 5.25 D, over 2 D.",
        "code": "anisometropia",
        "figures": {"value": 5.25, "limit": 2.0},
    }


def test_seg_height_in_a_single_vision_style(alone: FlaskClient, body: Any) -> None:
    found = list_codes(send(alone, body, "seg_height in a single-vision style"))
    assert found == [
        (f"rx.{eye}.{name}", f"{name}_on_single_vision")
        for eye in ("right_eye", "left_eye")
        for name in ("add", "seg_height")
    ]


def test_a_wrong_type(alone: FlaskClient, body: Any) -> None:
    said = check_error(send(alone, body, "wrong type"), 400)
    message = "Expected `number`, got `string`"
    assert (said["param"], said["message"]) == ("rx.right_eye.sphere", message)


def test_0_written_for_missing(alone: FlaskClient, body: Any) -> None:
    zero = {"sphere": 0.0, "cylinder": 0.0, "axis": 0, "pd": 31.5}
    eyes = {"right_eye": {"sphere": -1.75, "pd": 32.0}, "left_eye": zero}
    assert list_codes(send(alone, body, "no pd", rx=eyes)) == [("rx.left_eye.sphere", "plano")]
    for name in ("pd", "near_pd", "add", "oc_height"):
        answer = send(alone, body, "no pd", rx={**eyes, "left_eye": {**zero, name: 0.0}})
        assert f"rx.left_eye.{name}" in str(check_error(answer, 400))


def test_one_pd_copied_to_both_eyes(alone: FlaskClient, body: Any) -> None:
    """A child's 48 mm; from 51 mm on the range of the contract refuses it."""
    eye = {"sphere": -1.5, "pd": 48.0}
    found = list_codes(send(alone, body, "no pd", rx={"right_eye": eye, "left_eye": eye}))
    assert [each for each in found if each[1] == "pd_binocular"] == [
        ("rx.right_eye.pd", "pd_binocular"),
        ("rx.left_eye.pd", "pd_binocular"),
    ]
    assert {code for _, code in found} == {
        "pd_binocular",
        "pd_total",
        "frame_pd_below_pd",
        "decentration",
    }


def test_pd_and_near_pd_swapped(alone: FlaskClient, body: Any) -> None:
    eyes = {name: {"sphere": 1.5, "pd": 31.0, "near_pd": 32.5} for name in CASES["no pd"]}
    found = list_codes(send(alone, body, "no pd", rx=eyes))
    assert found == [(f"rx.{name}.near_pd", "near_pd_above_pd") for name in eyes]


def test_a_balance_lens(alone: FlaskClient, body: Any) -> None:
    eye = {"sphere": -1.5, "pd": 32.0}
    sent = {"right_eye": eye, "left_eye": {"balance": True, "pd": 31.0}}
    answer = send(alone, body, "no pd", rx=sent)
    assert list_codes(answer) == []
    assert read(alone, answer.get_json()["id"]) == sent
    answer = send(
        alone, body, "no pd", rx={"right_eye": eye, "left_eye": {**eye, "balance": False}}
    )
    assert read(alone, answer.get_json()["id"]) == {"right_eye": eye, "left_eye": eye}
    for wrong, path, message in (
        ({"left_eye": {**eye, "balance": True}}, "sphere", "Not with balance."),
        ({"left_eye": {"balance": True}}, "balance", "The other eye must have a power."),
        ({"left_eye": {"pd": 31.0}}, "sphere", "Missing data for required field."),
    ):
        said = str(check_error(send(alone, body, "no pd", rx=wrong), 400))
        assert f"rx.left_eye.{path}" in said
        assert message in said


def test_a_session_has_no_cylinder_of_zero(
    http: FlaskClient, sessions: Served, body: Any, unique: str
) -> None:
    sent = body("session") | {"user_key": unique, "session_key": unique}
    sent |= {"prescriptions": ZERO}
    answer = http.post("/api/v2/partners/sessions", json=sent, headers=CALLER["sessions"])
    assert answer.status_code == 201, answer.get_data()
    with sessions.database.read() as tx:
        this = session_tables.sessions.c.session_key == unique
        (kept,) = tx.execute(
            select(session_tables.sessions.c.prescriptions).where(this)
        ).scalar_one()
    for name in ("right_eye", "left_eye"):
        assert kept[name] == {"sphere": -1.5, "pupillary_distance": 31.0}


def test_one_eye_is_left_out_without_the_word(alone: FlaskClient, body: Any) -> None:
    eyes = {"right_eye": {"sphere": -1.5, "pd": 32.0}}
    assert list_codes(send(alone, body, "no pd", rx=eyes)) == [("rx.left_eye", "eye_missing")]
