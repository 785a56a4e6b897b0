"""Refusals on their way: a google.rpc.Status in the service, a JSON error in the gateway."""

from collections.abc import Callable, Mapping
from functools import wraps
from typing import Any, cast

import grpc
from google.protobuf.any_pb2 import Any as Packed
from google.rpc.error_details_pb2 import BadRequest
from google.rpc.status_pb2 import Status
from grpc_status import rpc_status
from marshmallow import ValidationError
from sqlalchemy.exc import IntegrityError

from bench.peers.orders import KEY_IN_USE
from bench.peers.refusals import (
    Fault,
    Refusal,
    build_invalid_order,
    build_orders_error,
    build_subscriptions_error,
    find_faults,
    flatten,
)

CODES = {
    400: grpc.StatusCode.INVALID_ARGUMENT,
    401: grpc.StatusCode.UNAUTHENTICATED,
    403: grpc.StatusCode.PERMISSION_DENIED,
    404: grpc.StatusCode.NOT_FOUND,
    409: grpc.StatusCode.ABORTED,
    422: grpc.StatusCode.FAILED_PRECONDITION,
}
STATUSES = {code: status for status, code in CODES.items()}
Method = Callable[[Any, Any, grpc.ServicerContext], Any]


def abort_refusals(method: Method) -> Method:
    """Wrap an RPC method: what it refuses becomes a rich gRPC status."""

    @wraps(method)
    def wrapped(self: Any, request: Any, context: grpc.ServicerContext) -> Any:
        try:
            return method(self, request, context)
        except Refusal as refusal:
            refused = refusal
        except ValidationError as error:
            refused = build_invalid_order(list(flatten(error.messages, "")))
        except IntegrityError:
            refused = build_orders_error(409, KEY_IN_USE)
        return context.abort_with_status(rpc_status.to_status(_encode(refused)))

    return wrapped


def _encode(refusal: Refusal) -> Status:
    message, faults = find_faults(refusal.body)
    details = Packed()
    details.Pack(
        BadRequest(
            field_violations=[
                BadRequest.FieldViolation(field=path, description=text) for path, text in faults
            ]
        )
    )
    return Status(code=CODES[refusal.status].value[0], message=message, details=[details])


def decode_orders_error(error: grpc.RpcError) -> Refusal:
    """Return the answer of the orders API to a failed call."""
    status = _find_status(error)
    rich = rpc_status.from_call(cast(grpc.Call, error))
    faults: list[Fault] = []
    for detail in rich.details if rich else ():
        request = BadRequest()
        if detail.Unpack(request):
            faults += [(each.field, each.description) for each in request.field_violations]
    return build_orders_error(status, str(error.details()), faults)


def decode_subscriptions_error(error: grpc.RpcError) -> Refusal:
    """Return the answer of the subscriptions API to a failed call."""
    return build_subscriptions_error(_find_status(error))


def _find_status(error: grpc.RpcError) -> int:
    """Return the HTTP status of a refusal; other failures are raised again."""
    status = STATUSES.get(error.code())
    if status is None:
        raise error
    return status


def read_metadata(context: grpc.ServicerContext) -> Mapping[str, str]:
    """Return the metadata of a call as text."""
    return {name: str(value) for name, value in context.invocation_metadata() or ()}
