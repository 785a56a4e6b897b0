"""The errors of both APIs, in the form of each."""

from collections.abc import Sequence
from typing import Any

Fault = tuple[str, str]
"""Dotted path and message."""


class Refusal(Exception):
    """A request that is not done."""

    def __init__(self, status: int, body: dict[str, Any]) -> None:
        super().__init__(status)
        self.status = status
        self.body = body


def of_orders(status: int, message: str, faults: Sequence[Fault] = ()) -> Refusal:
    """An error of the orders API."""
    kind = {401: "authentication_error", 403: "permission_error"}
    code = {400: "invalid_request", 401: "unauthenticated", 403: "forbidden", 404: "not_found"}
    error: dict[str, Any] = {
        "type": kind.get(status, "invalid_request_error"),
        "message": faults[0][1] if faults else message,
        "code": code[status],
    }
    if faults:
        error["param"] = faults[0][0]
    if len(faults) > 1:
        error["errors"] = [{"param": path, "message": text} for path, text in faults]
    return Refusal(status, {"error": error})


def of_subscriptions(status: int) -> Refusal:
    """An error of the subscriptions API: 401 or 404."""
    words = {401: ("unauthorized", "Unauthorized"), 404: ("not_found", "Not found.")}
    code, title = words[status]
    return Refusal(status, {"errors": [{"code": code, "title": title}]})


def malformed(faults: Sequence[Fault]) -> Refusal:
    """An order whose fields are at fault."""
    return of_orders(400, "The request breaks rules.", faults)
