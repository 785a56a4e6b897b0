"""The drawing of the lenses: to scale, readable without eyes, harmless."""

import re
from typing import Any
from xml.etree import ElementTree

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orders_svc.documents.outline import TEXT_MM, draw_outline
from orders_svc.rules.traces import Trace, Tracing
from orders_svc.rules.tracing import parse_tracing
from tests.orders_svc.traced import BOTH, ONE, ellipse

SVG = "{http://www.w3.org/2000/svg}"
FRAME: dict[str, Any] = {"eye_size": 50.0, "bridge": 18.0, "a": 50.0, "b": 34.0, "lens_ed": 51.0}
EYE = {"sphere": 0.0, "pd": 31.5}
ATTRIBUTES = frozenset(
    """id x y x1 y1 x2 y2 cx cy r d width height viewBox transform role aria-labelledby fill stroke
    color stroke-width stroke-dasharray stroke-opacity stroke-linejoin fill-opacity text-anchor
    font-family font-size font-weight""".split()  # noqa: SIM905 - as one reads it
)


def parts(svg: str, name: str) -> list[dict[str, str]]:
    """The attributes of each element of a name, in order."""
    return [each.attrib for each in ElementTree.fromstring(svg).iter(f"{SVG}{name}")]


def labels(svg: str) -> list[str]:
    """Every text in the drawing."""
    return [each.text or "" for each in ElementTree.fromstring(svg).iter(f"{SVG}text")]


def boxes(svg: str) -> list[tuple[float, ...]]:
    """Left, top, width and height of each box, mm."""
    names = ("x", "y", "width", "height")
    return [tuple(float(each[name]) for name in names) for each in parts(svg, "rect")]


def pupils(svg: str) -> list[tuple[float, float]]:
    """Where the pupils are, mm."""
    small = [each for each in parts(svg, "circle") if each["r"] == "1.2"]
    return [(float(each["cx"]), float(each["cy"])) for each in small]


def test_it_works() -> None:
    rx = {
        "right_eye": {**EYE, "seg_height": 18.0, "add": 2.0},
        "left_eye": {**EYE, "pd": 31.0, "oc_height": 20.0, "seg_height": 15.0, "add": 2.0},
    }
    svg = draw_outline(FRAME, rx, parse_tracing(BOTH))
    assert boxes(svg) == [(-59, -17, 50, 34), (9, -17, 50, 34)]
    assert pupils(svg) == [(-31.5, -1), (31, -3)]
    assert len(parts(svg, "path")) == 2
    of_right = ["OD right", "A 50.0", "B 34.0", "ED 50.0", "PD 31.5", "seg 18.0"]
    of_left = ["OS left", "A 50.0", "B 34.0", "ED 50.0", "PD 31.0", "OC 20.0", "seg 15.0"]
    assert sorted(labels(svg)) == sorted([*of_right, *of_left, "DBL 18.0"])


@pytest.mark.parametrize(("oc", "seg"), [(21.0, 19.0), (18.0, 18.0), (18.0, 20.0)])
def test_labels_of_near_heights_do_not_cover_each_other(oc: float, seg: float) -> None:
    svg = draw_outline(
        FRAME, {"right_eye": {**EYE, "oc_height": oc, "seg_height": seg, "add": 2.0}}
    )
    at = dict(zip(labels(svg), (float(each["y"]) for each in parts(svg, "text")), strict=True))
    assert abs(at[f"OC {oc}"] - at[f"seg {seg}"]) >= TEXT_MM


def test_a_unit_is_a_millimetre() -> None:
    svg = draw_outline(FRAME)
    (root,) = parts(svg, "svg")
    left, top, width, height = map(float, root["viewBox"].split())
    assert (root["width"], root["height"]) == (f"{width:g}mm", f"{height:g}mm")
    assert left == -width / 2
    assert left < -59 - 1
    assert top < -25.5
    assert top + height > 25.5


def test_an_outline_is_drawn_where_it_was_traced() -> None:
    svg = draw_outline(FRAME, None, parse_tracing(BOTH))
    first = [path["d"].split("L")[0] for path in parts(svg, "path")]
    assert first == ["M-9 0", "M59 0"]
    turned = parse_tracing(ONE.replace("TRCFMT=1;8;U;R", "TRCFMT=1;8;U;L"))
    (path,) = parts(draw_outline(FRAME, None, turned), "path")
    assert path["d"].startswith("M59 0L")
    assert path["d"].endswith("Z")


def test_what_nobody_traced_is_the_box_of_the_frame() -> None:
    svg = draw_outline({**FRAME, "a": 52.0}, None, parse_tracing(ONE))
    assert boxes(svg) == [(-59, -17, 50, 34), (9, -17, 52, 34)]
    assert len(parts(svg, "path")) == 1


def test_a_height_that_nobody_gave_is_no_measure() -> None:
    svg = draw_outline({"eye_size": 50.0, "bridge": 18.0})
    assert [each["stroke-dasharray"] for each in parts(svg, "rect")] == ["2 1", "2 1"]
    assert sorted(labels(svg)) == ["A 50.0", "A 50.0", "DBL 18.0", "OD right", "OS left"]


def test_a_measure_in_hundredths_keeps_them() -> None:
    svg = draw_outline({"eye_size": 52.25, "bridge": 18.0})
    assert sorted(labels(svg))[:3] == ["A 52.25", "A 52.25", "DBL 18.0"]


def test_an_eye_without_pd_has_no_pupil_and_without_height_is_on_the_datum_line() -> None:
    assert pupils(draw_outline(FRAME, {"right_eye": {"sphere": 1.0}, "left_eye": EYE})) == [
        (31.5, 0)
    ]


def test_a_dense_trace_is_drawn_with_fewer_points() -> None:
    dense = Tracing({"R": Trace("R", ellipse(50, 34, 6000))})
    (path,) = parts(draw_outline(FRAME, None, dense), "path")
    assert path["d"].count("L") == 399


def test_who_does_not_see_it_is_told() -> None:
    rx = {"right_eye": {**EYE, "seg_height": 18.5, "add": 2.0}}
    root = ElementTree.fromstring(draw_outline(FRAME, rx, parse_tracing(ONE)))
    assert root.get("role") == "img"
    said = {each.get("id"): each.text for each in (root[0], root[1])}
    assert str(root.get("aria-labelledby")).split() == list(said)
    assert list(said.values()) == [
        "Lens outlines, seen from the front",
        "Distance between the lenses 18.0 mm. Right lens: A 50.0 mm, B 34.0 mm, ED 50.0 mm, "
        "traced, PD 31.5 mm, seg height 18.5 mm. "
        "Left lens: A 50.0 mm, B 34.0 mm, ED 51.0 mm, not traced.",
    ]


LENGTHS = st.floats(10, 100)
PDS = st.fixed_dictionaries(
    {"sphere": st.just(0.0)},
    optional={"pd": st.floats(20, 50), "oc_height": st.floats(0.5, 50)},
)


@given(
    st.fixed_dictionaries(
        {"eye_size": LENGTHS, "bridge": LENGTHS},
        optional={"a": LENGTHS, "b": LENGTHS, "lens_ed": LENGTHS},
    ),
    st.fixed_dictionaries({}, optional={"left_eye": PDS, "right_eye": PDS}),
)
def test_all_of_it_is_inside_and_nothing_in_it_acts(
    frame: dict[str, float], rx: dict[str, dict[str, float]]
) -> None:
    svg = draw_outline(frame, rx)
    root = ElementTree.fromstring(svg)
    left, top, width, height = map(float, root.attrib["viewBox"].split())
    for x, y, a, b in boxes(svg):
        assert left < x < x + a < left + width
        assert top < y < y + b < top + height
    for x, y in pupils(svg):
        assert left < x < left + width
        assert top < y < top + height
    for each in root.iter():
        assert set(each.attrib) <= ATTRIBUTES
        tag = each.tag.removeprefix(SVG)
        assert tag in {"svg", "title", "desc", "rect", "circle", "line", "path", "text", "g"}
    assert not re.search(r"style|script|href|\bon\w+=|nan|inf", svg)
