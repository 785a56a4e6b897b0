"""The span of a call in its service."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from chassis.spans.recording import SERVER, get_recorder
from chassis.status import Code

if TYPE_CHECKING:
    from chassis.spans.recorder import Span

# Codes that are the service's fault, by OpenTelemetry's conventions.
FAULTS = ("UNKNOWN", "DEADLINE_EXCEEDED", "UNIMPLEMENTED", "INTERNAL", "UNAVAILABLE", "DATA_LOSS")


def begin_span(rpc: str, metadata: Mapping[str, str]) -> "Span | None":
    """Begin the span of a call, below the caller's; None where traces are off."""
    recorder = get_recorder()
    if recorder is None:
        return None
    service, _, method = rpc[1:].partition("/")
    attributes = {"rpc.system": "grpc", "rpc.service": service, "rpc.method": method}
    return recorder.begin(rpc[1:], SERVER, attributes, metadata)


def end_span(span: "Span", line: Mapping[str, Any]) -> None:
    """End the span of a call with what its line of the log says."""
    code = str(line["code"])
    span.note(
        {
            "rpc.grpc.status_code": Code[code].value,
            "optigate.reason": line.get("reason"),
            "optigate.request_id": line["request_id"],
            "optigate.account": line.get("account"),
        }
    )
    if code in FAULTS:
        span.fail(code)
    span.end()
