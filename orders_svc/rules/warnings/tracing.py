"""Warnings about the tracing of an order: its remarks, and where it disagrees with the order."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from optics.powers import is_balance
from orders_svc.rules.traces import CONFLICT, SIDES, UNMIRRORED, Tracing
from orders_svc.rules.warnings.codes import Code, OrderWarning
from orders_svc.rules.warnings.limits import Limits

Warnings = Iterator[OrderWarning]
_CODES = {CONFLICT: Code.TRACING_CONFLICT, UNMIRRORED: Code.TRACING_UNMIRRORED}


def find_tracing_warnings(
    tracing: Tracing, frame: Mapping[str, Any], rx: Mapping[str, Any], limits: Limits
) -> Warnings:
    """Yield the warnings about a tracing.

    The frame's `a`, `b`, `lens_ed` and `bridge` may differ by a limit; each eye of the rx needs a
    trace, unless it gets a balance lens.
    """
    for remark in tracing.remarks:
        code = _CODES.get(remark.kind, Code.TRACING_REMARK)
        yield OrderWarning("frame.tracing", code, str(remark))
    for name, of in (("a", "a"), ("b", "b"), ("lens_ed", "ed")):
        measured = {side: getattr(trace, of) for side, trace in tracing.traces.items()}
        yield from _compare(f"frame.{name}", frame.get(name), measured.items(), limits.tracing)
    if tracing.dbl is not None:
        dbl = [("", tracing.dbl)]
        yield from _compare("frame.bridge", frame.get("bridge"), dbl, limits.tracing)
    for side, word in SIDES.items():
        eye = rx.get(f"{word}_eye")
        if eye and not is_balance(eye) and side not in tracing.traces:
            text = "The tracing lacks this eye."
            yield OrderWarning(f"rx.{word}_eye", Code.TRACING_LACKS_EYE, text)


def _compare(
    path: str, said: float | None, measured: Iterable[tuple[str, float]], limit: float
) -> Warnings:
    for side, value in measured:
        # Rounded, since a difference of exactly the limit is allowed.
        if said is not None and round(abs(said - value), 6) > limit:
            of = f" of the {SIDES[side]} side" if side else ""
            text = f"Is {said:g} mm; the tracing{of} has {value:g} mm."
            figures = {"value": value, "other": said, "limit": limit}
            yield OrderWarning(path, Code.TRACING_CONFLICT, text, figures)
