"""The errors of both APIs, in the form of each."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

Fault = tuple[str, str]
"""Dotted path and message."""


class Refusal(Exception):
    """A request that is refused."""

    def __init__(self, status: int, body: dict[str, Any]) -> None:
        super().__init__(status)
        self.status = status
        self.body = body


def build_orders_error(status: int, message: str, faults: Sequence[Fault] = ()) -> Refusal:
    """Return an error of the orders API."""
    kind = {401: "authentication_error", 403: "permission_error"}
    code = {
        400: "invalid_request",
        401: "unauthenticated",
        403: "forbidden",
        404: "not_found",
        409: "conflict",
        422: "idempotency_mismatch",
    }
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


def build_subscriptions_error(status: int) -> Refusal:
    """Return an error of the subscriptions API: 401 or 404."""
    words = {401: ("unauthorized", "Unauthorized"), 404: ("not_found", "Not found.")}
    code, title = words[status]
    return Refusal(status, {"errors": [{"code": code, "title": title}]})


def build_invalid_order(faults: Sequence[Fault]) -> Refusal:
    """Return the error of an order whose fields are at fault."""
    return build_orders_error(400, "The request breaks rules.", faults)


def find_faults(body: Mapping[str, Any]) -> tuple[str, list[Fault]]:
    """Return the message and the faults of an error of either API."""
    if "errors" in body:
        return body["errors"][0]["title"], []
    error = body["error"]
    faults = [(each["param"], each["message"]) for each in error.get("errors", ())]
    if not faults and "param" in error:
        faults = [(error["param"], error["message"])]
    return error["message"], faults


def flatten(messages: Any, path: str) -> Iterator[Fault]:
    """Yield each of marshmallow's messages with its dotted path."""
    if isinstance(messages, Mapping):
        for name, each in messages.items():
            yield from flatten(each, f"{path}.{name}" if path else str(name))
    else:
        yield from ((path, str(text)) for text in messages)
