"""Warnings about an order that breaks no rule.

A lab would call back about these; none of them stops an order, unless the lab wants its code
confirmed. Formulas are in `optics`, limits in `limits`.
"""

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from optics.powers import LEFT_EYE, RIGHT_EYE, is_balance, power_of
from orders_svc.rules.offer import Offer
from orders_svc.rules.traces import Tracing
from orders_svc.rules.tracing import parse_tracing
from orders_svc.rules.tracing_data import TracingRefused
from orders_svc.rules.warnings.codes import Code, OrderWarning
from orders_svc.rules.warnings.fit import find_fit_warnings
from orders_svc.rules.warnings.limits import read_limits
from orders_svc.rules.warnings.rx import find_eye_warnings, find_pair_warnings
from orders_svc.rules.warnings.tracing import find_tracing_warnings

Warnings = Iterator[OrderWarning]
EYES = (RIGHT_EYE, LEFT_EYE)  # in the order in which opticians read them


class Review(NamedTuple):
    """What the check of a valid order returns."""

    warnings: list[dict[str, Any]]
    """Each with `param`, `message`, `code`, and `figures` and `confirm` where it has them."""
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
    confirm = frozenset(offer.settings.get("confirm", ()))
    warnings = [each.to_document(confirm) for each in find_warnings(order, offer, tracing)]
    return Review(warnings, tracing.measure() if tracing is not None else {})


def find_unconfirmed(order: Mapping[str, Any], review: Review) -> list[tuple[str, str]]:
    """Return a fault for each warning that a lab wants confirmed and a submit does not name."""
    if order["mode"] != "submit":
        return []
    named = order.get("acknowledged_warnings", ())
    return [
        ("acknowledged_warnings", f"Must name {each['code']}: {each['param']}: {each['message']}")
        for each in review.warnings
        if each.get("confirm") and each["code"] not in named
    ]


def find_warnings(
    order: Mapping[str, Any], offer: Offer, tracing: Tracing | None = None
) -> Warnings:
    """Yield the warnings for a valid order that its lab offers."""
    rx: Mapping[str, Any] = order.get("rx", {})
    limits = read_limits(offer.settings)
    frame, lens = order["frame"], order.get("lens", {})
    lens_type = offer.styles.get(lens.get("style", ""))
    eyes = {name: rx[name] for name in EYES if name in rx}
    lenses = {name: eye for name, eye in eyes.items() if not is_balance(eye)}
    for name, eye in lenses.items():
        yield from find_eye_warnings(name, eye, lens_type, limits)
    if eyes:
        powers = {name: power_of(eye) for name, eye in lenses.items()}
        yield from find_pair_warnings(eyes, lenses, powers, lens_type, limits)
        yield from find_fit_warnings(order, offer, tracing, lenses, powers, limits)
    yield from _find_coat_warnings(lens.get("coats", ()), offer.coats)
    if tracing is not None:
        yield from find_tracing_warnings(tracing, frame, rx, limits)


def _find_coat_warnings(coats: list[str], types: Mapping[str, str | None]) -> Warnings:
    types_before: set[str] = set()
    for index, coat in enumerate(coats):
        type_ = types[coat]
        if type_ in types_before:
            text = f"Is the second coat of type {type_}."
            yield OrderWarning(f"lens.coats.{index}", Code.COAT_TYPE_TWICE, text)
        elif type_:
            types_before.add(type_)
