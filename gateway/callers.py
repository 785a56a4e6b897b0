"""Checks the caller with the service before an unreadable request is refused."""

from collections.abc import Callable
from typing import Any

from flask import request
from google.protobuf.message import Message

from gateway import backends
from protos import orders_pb2, sessions_pb2, subscriptions_pb2

# By blueprint: the service behind it, and the request of its WhoAmI.
SERVICES: dict[str, tuple[Callable[[], Any], type[Message]]] = {
    "sessions": (backends.sessions, sessions_pb2.WhoAmIRequest),
    "orders": (backends.orders, orders_pb2.WhoAmIRequest),
    "subscriptions": (backends.subscriptions, subscriptions_pb2.WhoAmIRequest),
}


def identify_caller() -> None:
    """Raise for callers that the service of this API does not accept; has no effect."""
    service, who_am_i = SERVICES[str(request.blueprint)]
    backends.call(service().WhoAmI, who_am_i())
