"""Every failure as the error body of the dialect that was spoken.

A dialect is told by the path, so that an unknown route below it is answered in
its form too. `STATUS` is the whole way from gRPC to HTTP; each dialect names
its departures from it.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any

import grpc
from flask import Flask, Response, g, json, request
from grpc import StatusCode as Code
from werkzeug.exceptions import HTTPException

from chassis.errors import IDEMPOTENCY_MISMATCH, Failure, Fault, Refusal, decode
from chassis.messages.reader import MALFORMED, to_field_name
from chassis.telemetry import describe, log
from gateway import pages
from protos.subscriptions_pb2 import OverDelivery

STATUS: dict[Code | str, int] = {
    Code.INVALID_ARGUMENT: 400,
    Code.UNAUTHENTICATED: 401,
    Code.PERMISSION_DENIED: 403,
    Code.NOT_FOUND: 404,
    Code.ALREADY_EXISTS: 409,
    Code.FAILED_PRECONDITION: 409,
    Code.ABORTED: 409,
    Code.UNIMPLEMENTED: 501,
    Code.RESOURCE_EXHAUSTED: 503,
    Code.UNAVAILABLE: 503,
    Code.DEADLINE_EXCEEDED: 504,
}
AGAIN = {Code.ABORTED, Code.RESOURCE_EXHAUSTED, Code.UNAVAILABLE}
TEXT = {
    Code.RESOURCE_EXHAUSTED: "The service is busy; try again.",
    Code.UNAVAILABLE: "The service does not answer; try again.",
    Code.DEADLINE_EXCEEDED: "The service took too long. Whether a write was made is unknown: "
    "repeat it with the same Idempotency-Key.",
}


@dataclass
class Problem:
    """A failure on its way to the client."""

    status: int
    reason: str
    detail: str
    faults: tuple[Fault, ...] = ()
    metadata: dict[str, str] = field(default_factory=dict)
    details: tuple[Any, ...] = ()
    headers: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Dialect:
    """One public API's way to say no."""

    prefix: str
    challenge: str
    body: Callable[[Problem], dict[str, Any]]
    status: dict[Code | str, int] = field(default_factory=dict)
    content_type: str = "application/json"


def sessions_body(problem: Problem) -> dict[str, Any]:
    """RFC 9457, with `errors` by path, and what disqualifies a person."""
    body: dict[str, Any] = {
        "type": "about:blank",
        "title": HTTPStatus(problem.status).phrase,
        "status": problem.status,
        "detail": problem.detail,
        "request_id": g.request_id,
    }
    if problem.faults:
        errors: dict[str, list[str]] = {}
        for fault in problem.faults:
            errors.setdefault(fault.path, []).append(fault.message)
        body["errors"] = errors
    if problem.reason == "DISQUALIFIED":
        codes = problem.metadata["disqualifications"].split(",")
        body |= {"qualifies": False, "disqualifications": codes}
    return body


ORDERS_TYPES = {401: "authentication_error", 403: "permission_error"}
ORDERS_CODES = {"INVALID": "invalid_request", MALFORMED: "invalid_request"}


def orders_body(problem: Problem) -> dict[str, Any]:
    """`error` with `param` of the first fault, and `errors` when there are several."""
    default = "api_error" if problem.status >= 500 else "invalid_request_error"
    error: dict[str, Any] = {
        "type": ORDERS_TYPES.get(problem.status, default),
        "message": problem.detail,
        "code": ORDERS_CODES.get(problem.reason, problem.reason.lower()),
    }
    named = [fault for fault in problem.faults if fault.path]
    if problem.faults:
        error["message"] = problem.faults[0].message
    if named:
        error["param"] = named[0].path
    if len(problem.faults) > 1:
        error["errors"] = [{"param": each.path, "message": each.message} for each in problem.faults]
    return {"error": error}


SUBSCRIPTIONS_CODES = {
    "UNAUTHENTICATED": ("unauthorized", "Unauthorized"),
    "FORBIDDEN": ("unauthorized", "Unauthorized"),
    "ALREADY_EXISTS": ("conflict", None),
    "BUSY": ("conflict", None),
    "WRONG_STATE": ("no_confirmed_cart", None),
    "NOT_ALLOWED": ("invalid", None),
    IDEMPOTENCY_MISMATCH: ("invalid", None),
}


def subscriptions_body(problem: Problem) -> dict[str, Any]:
    """`errors`, one per violation, with `source` where a field is at fault."""
    if problem.reason == "OVER_DELIVERY":
        return {"errors": _over_deliveries(problem)}
    code, title = SUBSCRIPTIONS_CODES.get(problem.reason, (problem.reason.lower(), None))
    errors: list[dict[str, Any]] = []
    for fault in problem.faults:
        source = {"source": fault.path} if fault.path else {}
        errors.append({"code": code, "title": fault.message, **source})
    return {"errors": errors or [{"code": code, "title": title or problem.detail}]}


def _over_deliveries(problem: Problem) -> list[dict[str, Any]]:
    over = OverDelivery()
    next(iter(problem.details)).Unpack(over)
    return [
        {
            "code": "over_delivery",
            "title": problem.detail,
            "cart_item_reference_uuid": item.cart_item_reference_uuid,
            "remaining_boxes": item.remaining_boxes,
        }
        for item in over.items
    ]


BASIC = 'Basic realm="optigate", charset="UTF-8"'
SESSIONS = Dialect(
    "/api/v2/partners",
    BASIC,
    sessions_body,
    {Code.FAILED_PRECONDITION: 422},
    "application/problem+json",
)
DIALECTS = (
    SESSIONS,
    Dialect("/v1", 'Bearer realm="optigate"', orders_body),
    Dialect(
        "/api/public/v1",
        BASIC,
        subscriptions_body,
        {"INVALID": 422, "OVER_DELIVERY": 422, "NOT_ALLOWED": 422, Code.PERMISSION_DENIED: 401},
    ),
)


def spoken_dialect() -> Dialect | None:
    """The dialect of the request at hand, if its path is below one."""
    for each in DIALECTS:
        if request.path == each.prefix or request.path.startswith(each.prefix + "/"):
            return each
    return None


def dialect() -> Dialect:
    """The dialect of the request at hand; outside of all, RFC 9457."""
    return spoken_dialect() or SESSIONS


def answer(problem: Problem) -> Response:
    """The problem in the request's dialect, or as a page."""
    g.reason = problem.reason
    if spoken_dialect() is None and pages.wanted():
        return pages.problem(problem.status, problem.detail, g.request_id, problem.headers)
    spoken = dialect()
    response = Response(
        json.dumps(spoken.body(problem)), problem.status, content_type=spoken.content_type
    )
    response.headers.update(problem.headers)
    if problem.status == 401:
        response.headers["WWW-Authenticate"] = spoken.challenge
    return response


def of_failure(failure: Failure) -> Problem:
    """What a failed RPC means over HTTP; a service's own words only when it chose them."""
    by = {**STATUS, IDEMPOTENCY_MISMATCH: 422, **dialect().status}
    status = by.get(failure.reason) or by.get(failure.code, 500)
    chosen = failure.reason != "" and status != 500
    return Problem(
        status,
        failure.reason if chosen else failure.code.name,
        failure.message
        if chosen
        else TEXT.get(failure.code, f"Something went wrong; its id is {g.request_id}."),
        _as_asked(failure.faults),
        failure.metadata or {},
        failure.details,
        {"Retry-After": "1"} if failure.code in AGAIN else {},
    )


def _as_asked(faults: tuple[Fault, ...]) -> tuple[Fault, ...]:
    """The faults under the names that the query string has for its fields."""
    names = {to_field_name(name): name for name in request.args if "[" in name}
    return tuple(Fault(names.get(each.path, each.path), each.message) for each in faults)


def register(app: Flask) -> None:
    """Answer every failure of the application."""

    @app.errorhandler(grpc.RpcError)
    def rpc_failed(error: grpc.RpcError) -> Response:
        return answer(of_failure(decode(error)))

    @app.errorhandler(Refusal)
    def refused(refusal: Refusal) -> Response:
        return answer(
            of_failure(Failure(refusal.code, refusal.reason, refusal.message, refusal.faults))
        )

    @app.errorhandler(HTTPException)
    def http(error: HTTPException) -> Response:
        status = error.code or 500
        reason = HTTPStatus(status).phrase.upper().replace(" ", "_").replace("-", "_")
        allowed = getattr(error, "valid_methods", None)
        headers = {"Allow": ", ".join(sorted(allowed))} if allowed else {}
        return answer(Problem(status, reason, error.description or "", headers=headers))

    @app.errorhandler(Exception)
    def crashed(error: Exception) -> Response:
        log().error("crash", request_id=g.request_id, **describe(error))
        return answer(of_failure(Failure(Code.INTERNAL, "", "")))
