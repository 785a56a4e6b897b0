"""Refusals, and their encoding as google.rpc.Status.

A service raises one of these at any depth; the interceptor (`chassis.server.interceptor`)
encodes it, the gateway decodes it, and no other code handles errors:

    Refusal                 gRPC status          when
     +- Invalid             INVALID_ARGUMENT     fields break rules; every one is listed
     +- Unauthenticated     UNAUTHENTICATED      no account, or a wrong secret
     +- Forbidden           PERMISSION_DENIED    the account lacks permission
     +- NotFound            NOT_FOUND            nothing that this caller may see
     +- AlreadyExists       ALREADY_EXISTS       the key is taken
     +- WrongState          FAILED_PRECONDITION  the current state does not allow it
     +- Busy                ABORTED              a concurrent request holds it; retry
     +- Overloaded          UNAVAILABLE          cannot serve now; retry later
     +- TooManyCalls        RESOURCE_EXHAUSTED   the service is full; try again
     +- TooLate             DEADLINE_EXCEEDED    the caller has given up

`reason` is stable and meant for programs (ErrorInfo.reason, UPPER_SNAKE). The
message is meant for people and holds no personal data. Any other exception
reaches the caller as INTERNAL with an id and no text.
"""

from collections.abc import Iterable
from dataclasses import dataclass

from google.protobuf.any_pb2 import Any
from google.protobuf.message import Message
from google.rpc import error_details_pb2
from google.rpc.status_pb2 import Status

from chassis.status import Code

DOMAIN = "optigate"
MALFORMED = "MALFORMED"  # the shape of a request, as opposed to its meaning
IDEMPOTENCY_MISMATCH = "IDEMPOTENCY_MISMATCH"
VERSION_MISMATCH = "VERSION_MISMATCH"  # the row has changed since the caller read it
STATUS_TRAILER = "grpc-status-details-bin"
# gRPC clients take 8 KiB of trailers by default, and faults travel there in base64.
MAX_FAULT_BYTES = 4600  # beyond this, faults are truncated
MAX_PATH_LENGTH, MAX_MESSAGE_LENGTH = 200, 300  # characters; beyond them, an ellipsis
MAX_FIRST_LENGTH = 160  # characters of the first fault in the status message


@dataclass(frozen=True, slots=True)
class Fault:
    """A broken rule: the dotted path of the field, and what its value must be."""

    path: str
    message: str


class Refusal(Exception):
    """An expected failure of a request, reported with its reason."""

    code = Code.INTERNAL
    reason = "INTERNAL"

    def __init__(
        self,
        message: str,
        *,
        reason: str | None = None,
        faults: Iterable[Fault] = (),
        metadata: dict[str, str] | None = None,
        detail: Message | None = None,
    ) -> None:
        super().__init__(message)
        self.message = message
        self.reason = reason or self.reason
        self.faults = tuple(faults)
        self.metadata = metadata or {}
        self.detail = detail


class Invalid(Refusal):
    """Fields break rules; every one is listed."""

    code = Code.INVALID_ARGUMENT
    reason = "INVALID"


class Unauthenticated(Refusal):
    """No account, or a wrong secret."""

    code = Code.UNAUTHENTICATED
    reason = "UNAUTHENTICATED"


class Forbidden(Refusal):
    """The account lacks permission for this."""

    code = Code.PERMISSION_DENIED
    reason = "FORBIDDEN"


class NotFound(Refusal):
    """Nothing by this id that the caller may see."""

    code = Code.NOT_FOUND
    reason = "NOT_FOUND"


class AlreadyExists(Refusal):
    """The key is taken."""

    code = Code.ALREADY_EXISTS
    reason = "ALREADY_EXISTS"


class WrongState(Refusal):
    """The current state does not allow this."""

    code = Code.FAILED_PRECONDITION
    reason = "WRONG_STATE"


class Busy(Refusal):
    """A concurrent request holds what this one needs; retrying is right."""

    code = Code.ABORTED
    reason = "BUSY"


class Overloaded(Refusal):
    """The service cannot serve this now; retrying later is right."""

    code = Code.UNAVAILABLE
    reason = "OVERLOADED"


class TooManyCalls(Refusal):
    """The service has as many calls as it takes; try again."""

    code = Code.RESOURCE_EXHAUSTED
    reason = "OVERLOADED"


class TooLate(Refusal):
    """The caller has given up; nothing was done."""

    code = Code.DEADLINE_EXCEEDED
    reason = "DEADLINE_EXCEEDED"


def encode(refusal: Refusal) -> Status:
    """Encode a refusal as a google.rpc.Status with ErrorInfo and BadRequest.

    The status message ends with the first fault, for callers that read nothing else.
    """
    status = Status(code=refusal.code, message=refusal.message)
    if refusal.faults:
        status.message += _format_first(cut_fault(refusal.faults[0]))
    info = error_details_pb2.ErrorInfo(
        reason=refusal.reason, domain=DOMAIN, metadata=refusal.metadata
    )
    status.details.add().Pack(info)
    if refusal.faults:
        bad = error_details_pb2.BadRequest()
        for index, fault in enumerate(refusal.faults):
            if bad.ByteSize() > MAX_FAULT_BYTES:
                rest = len(refusal.faults) - index
                bad.field_violations.add(description=f"{rest} more faults are not listed.")
                break
            cut = cut_fault(fault)
            bad.field_violations.add(field=cut.path, description=cut.message)
        status.details.add().Pack(bad)
    if refusal.detail is not None:
        status.details.add().Pack(refusal.detail)
    return status


@dataclass(frozen=True, slots=True)
class Failure:
    """A failed call, as its caller sees it."""

    code: Code
    reason: str
    message: str
    faults: tuple[Fault, ...] = ()
    metadata: dict[str, str] | None = None
    details: tuple[Any, ...] = ()


def decode(code: Code, message: str, details: bytes | None) -> Failure:
    """Decode a failed call from its code, its message and `grpc-status-details-bin`.

    Without ErrorInfo its reason is ''.
    """
    if not details:
        return Failure(code, "", message)
    status = Status.FromString(details)
    reason, metadata, faults, rest = "", {}, [], []
    for detail in status.details:
        info, bad = error_details_pb2.ErrorInfo(), error_details_pb2.BadRequest()
        if detail.Unpack(info):
            reason, metadata = info.reason, dict(info.metadata)
        elif detail.Unpack(bad):
            faults = [Fault(each.field, each.description) for each in bad.field_violations]
        else:
            rest.append(detail)
    message = status.message.removesuffix(_format_first(faults[0])) if faults else status.message
    return Failure(code, reason, message, tuple(faults), metadata, tuple(rest))


def cut_fault(fault: Fault) -> Fault:
    """Return the fault with a long path or message cut: a client's names have any length."""
    return Fault(_cut(fault.path, MAX_PATH_LENGTH), _cut(fault.message, MAX_MESSAGE_LENGTH))


def _cut(text: str, length: int) -> str:
    return text if len(text) <= length else text[: length - 1] + "…"


def _format_first(fault: Fault) -> str:
    words = f" {fault.path}: {fault.message}" if fault.path else f" {fault.message}"
    return words[:MAX_FIRST_LENGTH]
