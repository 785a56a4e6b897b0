"""Failures as HTTP errors, in the error form of the API that was called.

The path decides which API that is, so that an unknown route below its prefix is
answered in its form too. `STATUS` maps gRPC to HTTP; each dialect lists its
departures from it.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any

from flask import Flask, Response, current_app, g, json, request
from werkzeug.exceptions import HTTPException

from chassis.errors import IDEMPOTENCY_MISMATCH, VERSION_MISMATCH, Failure, Fault, Refusal
from chassis.messages.reader import to_field_name
from chassis.status import Code
from chassis.telemetry import describe as describe_crash
from chassis.telemetry import log
from gateway import pages
from gateway.backends import decode_error
from gateway.channel import RpcError
from gateway.rates.guesses import count_wrong_secret, write_refusal

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
    Code.CANCELLED: 503,  # by a service that ends: this gateway cancels no call that is waited for
    Code.DEADLINE_EXCEEDED: 504,
    IDEMPOTENCY_MISMATCH: 422,
    VERSION_MISMATCH: 412,
}
RETRYABLE_CODES = {Code.ABORTED, Code.RESOURCE_EXHAUSTED, Code.UNAVAILABLE, Code.CANCELLED}
RETRY_AFTER_SECONDS = "1"
# For failures without a service's own explanation.
DETAILS = {
    Code.RESOURCE_EXHAUSTED: "The service is busy; try again.",
    Code.UNAVAILABLE: "The service does not answer; try again.",
    Code.CANCELLED: "The service ended during the call. Whether a write was made is unknown: "
    "repeat it with the same Idempotency-Key.",
    Code.DEADLINE_EXCEEDED: "The service took too long. Whether a write was made is unknown: "
    "repeat it with the same Idempotency-Key.",
}
TOO_MANY_REQUESTS = "TOO_MANY_REQUESTS"
BASIC_CHALLENGE = 'Basic realm="optigate", charset="UTF-8"'


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
    """The error form of one public API.

    `write_body` makes the JSON of a problem; `status` overrides `STATUS`, by the
    reason or by the gRPC code.
    """

    prefix: str
    write_body: Callable[[Problem], dict[str, Any]]
    challenge: str = BASIC_CHALLENGE
    status: dict[Code | str, int] = field(default_factory=dict)
    content_type: str = "application/json"


def write_rfc_9457(problem: Problem) -> dict[str, Any]:
    """Return the problem as RFC 9457 has it: the first fault of a 400 is its detail."""
    body: dict[str, Any] = {
        "type": "about:blank",
        "title": HTTPStatus(problem.status).phrase,
        "status": problem.status,
        "detail": problem.detail,
        "request_id": g.request_id,
    }
    if problem.faults:
        first = problem.faults[0]
        if problem.status == 400:  # other refusals with faults have a sentence of their own
            body["detail"] = f"{first.path}: {first.message}" if first.path else first.message
        errors: dict[str, list[str]] = {}
        for fault in problem.faults:
            errors.setdefault(fault.path, []).append(fault.message)
        body["errors"] = errors
    return body


# Outside the prefix of every API.
DEFAULT_DIALECT = Dialect(
    "",
    write_rfc_9457,
    status={Code.FAILED_PRECONDITION: 422},
    content_type="application/problem+json",
)


def find_dialect() -> Dialect:
    """Return the dialect that a view has chosen, or whose prefix the path has; else the default."""
    if "dialect" in g:
        chosen: Dialect = g.dialect
        return chosen
    dialects: tuple[Dialect, ...] = current_app.extensions["dialects"]
    for each in dialects:
        if request.path == each.prefix or request.path.startswith(each.prefix + "/"):
            return each
    return DEFAULT_DIALECT


def answer_problem(problem: Problem) -> Response:
    """Return the problem in the request's dialect, or as a page."""
    g.reason = problem.reason
    dialect = find_dialect()
    if dialect is DEFAULT_DIALECT and pages.wants_page():
        return pages.render_problem(problem.status, problem.detail, g.request_id, problem.headers)
    response = Response(
        json.dumps(dialect.write_body(problem)), problem.status, content_type=dialect.content_type
    )
    response.headers.update(problem.headers)
    if problem.status == 401:
        response.headers["WWW-Authenticate"] = dialect.challenge
    return response


def answer_failure(failure: Failure) -> Response:
    """Return the answer to a failed RPC; with the service's text only if the service wrote it."""
    if failure.code is Code.UNAUTHENTICATED and (quota := count_wrong_secret()):
        headers = {"Retry-After": str(quota.seconds_left)}
        return answer_problem(
            Problem(429, TOO_MANY_REQUESTS, write_refusal(quota), headers=headers)
        )
    by = STATUS | find_dialect().status
    status = by.get(failure.reason) or by.get(failure.code, 500)
    chosen = failure.reason != "" and status != 500
    unexplained = f"Something went wrong; the request id is {g.request_id}."
    return answer_problem(
        Problem(
            status,
            reason=failure.reason if chosen else failure.code.name,
            detail=failure.message if chosen else DETAILS.get(failure.code, unexplained),
            faults=_rename_faults(failure.faults),
            metadata=failure.metadata or {},
            details=failure.details,
            headers={"Retry-After": RETRY_AFTER_SECONDS} if failure.code in RETRYABLE_CODES else {},
        )
    )


def _rename_faults(faults: tuple[Fault, ...]) -> tuple[Fault, ...]:
    """Return the faults under the query string's names of their fields."""
    names = {to_field_name(name): name for name in request.args if "[" in name}
    return tuple(Fault(names.get(each.path, each.path), each.message) for each in faults)


def register(
    app: Flask, dialects: Iterable[Dialect], describe: Callable[[HTTPException, bool], str]
) -> None:
    """Make the application answer every failure, in one of these dialects or the default.

    `describe` words the HTTP errors, for programs or for a page.
    """
    app.extensions["dialects"] = tuple(dialects)

    @app.errorhandler(RpcError)
    def answer_rpc_error(error: RpcError) -> Response:
        return answer_failure(decode_error(error))

    @app.errorhandler(Refusal)
    def answer_refusal(refusal: Refusal) -> Response:
        return answer_failure(
            Failure(refusal.code, refusal.reason, refusal.message, refusal.faults)
        )

    @app.errorhandler(HTTPException)
    def answer_http_exception(error: HTTPException) -> Response:
        status = error.code or 500
        reason = HTTPStatus(status).phrase.upper().replace(" ", "_").replace("-", "_")
        allowed = getattr(error, "valid_methods", None)
        headers = {"Allow": ", ".join(sorted(allowed))} if allowed else {}
        if retry_after := getattr(error, "retry_after", None):
            headers["Retry-After"] = str(retry_after)
        is_page = find_dialect() is DEFAULT_DIALECT and pages.wants_page()
        detail = describe(error, is_page)
        return answer_problem(Problem(status, reason, detail, headers=headers))

    @app.errorhandler(Exception)
    def answer_crash(error: Exception) -> Response:
        log().error("crash", request_id=g.request_id, **describe_crash(error))
        return answer_failure(Failure(Code.INTERNAL, "", ""))
