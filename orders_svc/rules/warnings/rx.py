"""Warnings about the prescription of an order."""

from collections.abc import Iterator, Mapping
from math import hypot
from typing import Any

from optics.lenses import (
    find_largest_difference,
    find_reading_imbalance,
    has_opposite_signs,
    shift_vertex,
)
from optics.powers import (
    LEFT_EYE,
    RIGHT_EYE,
    Power,
    has_prism,
    is_on_step,
    split_prism,
    to_eighth,
)
from orders_svc.rules.warnings.codes import Code, OrderWarning
from orders_svc.rules.warnings.limits import Limits

Warnings = Iterator[OrderWarning]
Eyes = Mapping[str, Mapping[str, Any]]
Powers = Mapping[str, Power]  # by the eye's name
SINGLE_VISION, MULTIFOCAL = "single_vision", "multifocal"
VERTEX_STEP_MM = 2.0  # a difference of vertex distance from which opticians compensate
_PAIR = {RIGHT_EYE, LEFT_EYE}
_POWERS = ("cylinder", "add", "horizontal_prism", "vertical_prism")


def find_eye_warnings(
    name: str, eye: Mapping[str, Any], lens_type: str | None, limits: Limits
) -> Warnings:
    """Yield the warnings about one eye that gets no balance lens."""
    path = f"rx.{name}"
    yield from _find_power_warnings(path, eye, limits)
    yield from _find_pd_warnings(path, eye, limits)
    if has_prism(eye):
        yield from _find_prism_warnings(path, eye, limits)
    yield from _find_type_warnings(path, eye, lens_type)


def _find_power_warnings(path: str, eye: Mapping[str, Any], limits: Limits) -> Warnings:
    for name in ("sphere", "cylinder", "add"):
        if not is_on_step(eye.get(name, 0)):
            text = "Is not a multiple of 0.125 D."
            yield OrderWarning(f"{path}.{name}", Code.POWER_OFF_STEP, text, {"limit": 0.125})
    for name, code in (("sphere", Code.SPHERE_UNUSUAL), ("cylinder", Code.CYLINDER_UNUSUAL)):
        limit = getattr(limits, name)
        if abs(to_eighth(eye.get(name, 0))) > limit:
            text = f"Is unusual: over {limit:g} D."
            yield OrderWarning(f"{path}.{name}", code, text, {"limit": limit})


def _find_pd_warnings(path: str, eye: Mapping[str, Any], limits: Limits) -> Warnings:
    if "pd" not in eye:
        yield OrderWarning(f"{path}.pd", Code.PD_MISSING, "The PD of this eye is missing.")
        return
    if eye["pd"] >= limits.binocular_pd:
        text = f"Looks like the PD of both eyes: {limits.binocular_pd:g} mm or more."
        figures = {"limit": limits.binocular_pd}
        yield OrderWarning(f"{path}.pd", Code.PD_BINOCULAR, text, figures)
    if eye.get("near_pd", 0) > eye["pd"]:
        text = "Is above the distance PD."
        yield OrderWarning(f"{path}.near_pd", Code.NEAR_PD_ABOVE_PD, text)


def _find_prism_warnings(path: str, eye: Mapping[str, Any], limits: Limits) -> Warnings:
    right, up = split_prism(eye, RIGHT_EYE)
    if round(hypot(right, up), 6) > limits.prism:
        name = "horizontal_prism" if abs(right) >= abs(up) else "vertical_prism"
        text = f"The prism of this eye is unusual: over {limits.prism:g} prism dioptres."
        yield OrderWarning(f"{path}.{name}", Code.PRISM_UNUSUAL, text, {"limit": limits.prism})


def _find_type_warnings(path: str, eye: Mapping[str, Any], lens_type: str | None) -> Warnings:
    add, seg_height = f"{path}.add", f"{path}.seg_height"
    if lens_type == SINGLE_VISION:
        if "add" in eye:
            text = "The style is single vision and has no add."
            yield OrderWarning(add, Code.ADD_ON_SINGLE_VISION, text)
        if "seg_height" in eye:
            text = "The style is single vision and has no segment."
            yield OrderWarning(seg_height, Code.SEG_HEIGHT_ON_SINGLE_VISION, text)
    elif lens_type == MULTIFOCAL and "add" not in eye:  # and so no segment height
        text = "The style is multifocal, and this eye has no add."
        yield OrderWarning(add, Code.ADD_MISSING, text)


def find_pair_warnings(
    eyes: Eyes, lenses: Eyes, powers: Powers, lens_type: str | None, limits: Limits
) -> Warnings:
    """Yield the warnings about the eyes together.

    `lenses` are those without a balance lens, and `powers` theirs.
    """
    for name in sorted(_PAIR - eyes.keys()):
        text = "This eye is left out; say balance, if it gets a balance lens."
        yield OrderWarning(f"rx.{name}", Code.EYE_MISSING, text)
    if len(lenses) < len(_PAIR):
        return
    right, left = lenses[RIGHT_EYE], lenses[LEFT_EYE]
    if right.get("cylinder", 0) * left.get("cylinder", 0) < 0:
        text = "Has the opposite sign of the right eye's."
        yield OrderWarning("rx.left_eye.cylinder", Code.CYLINDER_SIGNS, text)
    if "add" in right and "add" in left and to_eighth(right["add"]) != to_eighth(left["add"]):
        text = "Differs from that of the right eye."
        yield OrderWarning("rx.left_eye.add", Code.ADDS_DIFFER, text)
    yield from _find_plano_warnings(lenses)
    yield from _find_difference_warnings(powers[RIGHT_EYE], powers[LEFT_EYE], lens_type, limits)
    yield from _find_pd_pair_warnings(right.get("pd"), left.get("pd"), limits)
    if has_prism(right) or has_prism(left):
        yield from _find_prism_pair_warnings(right, left, limits)


def _find_plano_warnings(lenses: Eyes) -> Warnings:
    """Yield a warning for a lens without any power, beside one that has some."""
    planos = [
        name
        for name, eye in lenses.items()
        if not eye["sphere"] and not any(eye.get(each) for each in _POWERS)
    ]
    if len(planos) == 1:
        text = "Is 0 without anything else: plano, or a power that is missing?"
        yield OrderWarning(f"rx.{planos[0]}.sphere", Code.PLANO, text)


def _find_difference_warnings(
    right: Power, left: Power, lens_type: str | None, limits: Limits
) -> Warnings:
    difference = find_largest_difference(right, left)
    if difference > limits.anisometropia:
        text = f"The eyes differ by {difference:g} D, over {limits.anisometropia:g} D."
        figures = {"value": difference, "limit": limits.anisometropia}
        yield OrderWarning("rx", Code.ANISOMETROPIA, text, figures)
    if has_opposite_signs(right, left, limits.antimetropia):
        text = f"One eye is plus and the other minus, both over {limits.antimetropia:g} D."
        yield OrderWarning("rx", Code.ANTIMETROPIA, text, {"limit": limits.antimetropia})
    if lens_type != MULTIFOCAL:
        return
    imbalance = find_reading_imbalance(right, left, limits.reading_drop)
    if imbalance > limits.vertical_imbalance:
        text = (
            f"Reading {limits.reading_drop:g} mm under the centres, the eyes differ by "
            f"{imbalance:g} prism dioptres, over {limits.vertical_imbalance:g}."
        )
        figures = {"value": imbalance, "limit": limits.vertical_imbalance}
        yield OrderWarning("rx", Code.VERTICAL_IMBALANCE, text, figures)


def _find_pd_pair_warnings(right: float | None, left: float | None, limits: Limits) -> Warnings:
    if right is None or left is None:
        return
    difference, total = round(abs(right - left), 2), round(right + left, 2)
    if difference > limits.pd_difference:
        text = f"Differs from the right eye's by {difference:g} mm, over {limits.pd_difference:g}."
        figures = {"value": difference, "limit": limits.pd_difference}
        yield OrderWarning("rx.left_eye.pd", Code.PD_ASYMMETRY, text, figures)
    least, most = limits.least_pd_total, limits.most_pd_total
    if not least <= total <= most:
        text = f"The PDs together are {total:g} mm, not {least:g} to {most:g}."
        figures = {"value": total, "limit": least if total < least else most}
        yield OrderWarning("rx.left_eye.pd", Code.PD_TOTAL, text, figures)


def _find_prism_pair_warnings(
    right: Mapping[str, Any], left: Mapping[str, Any], limits: Limits
) -> Warnings:
    (right_x, right_up), (left_x, left_up) = (
        split_prism(right, RIGHT_EYE),
        split_prism(left, LEFT_EYE),
    )
    for name, one, other in (("horizontal", right_x, left_x), ("vertical", right_up, left_up)):
        if one * other > 0:
            text = "The bases of both eyes are on the same side."
            yield OrderWarning(f"rx.left_eye.{name}_prism", Code.PRISM_YOKED, text)
    difference = round(abs(right_up - left_up), 2)
    if difference > limits.vertical_prism:
        text = (
            f"The vertical prisms of the eyes differ by {difference:g} prism dioptres, "
            f"over {limits.vertical_prism:g}."
        )
        path = "rx.left_eye.vertical_prism" if left_up else "rx.right_eye.vertical_prism"
        figures = {"value": difference, "limit": limits.vertical_prism}
        yield OrderWarning(path, Code.PRISM_VERTICAL, text, figures)


def find_vertex_warnings(frame: Mapping[str, Any], powers: Powers, limits: Limits) -> Warnings:
    """Yield a warning for strong lenses without a vertex distance."""
    if "vertex" in frame:
        return
    strongest = max((power.strongest for power in powers.values()), default=0.0)
    if strongest > limits.vertex_power:
        # Of a minus lens, which loses less: the effect is at least this.
        effect = round(abs(shift_vertex(-strongest, VERTEX_STEP_MM) + strongest), 2)
        text = (
            f"Is missing, with a power over {limits.vertex_power:g} D: "
            f"{VERTEX_STEP_MM:g} mm change it by {effect:g} D."
        )
        figures = {"value": effect, "limit": limits.vertex_power}
        yield OrderWarning("frame.vertex", Code.VERTEX_MISSING, text, figures)
