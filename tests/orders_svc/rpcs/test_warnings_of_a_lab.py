"""A lab's own limits, blanks and least heights, and the warnings that it wants confirmed."""

import tomllib
from pathlib import Path
from typing import Any

import pytest

from orders_svc import reference
from orders_svc.reference import REFERENCE
from protos import orders_pb2 as pb
from tests.orders_svc.bodies import Body, put, request
from tests.serving import Served

DEMO = Path(__file__).parents[3] / "demo" / "orders.toml"


@pytest.fixture
def careful(orders: Served, lab: Body, order: Body) -> Body:
    """An order for a lab with the catalog of the demo lab and settings of its own."""
    values: Any = tomllib.loads(DEMO.read_text("utf-8"))["labs"][0]
    values |= {"id": lab["lab"], "name": "Careful Lab"}
    values["settings"] |= {
        "limits": {"decentration": 2.5},
        "confirm": ["decentration", "seg_height_below_style"],
    }
    values["styles"][1] |= {"least_fitting_height": 18, "blank_sizes": [65, 70]}
    values["materials"][0]["blank_sizes"] = [60, 65.0, 54.9]
    with orders.database.write() as tx:
        reference.load(tx, REFERENCE.load({"labs": [values]}))
    orders.refresh_cache()
    return order | lab


def test_it_works(orders: Served, careful: Body) -> None:
    put(careful, "rx.right_eye.pd", 29.0)
    put(careful, "rx.right_eye.near_pd", 28.0)
    put(careful, "rx.right_eye.seg_height", 17.5)
    put(careful, "acknowledged_warnings", ["decentration", "seg_height_below_style"])
    put(careful, "rx.left_eye.pd", 31.5)
    made = orders.call("CreateOrder", request(careful))
    height = pb.Warning(
        param="rx.right_eye.seg_height",
        message="Is below the least fitting height of the style, 18 mm.",
        code="seg_height_below_style",
        figures=pb.WarningFigures(limit=18),
        confirm=True,
    )
    centre = pb.Warning(
        param="rx.right_eye.pd",
        message="Puts the lens 5 mm inward from the centre of the box, over 2.5 mm.",
        code="decentration",
        figures=pb.WarningFigures(value=5, limit=2.5),
        confirm=True,
    )
    assert list(made.warnings) == [height, centre]
    put(careful, "frame.a", 50.0)
    put(careful, "frame.tracing")
    put(careful, "frame.lens_ed", 54.0)
    made = orders.call("CreateOrder", request(careful))
    blank = pb.Warning(
        param="rx.right_eye.pd",
        message="Needs a blank of 66 mm; the largest of the style is 65 mm.",
        code="blank_too_small",
        figures=pb.WarningFigures(value=66, limit=65),
    )
    assert list(made.warnings) == [height, centre, blank]


def test_a_submit_names_what_the_lab_wants_confirmed(orders: Served, careful: Body) -> None:
    before = orders.rows()
    failure = orders.refusal("CreateOrder", request(careful))
    message = "Puts the lens 3 mm inward from the centre of the box, over 2.5 mm."
    said = [
        ("acknowledged_warnings", f"Must name decentration: rx.left_eye.pd: {message}"),
    ]
    assert [(fault.path, fault.message) for fault in failure.faults] == said
    assert failure.code.name == "INVALID_ARGUMENT"
    assert orders.rows() == before
    put(careful, "acknowledged_warnings", ["decentration"])
    made = orders.call("CreateOrder", request(careful))
    order = orders.call("GetOrder", pb.GetOrderRequest(order_id=made.id))
    assert list(order.acknowledged_warnings) == ["decentration"]


def test_a_draft_is_confirmed_when_it_is_submitted(orders: Served, careful: Body) -> None:
    made = orders.call("CreateOrder", request(careful, mode="draft"))
    assert [each.confirm for each in made.warnings] == [True]
    asked = pb.SubmitOrderRequest(order_id=made.id)
    failure = orders.refusal("SubmitOrder", asked)
    assert [fault.path for fault in failure.faults] == ["acknowledged_warnings"]
    asked.acknowledged_warnings.append("nothing")
    failure = orders.refusal("SubmitOrder", asked)
    assert [fault.path for fault in failure.faults] == ["acknowledged_warnings.0"]
    asked.acknowledged_warnings[:] = ["decentration"]
    assert orders.call("SubmitOrder", asked).lab_status == "submitted"


def test_the_settings_are_the_option_lists_alone(orders: Served, careful: Body) -> None:
    lab = {name: careful[name] for name in ("lab", "account_number")}
    found = orders.call("GetOrderSettings", pb.GetOrderSettingsRequest(**lab))
    assert list(found.order_types) == ["rx", "frame"]
