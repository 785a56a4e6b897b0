"""Warnings about how the lenses of an order fit its frame, and the blanks of its style."""

from collections.abc import Iterator, Mapping
from typing import Any

from optics.lenses import estimate_least_blank, find_decentration, find_least_blank
from optics.powers import LEFT_EYE, RIGHT_EYE
from orders_svc.rules.offer import Offer
from orders_svc.rules.traces import LEFT, RIGHT, Trace, Tracing
from orders_svc.rules.warnings.codes import Code, OrderWarning
from orders_svc.rules.warnings.limits import Limits
from orders_svc.rules.warnings.rx import Powers, find_vertex_warnings

Warnings = Iterator[OrderWarning]
Eyes = Mapping[str, Mapping[str, Any]]
_SIDES = {RIGHT_EYE: RIGHT, LEFT_EYE: LEFT}


def find_fit_warnings(
    order: Mapping[str, Any],
    offer: Offer,
    tracing: Tracing | None,
    lenses: Eyes,
    powers: Powers,
    limits: Limits,
) -> Warnings:
    """Yield the warnings about lenses in their frame; `lenses` has no balance lens."""
    frame = order["frame"]
    traces = tracing.traces if tracing is not None else {}
    yield from _find_height_warnings(order["rx"], frame.get("b"), offer.least_fitting_height)
    yield from find_vertex_warnings(frame, powers, limits)
    bridge = (tracing.dbl if tracing is not None else None) or frame["bridge"]
    width = next((each.a for each in traces.values()), frame.get("a") or frame["eye_size"])
    yield from _find_frame_pd_warnings(width + bridge, lenses, limits)
    for name, eye in lenses.items():
        if "pd" not in eye:
            continue
        trace = traces.get(_SIDES[name])
        decentration = find_decentration(trace.a if trace else width, bridge, eye["pd"])
        if abs(decentration) > limits.decentration:
            where = "inward" if decentration > 0 else "outward"
            text = (
                f"Puts the lens {abs(decentration):g} mm {where} from the centre of the box, "
                f"over {limits.decentration:g} mm."
            )
            figures = {"value": decentration, "limit": limits.decentration}
            yield OrderWarning(f"rx.{name}.pd", Code.DECENTRATION, text, figures)
        if offer.largest_blank is not None:
            least = _find_least_blank(name, eye, frame, trace, decentration, limits)
            yield from _find_blank_warnings(name, least, offer.largest_blank)


def _find_height_warnings(rx: Eyes, b: float | None, least: float | None) -> Warnings:
    for eye_name in _SIDES:
        eye = rx.get(eye_name, {})
        for name in ("seg_height", "oc_height"):
            if b is not None and eye.get(name, 0) > b:
                text = "Is above the height of the frame, b."
                path = f"rx.{eye_name}.{name}"
                yield OrderWarning(path, Code.HEIGHT_ABOVE_FRAME, text, {"limit": b})
        if least is not None and "seg_height" in eye and eye["seg_height"] < least:
            text = f"Is below the least fitting height of the style, {least:g} mm."
            path = f"rx.{eye_name}.seg_height"
            yield OrderWarning(path, Code.SEG_HEIGHT_BELOW_STYLE, text, {"limit": least})


def _find_frame_pd_warnings(frame_pd: float, lenses: Eyes, limits: Limits) -> Warnings:
    distances = [eye["pd"] for eye in lenses.values() if "pd" in eye]
    if len(distances) < len(_SIDES):
        return
    pd, frame_pd = round(sum(distances), 2), round(frame_pd, 2)
    excess = round(frame_pd - pd, 2)
    figures = {"value": frame_pd, "other": pd}
    if excess < 0:
        text = f"The frame PD, {frame_pd:g} mm, is below the PD of the eyes, {pd:g} mm."
        yield OrderWarning("frame.bridge", Code.FRAME_PD_BELOW_PD, text, figures)
    elif excess > limits.frame_pd_excess:
        text = (
            f"The frame PD, {frame_pd:g} mm, is over {limits.frame_pd_excess:g} mm above the PD "
            f"of the eyes, {pd:g} mm."
        )
        figures["limit"] = limits.frame_pd_excess
        yield OrderWarning("frame.bridge", Code.FRAME_PD_ABOVE_PD, text, figures)


def _find_least_blank(
    name: str,
    eye: Mapping[str, Any],
    frame: Mapping[str, Any],
    trace: Trace | None,
    decentration: float,
    limits: Limits,
) -> float | None:
    """Return the least blank: exact for a traced lens, by the rule of thumb for one with an ED."""
    if trace is None:
        ed = frame.get("lens_ed")
        return ed and estimate_least_blank(ed, decentration, limits.blank_allowance)
    height = eye.get("oc_height", eye.get("seg_height"))
    rise = height - trace.b / 2 if height is not None else 0.0
    return find_least_blank(trace.to_points(), decentration, rise, name, limits.blank_allowance)


def _find_blank_warnings(name: str, least: float | None, largest: float) -> Warnings:
    if least is not None and least > largest:
        text = f"Needs a blank of {least:g} mm; the largest of the style is {largest:g} mm."
        figures = {"value": least, "limit": largest}
        yield OrderWarning(f"rx.{name}.pd", Code.BLANK_TOO_SMALL, text, figures)
