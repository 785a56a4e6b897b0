"""What is odd in an order that breaks no rule."""

from dataclasses import replace
from typing import Any

import pytest

from orders_svc.rules.offer import Offer
from orders_svc.rules.tracing import parse_tracing
from orders_svc.rules.warnings.review import find_warnings, review_order
from tests.orders_svc.bodies import OFFER, Body, find_faults, put

STEP = "Is not a multiple of 0.125 D."
ABOVE_B = "Is above the height of the frame, b."
WITHOUT = "The style is multifocal, and this eye has no add."
SINGLE = replace(OFFER, styles={"style_789": "single_vision"})


def warn(order: Body, offer: Offer = OFFER) -> list[tuple[str, str]]:
    """Path and text of the warnings of an order that breaks no rule, with its tracing."""
    assert find_faults(order) == {}
    text = order["frame"].get("tracing")
    found = find_warnings(order, offer, parse_tracing(text) if text else None)
    return [(each.param, each.message) for each in found]


def test_it_works(order: Body) -> None:
    assert warn(order) == []
    put(order, "rx.right_eye.near_pd", order["rx"]["right_eye"]["pd"])
    assert warn(order) == []
    put(order, "rx.right_eye.near_pd", 32)
    assert warn(order) == [("rx.right_eye.near_pd", "Is above the distance PD.")]


def test_an_order_without_lenses_has_none(frame_order: Body) -> None:
    assert warn(frame_order) == []


@pytest.mark.parametrize("name", ["sphere", "cylinder", "add"])
@pytest.mark.parametrize(
    ("power", "odd"), [(2.125, False), (2.0, False), (2.11, True), (2.1, True), (2.0625, True)]
)
def test_powers_have_a_step(order: Body, name: str, power: float, odd: bool) -> None:
    for eye in ("left_eye", "right_eye"):
        put(order, f"rx.{eye}.add", power if name == "add" else 2.0)
    put(order, "rx.left_eye.axis", 10)
    put(order, "rx.left_eye.cylinder", -1)
    put(order, f"rx.left_eye.{name}", power if name == "add" else -power)
    found = [each for each in warn(order) if each[0].startswith("rx.left_eye")]
    assert found == ([(f"rx.left_eye.{name}", STEP)] if odd else [])


@pytest.mark.parametrize(
    ("left", "right", "odd"),
    [(1, -1, True), (-1, 1, True), (-1, -2, False), (0, -1, False), (1, 0, False)],
)
def test_cylinders_have_one_sign(order: Body, left: float, right: float, odd: bool) -> None:
    for eye, power in (("left_eye", left), ("right_eye", right)):
        put(order, f"rx.{eye}.cylinder", power)
        put(order, f"rx.{eye}.axis", 10)
    message = "Has the opposite sign of the right eye's."
    found = [each for each in warn(order) if each[0] == "rx.left_eye.cylinder"]
    assert found == ([("rx.left_eye.cylinder", message)] if odd else [])


def test_adds_are_equal(order: Body) -> None:
    put(order, "rx.left_eye.add", 2.25)
    assert warn(order) == [("rx.left_eye.add", "Differs from that of the right eye.")]


def test_heights_are_within_the_frame(order: Body) -> None:
    put(order, "frame.tracing")
    put(order, "rx.left_eye.seg_height", 34)
    assert warn(order) == []
    put(order, "rx.left_eye.seg_height", 34.1)
    put(order, "rx.right_eye.oc_height", 50)
    odd = [("rx.right_eye.oc_height", ABOVE_B), ("rx.left_eye.seg_height", ABOVE_B)]
    assert warn(order) == odd
    put(order, "frame.b")
    assert warn(order) == []


def test_a_style_and_its_adds_agree(order: Body) -> None:
    single = "The style is single vision and has no add."
    eyes = ["rx.right_eye", "rx.left_eye"]
    assert warn(order, SINGLE) == [
        (f"{eye}.{name}", message)
        for eye in eyes
        for name, message in (
            ("add", single),
            ("seg_height", "The style is single vision and has no segment."),
        )
    ]
    for name in ("add", "seg_height"):
        put(order, f"rx.left_eye.{name}")
    assert warn(order) == [("rx.left_eye.add", WITHOUT)]
    for name in ("add", "seg_height"):
        put(order, f"rx.right_eye.{name}")
    assert warn(order) == [(f"{eye}.add", WITHOUT) for eye in eyes]
    assert warn(order, SINGLE) == []


def test_a_draft_without_a_lens_is_not_judged_by_a_style(order: Body) -> None:
    put(order, "lens")
    assert warn({**order, "mode": "draft"}, Offer(OFFER.settings)) == []


def test_coats_are_of_different_types(order: Body) -> None:
    put(order, "lens.coats", ["coat_123", "coat_456", "coat_789"])
    assert warn(order) == [("lens.coats.2", "Is the second coat of type ar.")]
    untyped = replace(OFFER, coats=dict.fromkeys(OFFER.coats))
    assert warn(order, untyped) == []


@pytest.mark.parametrize(
    ("path", "value", "odd"),
    [
        ("frame.a", 51.0, False),
        ("frame.a", 51.1, True),
        ("frame.b", 32.9, True),
        ("frame.lens_ed", 48.5, True),
        ("frame.bridge", 19.5, True),
    ],
)
def test_a_tracing_agrees_with_the_frame(order: Body, path: str, value: float, odd: bool) -> None:
    put(order, path, value)
    assert {each for each, _ in warn(order)} == ({path} if odd else set())


def test_a_tracing_has_each_eye_of_the_rx(order: Body) -> None:
    right, _, _ = order["frame"]["tracing"].partition("TRCFMT=1;400;E;L;F")
    put(order, "frame.tracing", right)
    assert warn(order) == [
        ("frame.tracing", "There is no trace of the left side."),
        ("rx.left_eye", "The tracing lacks this eye."),
    ]
    put(order, "rx.left_eye")
    assert [path for path, _ in warn(order)] == ["rx.left_eye", "frame.tracing"]
    put(order, "rx.left_eye", {"balance": True})
    assert [path for path, _ in warn(order)] == ["frame.tracing"]


def test_what_is_odd_in_a_tracing_names_its_line(order: Body) -> None:
    put(order, "frame.tracing", order["frame"]["tracing"].replace("HBOX=50.00", "HBOX=52.00"))
    ((path, message),) = warn(order)
    assert (path, message[:8]) == ("frame.tracing", "Line 5: ")


def test_a_review_is_what_is_kept(order: Body) -> None:
    put(order, "rx.right_eye.near_pd", order["rx"]["right_eye"]["pd"])
    assert warn(order) == []
    put(order, "rx.right_eye.near_pd", 32)
    measured = {"a": 50.0, "b": 34.0, "lens_ed": 50.0, "circumference": 138.43}
    found = review_order(order, OFFER, parse_tracing(order["frame"]["tracing"]))
    assert found.warnings == [
        {
            "param": "rx.right_eye.near_pd",
            "message": "Is above the distance PD.",
            "code": "near_pd_above_pd",
        }
    ]
    assert found.traced == {"right_eye": measured, "left_eye": measured}


def test_a_warning_repeats_nothing_of_the_patient(order: Body) -> None:
    order["patient"] = {"first_name": "Private", "last_name": "Person"}
    put(order, "rx.left_eye.sphere", -7.77)
    put(order, "rx.left_eye.near_pd", 49.99)
    said: Any = str(warn(order, SINGLE))
    assert "7.77" not in said
    assert "49.99" not in said
    assert "Private" not in said
