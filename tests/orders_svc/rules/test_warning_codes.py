"""Every warning at its limit and beyond it, with its code, its field and its figures."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from orders_svc.rules.offer import Offer
from orders_svc.rules.tracing import parse_tracing
from orders_svc.rules.warnings.codes import CODES, Code
from orders_svc.rules.warnings.limits import LIMIT_NAMES, Limits
from orders_svc.rules.warnings.review import find_unconfirmed, find_warnings, review_order
from tests.orders_svc.bodies import OFFER, Body, find_faults, put
from tests.orders_svc.traced import BOTH

REFERENCE = Path(__file__).parents[3] / "docs" / "reference" / "warnings.md"
SINGLE = replace(OFFER, styles={"style_789": "single_vision"})
RX = "rx.right_eye", "rx.left_eye"


def find_codes(order: Body, offer: Offer = SINGLE) -> dict[str, tuple[str, dict[str, Any]]]:
    """Path and figures of the warnings of an order by their code: of each the last."""
    assert find_faults(order) == {}
    text = order["frame"].get("tracing")
    found = list(find_warnings(order, offer, parse_tracing(text) if text else None))
    return {each.code.value: (each.param, each.to_document().get("figures", {})) for each in found}


@pytest.fixture
def plain(order: Body) -> Body:
    """An order for single vision lenses of -2.00 in a frame of 50-18, without a warning."""
    put(order, "frame.tracing")
    put(order, "rx", {name: {"sphere": -2.0, "pd": 31.5} for name in ("right_eye", "left_eye")})
    assert find_codes(order) == {}
    return order


# Code; what is sent in place of the plain order's; the path and figures of the warning, or None
# at the limit.
Case = tuple[Code, Body, tuple[str, dict[str, float]] | None]
CASES: list[Case] = [
    (Code.POWER_OFF_STEP, {"rx.left_eye.sphere": -2.125}, None),
    (Code.POWER_OFF_STEP, {"rx.left_eye.sphere": -2.13}, None),
    (Code.POWER_OFF_STEP, {"rx.left_eye.sphere": -2.14}, ("rx.left_eye.sphere", {"limit": 0.125})),
    (Code.SPHERE_UNUSUAL, {f"{eye}.sphere": -10.0 for eye in RX}, None),
    (
        Code.SPHERE_UNUSUAL,
        {"rx.left_eye.sphere": 10.12, "rx.right_eye.sphere": 9.5},
        ("rx.left_eye.sphere", {"limit": 10}),
    ),
    (Code.CYLINDER_UNUSUAL, {"rx.left_eye.cylinder": -4.0, "rx.left_eye.axis": 9}, None),
    (
        Code.CYLINDER_UNUSUAL,
        {"rx.left_eye.cylinder": -4.125, "rx.left_eye.axis": 9},
        ("rx.left_eye.cylinder", {"limit": 4}),
    ),
    (Code.ANISOMETROPIA, {"rx.left_eye.sphere": -4.0}, None),
    (Code.ANISOMETROPIA, {"rx.left_eye.sphere": -4.12}, ("rx", {"value": 2.125, "limit": 2})),
    (Code.ANTIMETROPIA, {"rx.left_eye.sphere": 1.0}, None),
    (Code.ANTIMETROPIA, {"rx.left_eye.sphere": 1.12}, ("rx", {"limit": 1})),
    (Code.PLANO, {f"{eye}.sphere": 0.0 for eye in RX}, None),
    (Code.PLANO, {"rx.left_eye.sphere": 0.0}, ("rx.left_eye.sphere", {})),
    (Code.VERTEX_MISSING, {f"{eye}.sphere": -4.0 for eye in RX} | {"frame.vertex": None}, None),
    (Code.VERTEX_MISSING, {f"{eye}.sphere": -4.25 for eye in RX}, None),
    (
        Code.VERTEX_MISSING,
        {f"{eye}.sphere": -4.25 for eye in RX} | {"frame.vertex": None},
        ("frame.vertex", {"value": 0.04, "limit": 4}),
    ),
    (Code.PRISM_UNUSUAL, {"rx.left_eye.horizontal_prism": {"power": 5.0, "direction": "in"}}, None),
    (
        Code.PRISM_UNUSUAL,
        {
            "rx.left_eye.horizontal_prism": {"power": 4.0, "direction": "in"},
            "rx.left_eye.vertical_prism": {"power": 3.0, "direction": "up"},
        },
        None,
    ),
    (
        Code.PRISM_UNUSUAL,
        {
            "rx.left_eye.horizontal_prism": {"power": 3.0, "direction": "in"},
            "rx.left_eye.vertical_prism": {"power": 4.25, "direction": "up"},
        },
        ("rx.left_eye.vertical_prism", {"limit": 5}),
    ),
    (
        Code.PRISM_YOKED,
        {f"{eye}.horizontal_prism": {"power": 1.0, "direction": "in"} for eye in RX},
        None,
    ),
    (
        Code.PRISM_YOKED,
        {
            "rx.left_eye.horizontal_prism": {"power": 1.0, "direction": "in"},
            "rx.right_eye.horizontal_prism": {"power": 1.0, "direction": "out"},
        },
        ("rx.left_eye.horizontal_prism", {}),
    ),
    (
        Code.PRISM_YOKED,
        {f"{eye}.vertical_prism": {"power": 1.0, "direction": "up"} for eye in RX},
        ("rx.left_eye.vertical_prism", {}),
    ),
    (
        Code.PRISM_VERTICAL,
        {
            "rx.left_eye.vertical_prism": {"power": 2.5, "direction": "up"},
            "rx.right_eye.vertical_prism": {"power": 2.5, "direction": "down"},
        },
        None,
    ),
    (
        Code.PRISM_VERTICAL,
        {
            "rx.left_eye.vertical_prism": {"power": 2.5, "direction": "up"},
            "rx.right_eye.vertical_prism": {"power": 2.75, "direction": "down"},
        },
        ("rx.left_eye.vertical_prism", {"value": 5.25, "limit": 5}),
    ),
    (Code.PD_MISSING, {"rx.left_eye.pd": None}, ("rx.left_eye.pd", {})),
    (Code.PD_BINOCULAR, {"rx.left_eye.pd": 44.9}, None),
    (Code.PD_BINOCULAR, {"rx.left_eye.pd": 45.0}, ("rx.left_eye.pd", {"limit": 45})),
    (Code.PD_ASYMMETRY, {"rx.left_eye.pd": 35.5}, None),
    (Code.PD_ASYMMETRY, {"rx.left_eye.pd": 35.6}, ("rx.left_eye.pd", {"value": 4.1, "limit": 4})),
    (Code.PD_TOTAL, {f"{eye}.pd": 40.0 for eye in RX}, None),
    (
        Code.PD_TOTAL,
        {"rx.right_eye.pd": 40.0, "rx.left_eye.pd": 40.1},
        ("rx.left_eye.pd", {"value": 80.1, "limit": 80}),
    ),
    (Code.PD_TOTAL, {f"{eye}.pd": 22.5 for eye in RX}, None),
    (
        Code.PD_TOTAL,
        {"rx.right_eye.pd": 22.5, "rx.left_eye.pd": 22.4},
        ("rx.left_eye.pd", {"value": 44.9, "limit": 45}),
    ),
    (Code.NEAR_PD_ABOVE_PD, {"rx.left_eye.near_pd": 31.5}, None),
    (Code.NEAR_PD_ABOVE_PD, {"rx.left_eye.near_pd": 31.6}, ("rx.left_eye.near_pd", {})),
    (Code.EYE_MISSING, {"rx.left_eye": {"balance": True}}, None),
    (Code.EYE_MISSING, {"rx.left_eye": None}, ("rx.left_eye", {})),
    (Code.FRAME_PD_BELOW_PD, {f"{eye}.pd": 34.0 for eye in RX}, None),
    (
        Code.FRAME_PD_BELOW_PD,
        {"rx.right_eye.pd": 34.0, "rx.left_eye.pd": 34.5},
        ("frame.bridge", {"value": 68, "other": 68.5}),
    ),
    (Code.FRAME_PD_ABOVE_PD, {f"{eye}.pd": 30.0 for eye in RX}, None),
    (
        Code.FRAME_PD_ABOVE_PD,
        {"rx.right_eye.pd": 30.0, "rx.left_eye.pd": 29.5},
        ("frame.bridge", {"value": 68, "other": 59.5, "limit": 8}),
    ),
    (Code.DECENTRATION, {"rx.left_eye.pd": 31.0}, None),
    (Code.DECENTRATION, {"rx.left_eye.pd": 30.9}, ("rx.left_eye.pd", {"value": 3.1, "limit": 3})),
    (
        Code.DECENTRATION,
        {"rx.left_eye.pd": 37.5, "rx.right_eye.pd": 34.0},
        ("rx.left_eye.pd", {"value": -3.5, "limit": 3}),
    ),
    (Code.HEIGHT_ABOVE_FRAME, {"rx.left_eye.oc_height": 34.0}, None),
    (
        Code.HEIGHT_ABOVE_FRAME,
        {"rx.left_eye.oc_height": 34.5},
        ("rx.left_eye.oc_height", {"limit": 34}),
    ),
]


@pytest.mark.parametrize(("code", "changes", "expected"), CASES)
def test_a_warning_begins_beyond_its_limit(
    plain: Body, code: Code, changes: Body, expected: Any
) -> None:
    for path, value in changes.items():
        put(plain, path, *([] if value is None else [value]))
    assert find_codes(plain).get(code) == expected


@pytest.mark.parametrize(
    ("height", "expected"),
    [(17.0, None), (16.5, ("rx.left_eye.seg_height", {"limit": 17}))],
)
def test_a_style_has_a_least_fitting_height(order: Body, height: float, expected: Any) -> None:
    put(order, "rx.left_eye.seg_height", height)
    offer = replace(OFFER, least_fitting_height=17.0)
    assert find_codes(order, offer).get(Code.SEG_HEIGHT_BELOW_STYLE) == expected
    assert Code.SEG_HEIGHT_BELOW_STYLE not in find_codes(order, OFFER)


def test_the_reading_level_is_judged_of_a_multifocal(plain: Body) -> None:
    for eye in RX:
        put(plain, f"{eye}.add", 2.0)
        put(plain, f"{eye}.seg_height", 18.0)
    put(plain, "rx.left_eye.sphere", -3.0)
    assert find_codes(plain, OFFER) == {}
    put(plain, "rx.left_eye.sphere", -3.25)
    figures = {"value": 1.25, "limit": 1}
    assert find_codes(plain, OFFER) == {"vertical_imbalance": ("rx", figures)}


# A decentration of 6 mm; the rule of thumb leaves out the height, 5 mm above the middle.
@pytest.mark.parametrize(("traced", "least"), [(True, 66.64), (False, 64.0)])
def test_a_blank_is_large_enough(order: Body, traced: bool, least: float) -> None:
    order["rx"]["left_eye"] |= {"pd": 28.0, "near_pd": 28.0, "oc_height": 22.0}
    put(order, "frame.tracing", *([BOTH] if traced else []))
    code = Code.BLANK_TOO_SMALL
    assert code not in find_codes(order, OFFER)
    assert code not in find_codes(order, replace(OFFER, largest_blank=least))
    found = find_codes(order, replace(OFFER, largest_blank=least - 0.01))[code]
    assert found == ("rx.left_eye.pd", {"value": least, "limit": round(least - 0.01, 2)})
    put(order, "frame.lens_ed")
    assert (code in find_codes(order, replace(OFFER, largest_blank=30.0))) is traced


def test_limits_are_those_of_the_lab(plain: Body) -> None:
    settings = {**OFFER.settings, "limits": {"decentration": 2.0, "sphere": 1.5}}
    put(plain, "rx.right_eye", {"balance": True})
    found = find_codes(plain, replace(SINGLE, settings=settings))
    assert found == {
        "sphere_unusual": ("rx.left_eye.sphere", {"limit": 1.5}),
        "decentration": ("rx.left_eye.pd", {"value": 2.5, "limit": 2}),
    }


def test_a_lab_may_want_a_warning_confirmed(plain: Body) -> None:
    put(plain, "rx.left_eye.pd")
    offer = replace(SINGLE, settings={**OFFER.settings, "confirm": ["pd_missing"]})
    review = review_order(plain, offer, None)
    assert review.warnings == [
        {
            "param": "rx.left_eye.pd",
            "message": "The PD of this eye is missing.",
            "code": "pd_missing",
            "confirm": True,
        }
    ]
    fault = "Must name pd_missing: rx.left_eye.pd: The PD of this eye is missing."
    assert find_unconfirmed(plain, review) == [("acknowledged_warnings", fault)]
    assert find_unconfirmed({**plain, "mode": "draft"}, review) == []
    put(plain, "acknowledged_warnings", ["pd_missing", "decentration"])
    assert find_unconfirmed(plain, review) == []
    put(plain, "acknowledged_warnings", ["pd_missing", "pd_lost"])
    assert find_faults(plain) == {"acknowledged_warnings.1": ["Must be the code of a warning."]}


def test_the_reference_names_every_code_and_every_limit() -> None:
    text = REFERENCE.read_text()
    assert [code for code in CODES if f"`{code}`" not in text] == []
    for name in LIMIT_NAMES:
        assert f"| `{name}` | {getattr(Limits(), name):g} |" in text


def find_frame_warnings(order: Body) -> list[tuple[str, str, dict[str, float]]]:
    """Path, code and figures of the warnings of an order about its frame."""
    found = find_warnings(order, OFFER, parse_tracing(order["frame"]["tracing"]))
    frame = (each for each in found if each.param.startswith("frame"))
    return [(each.param, each.code.value, dict(each.figures)) for each in frame]


def test_a_tracing_agrees_with_its_order_within_a_millimetre(order: Body) -> None:
    order["frame"] |= {"a": 51.0, "b": 33.0, "lens_ed": 49.0, "bridge": 19.0}
    assert find_frame_warnings(order) == []
    order["frame"] |= {"a": 51.1, "b": 32.9, "lens_ed": 48.0, "bridge": 20.0}
    assert find_frame_warnings(order) == [
        (f"frame.{name}", "tracing_conflict", {"value": value, "other": said, "limit": 1.0})
        for name, value, said, sides in (
            ("a", 50.0, 51.1, 2),
            ("b", 34.0, 32.9, 2),
            ("lens_ed", 50.0, 48.0, 2),
            ("bridge", 18.0, 20.0, 1),
        )
        for _ in range(sides)
    ]


def test_the_records_of_a_tracing_agree_with_its_traces(order: Body) -> None:
    text = order["frame"]["tracing"]
    for sent in ("HBOX=52.00;50.00", "CIRC=120;138.43", "FED=40;50"):
        label = sent.partition("=")[0]
        lines = [line for line in text.split("\r\n") if not line.startswith(label)]
        put(order, "frame.tracing", "\r\n".join([sent, *lines]))
        assert find_frame_warnings(order) == [("frame.tracing", "tracing_conflict", {})]


def test_a_pair_that_is_not_mirrored_has_a_code(order: Body) -> None:
    corner = ";".join(str(2000 + 600 * (at in (4, 5, 6))) for at in range(40))
    text = f"DBL=18\nTRCFMT=1;40;E;R;F\nR={corner}\nTRCFMT=1;40;E;L;F\nR={corner}\n"
    put(order, "frame.tracing", text)
    assert ("frame.tracing", "tracing_unmirrored", {}) in find_frame_warnings(order)
