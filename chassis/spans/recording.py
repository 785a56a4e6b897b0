"""Recording spans where traces are on; where they are off, each function costs one comparison."""

from contextlib import AbstractContextManager, nullcontext
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from chassis.spans.recorder import Recorder

INTERNAL, SERVER, CLIENT = "internal", "server", "client"

_recorder: "Recorder | None" = None
_NOTHING = nullcontext()


def get_recorder() -> "Recorder | None":
    """Return the recorder of this process; None where traces are off."""
    return _recorder


def set_recorder(recorder: "Recorder | None") -> None:
    """Turn traces on or off."""
    global _recorder
    _recorder = recorder


def record(name: str) -> AbstractContextManager[None]:
    """Record the block as a span, inside of a span that is recorded."""
    return _NOTHING if _recorder is None else _recorder.record(name)


def inject() -> dict[str, str]:
    """Return the headers that continue the current trace elsewhere."""
    return {} if _recorder is None else _recorder.inject()


def get_traceparent() -> str | None:
    """Return what names the current span, to continue its trace later."""
    return None if _recorder is None else _recorder.inject().get("traceparent")
