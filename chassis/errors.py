"""The refusals, and their way over the wire as google.rpc.Status and back.

A service raises one of these at any depth; the interceptor of `chassis.server.server`
encodes it, the gateway decodes it, and nobody else handles errors:

    Refusal                 gRPC status          when
     +- Invalid             INVALID_ARGUMENT     fields break rules; all are named
     +- Unauthenticated     UNAUTHENTICATED      no account, or a wrong secret
     +- Forbidden           PERMISSION_DENIED    an account that may not do this
     +- NotFound            NOT_FOUND            no such thing for this caller
     +- AlreadyExists       ALREADY_EXISTS       its key is taken
     +- WrongState          FAILED_PRECONDITION  not in the state that it is in
     +- Busy                ABORTED              somebody else is at it; try again
     +- Overloaded          UNAVAILABLE          cannot serve now; try again
     +- TooLate             DEADLINE_EXCEEDED    the caller has stopped waiting

`reason` is the stable word for programs (ErrorInfo.reason, UPPER_SNAKE), the
message is for people and holds no personal data. Anything else that is raised
reaches the caller as INTERNAL with an id and no text.
"""

from collections.abc import Iterable
from dataclasses import dataclass

import grpc
from google.protobuf.any_pb2 import Any
from google.protobuf.message import Message
from google.rpc import error_details_pb2
from google.rpc.status_pb2 import Status

DOMAIN = "optigate"
IDEMPOTENCY_MISMATCH = "IDEMPOTENCY_MISMATCH"
STATUS_TRAILER = "grpc-status-details-bin"
# gRPC clients take 8 KiB of trailers by default, and faults travel there in base64.
MAX_FAULT_BYTES = 4600  # bytes of faults, after which no other is listed
MAX_PATH_LENGTH, MAX_MESSAGE_LENGTH = 200, 300  # characters


@dataclass(frozen=True, slots=True)
class Fault:
    """One broken rule: the dotted path of the field, and what it should be."""

    path: str
    message: str


class Refusal(Exception):
    """A request that is answered with a reason instead of an effect."""

    code = grpc.StatusCode.INTERNAL
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
    """Fields break rules; every one is named."""

    code = grpc.StatusCode.INVALID_ARGUMENT
    reason = "INVALID"


class Unauthenticated(Refusal):
    """No account, or a wrong secret."""

    code = grpc.StatusCode.UNAUTHENTICATED
    reason = "UNAUTHENTICATED"


class Forbidden(Refusal):
    """A known account that may not do this."""

    code = grpc.StatusCode.PERMISSION_DENIED
    reason = "FORBIDDEN"


class NotFound(Refusal):
    """No such thing for this caller."""

    code = grpc.StatusCode.NOT_FOUND
    reason = "NOT_FOUND"


class AlreadyExists(Refusal):
    """The key is taken."""

    code = grpc.StatusCode.ALREADY_EXISTS
    reason = "ALREADY_EXISTS"


class WrongState(Refusal):
    """The thing is in a state that does not allow this."""

    code = grpc.StatusCode.FAILED_PRECONDITION
    reason = "WRONG_STATE"


class Busy(Refusal):
    """Another request holds what this one needs; trying again is right."""

    code = grpc.StatusCode.ABORTED
    reason = "BUSY"


class Overloaded(Refusal):
    """The service cannot take this now; trying again later is right."""

    code = grpc.StatusCode.UNAVAILABLE
    reason = "OVERLOADED"


class TooLate(Refusal):
    """The caller has stopped waiting: nothing was done."""

    code = grpc.StatusCode.DEADLINE_EXCEEDED
    reason = "DEADLINE_EXCEEDED"


def encode(refusal: Refusal) -> Status:
    """The refusal as a google.rpc.Status with ErrorInfo and BadRequest."""
    status = Status(code=refusal.code.value[0], message=refusal.message)
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
            bad.field_violations.add(
                field=fault.path[:MAX_PATH_LENGTH], description=fault.message[:MAX_MESSAGE_LENGTH]
            )
        status.details.add().Pack(bad)
    if refusal.detail is not None:
        status.details.add().Pack(refusal.detail)
    return status


@dataclass(frozen=True, slots=True)
class Failure:
    """What a caller learns of a call that failed."""

    code: grpc.StatusCode
    reason: str
    message: str
    faults: tuple[Fault, ...] = ()
    metadata: dict[str, str] | None = None
    details: tuple[Any, ...] = ()


def decode(error: grpc.RpcError) -> Failure:
    """The Failure behind a failed call; without ErrorInfo the reason is ''."""
    call: grpc.Call = error  # type: ignore[assignment]  # grpcio raises calls as errors
    trailers = dict(call.trailing_metadata() or ())
    packed = trailers.get(STATUS_TRAILER)
    if not isinstance(packed, bytes):
        return Failure(call.code(), "", call.details() or "")
    status = Status.FromString(packed)
    reason, metadata, faults, rest = "", {}, [], []
    for detail in status.details:
        info, bad = error_details_pb2.ErrorInfo(), error_details_pb2.BadRequest()
        if detail.Unpack(info):
            reason, metadata = info.reason, dict(info.metadata)
        elif detail.Unpack(bad):
            faults = [Fault(each.field, each.description) for each in bad.field_violations]
        else:
            rest.append(detail)
    return Failure(call.code(), reason, status.message, tuple(faults), metadata, tuple(rest))
