"""Warnings about an order that breaks no rule.

A lab would call back about these; none of them stops an order.
"""

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from optics.powers import LEFT_EYE, RIGHT_EYE
from orders_svc.rules.offer import Offer
from orders_svc.rules.traces import Tracing, find_disagreements
from orders_svc.rules.tracing import parse_tracing
from orders_svc.rules.tracing_data import TracingRefused

Warnings = Iterator[tuple[str, str]]
EYES = (RIGHT_EYE, LEFT_EYE)  # in the order in which opticians read them
POWER_STEP = 0.125  # dioptres; lenses are not made in finer steps


class Review(NamedTuple):
    """What the check of a valid order returns."""

    warnings: list[dict[str, str]]
    """Each with `param` and `message`."""
    traced: dict[str, dict[str, float]]
    """Measurements of frame.tracing in mm, by eye."""


def read_tracing(order: Mapping[str, Any]) -> tuple[Tracing | None, list[tuple[str, str]]]:
    """Return the tracing of an order, or the path and text of its fault.

    The order may be the valid part of one.
    """
    frame = order.get("frame", {})
    if frame.get("tracing") is None:
        return None, []
    try:
        return parse_tracing(frame["tracing"], mirror=frame.get("mirror_tracing", False)), []
    except TracingRefused as refused:
        return None, [("frame.tracing", str(refused))]


def review_order(order: Mapping[str, Any], offer: Offer, tracing: Tracing | None) -> Review:
    """Return warnings and measurements for a valid order that its lab offers."""
    found = find_warnings(order, offer, tracing)
    warnings = [{"param": path, "message": text} for path, text in found]
    return Review(warnings, tracing.measure() if tracing is not None else {})


def find_warnings(
    order: Mapping[str, Any], offer: Offer, tracing: Tracing | None = None
) -> Warnings:
    """Yield path and text of each warning for a valid order that its lab offers."""
    rx: Mapping[str, Any] = order.get("rx", {})
    eyes = {f"rx.{name}": rx[name] for name in EYES if name in rx}
    height = order["frame"].get("b")
    lens = order.get("lens", {})
    lens_type = offer.styles.get(lens.get("style", ""))
    for path, eye in eyes.items():
        yield from _find_eye_warnings(path, eye, height, lens_type)
    if len(eyes) == 2:
        yield from _find_pair_warnings(*eyes.values())
    yield from _find_coat_warnings(lens.get("coats", ()), offer.coats)
    if tracing is not None:
        yield from _find_tracing_warnings(tracing, order["frame"], rx)


def _find_eye_warnings(
    path: str, eye: Mapping[str, Any], height: float | None, lens_type: str | None
) -> Warnings:
    for name in ("sphere", "cylinder", "add"):
        if eye.get(name, 0) % POWER_STEP:
            yield f"{path}.{name}", "Is not a multiple of 0.125 D."
    if "pd" in eye and eye.get("near_pd", 0) > eye["pd"]:
        yield f"{path}.near_pd", "Is above the distance PD."
    if height is not None:
        for name in ("seg_height", "oc_height"):
            if eye.get(name, 0) > height:
                yield f"{path}.{name}", "Is above the height of the frame, b."
    if lens_type == "single_vision" and "add" in eye:
        yield f"{path}.add", "The style is single vision and has no add."
    if lens_type == "multifocal" and "add" not in eye:
        yield f"{path}.add", "The style is multifocal, and this eye has no add."


def _find_pair_warnings(right: Mapping[str, Any], left: Mapping[str, Any]) -> Warnings:
    if right.get("cylinder", 0) * left.get("cylinder", 0) < 0:
        yield "rx.left_eye.cylinder", "Has the opposite sign of the right eye's."
    if "add" in right and "add" in left and right["add"] != left["add"]:
        yield "rx.left_eye.add", "Differs from that of the right eye."


def _find_coat_warnings(coats: list[str], types: Mapping[str, str | None]) -> Warnings:
    types_before: set[str] = set()
    for index, coat in enumerate(coats):
        type_ = types[coat]
        if type_ in types_before:
            yield f"lens.coats.{index}", f"Is the second coat of type {type_}."
        elif type_:
            types_before.add(type_)


def _find_tracing_warnings(
    tracing: Tracing, frame: Mapping[str, Any], rx: Mapping[str, Any]
) -> Warnings:
    for remark in tracing.remarks:
        yield "frame.tracing", str(remark)
    yield from find_disagreements(tracing, frame, rx)
