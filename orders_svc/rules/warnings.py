"""What is odd in an order that breaks no rule: pure, without a store.

A lab calls back about these; none of them stops an order.
"""

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from orders_svc.rules.order import Offer
from orders_svc.rules.tracing import Refused, Tracing, disagreements, parse

Warnings = Iterator[tuple[str, str]]
EYES = ("right_eye", "left_eye")  # as opticians read them
STEP = 0.125  # dioptres; lenses are not made finer


class Review(NamedTuple):
    """What the check of an order has found beside faults."""

    warnings: list[dict[str, str]]
    """Each with `param` and `message`."""
    traced: dict[str, dict[str, float]]
    """What was measured on frame.tracing, by eye, in mm."""


def read_tracing(order: Mapping[str, Any]) -> tuple[Tracing | None, list[tuple[str, str]]]:
    """The tracing of an order or of the valid part of one, or the path and text of its fault."""
    text = order.get("frame", {}).get("tracing")
    if text is None:
        return None, []
    try:
        return parse(text), []
    except Refused as refused:
        return None, [("frame.tracing", str(refused))]


def review(order: Mapping[str, Any], offer: Offer, tracing: Tracing | None) -> Review:
    """What is kept of a check, for a valid order that its lab offers."""
    found = order_warnings(order, offer, tracing)
    warnings = [{"param": path, "message": text} for path, text in found]
    return Review(warnings, tracing.measures() if tracing is not None else {})


def order_warnings(
    order: Mapping[str, Any], offer: Offer, tracing: Tracing | None = None
) -> Warnings:
    """Path and text of each, for a valid order that its lab offers."""
    rx: Mapping[str, Any] = order.get("rx", {})
    eyes = {f"rx.{name}": rx[name] for name in EYES if name in rx}
    height = order["frame"].get("b")
    lens = order.get("lens", {})
    lens_type = offer.styles.get(lens.get("style", ""))
    for path, eye in eyes.items():
        yield from _eye_warnings(path, eye, height, lens_type)
    if len(eyes) == 2:
        yield from _pair_warnings(*eyes.values())
    yield from _coat_warnings(lens.get("coats", ()), offer.coats)
    if tracing is not None:
        yield from _tracing_warnings(tracing, order["frame"], rx)


def _eye_warnings(
    path: str, eye: Mapping[str, Any], height: float | None, lens_type: str | None
) -> Warnings:
    for name in ("sphere", "cylinder", "add"):
        if eye.get(name, 0) % STEP:
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


def _pair_warnings(right: Mapping[str, Any], left: Mapping[str, Any]) -> Warnings:
    if right.get("cylinder", 0) * left.get("cylinder", 0) < 0:
        yield "rx.left_eye.cylinder", "Has another sign than that of the right eye."
    if "add" in right and "add" in left and right["add"] != left["add"]:
        yield "rx.left_eye.add", "Is not that of the right eye."


def _coat_warnings(coats: list[str], types: Mapping[str, str | None]) -> Warnings:
    seen: set[str] = set()
    for index, coat in enumerate(coats):
        type_ = types[coat]
        if type_ in seen:
            yield f"lens.coats.{index}", f"Is the second coat of type {type_}."
        elif type_:
            seen.add(type_)


def _tracing_warnings(
    tracing: Tracing, frame: Mapping[str, Any], rx: Mapping[str, Any]
) -> Warnings:
    for remark in tracing.remarks:
        yield "frame.tracing", str(remark)
    yield from disagreements(tracing, frame, rx)
