"""The services behind the gateway: channels, deadlines and the headers that travel on.

Two channels lead to each service: calls that may be repeated (reads, and writes
with an idempotency key) retry by themselves while the service is unavailable;
other writes never do.
"""

import json
import re
import threading
from collections.abc import Mapping
from typing import Any, TypeVar

import grpc
from flask import current_app, g, request
from google.protobuf.message import Message

from chassis.context import IDEMPOTENCY_HEADER
from protos.orders_pb2_grpc import DashboardServiceStub, OrderServiceStub
from protos.sessions_pb2_grpc import DoorServiceStub, SessionServiceStub
from protos.subscriptions_pb2_grpc import ShopperServiceStub, SubscriptionServiceStub

Request = TypeVar("Request", bound=Message)
Response = TypeVar("Response", bound=Message)
FORWARDED = {name: name.lower() for name in ("Authorization", "User-Email", IDEMPOTENCY_HEADER)}
_UNPRINTABLE = re.compile(r"[^ -~]")
_RETRY = {
    "methodConfig": [
        {
            "name": [{}],
            "retryPolicy": {
                "maxAttempts": 4,
                "initialBackoff": "0.05s",
                "maxBackoff": "1s",
                "backoffMultiplier": 2,
                "retryableStatusCodes": ["UNAVAILABLE"],
            },
        }
    ],
    "retryThrottling": {"maxTokens": 10, "tokenRatio": 0.1},
}
OPTIONS = [
    ("grpc.keepalive_time_ms", 30_000),
    ("grpc.keepalive_permit_without_calls", 1),
    ("grpc.max_metadata_size", 64 * 1024),
    ("grpc.max_receive_message_length", 64 * 1024 * 1024),  # a page of large carts
    # A service that comes back is found within half a second, not after minutes of backoff.
    ("grpc.initial_reconnect_backoff_ms", 100),
    ("grpc.max_reconnect_backoff_ms", 500),
]
REPEATED = [("grpc.service_config", json.dumps(_RETRY))]


STUBS: dict[str, Any] = {
    "sessions": SessionServiceStub,
    "orders": OrderServiceStub,
    "subscriptions": SubscriptionServiceStub,
}


class Backends:
    """Channels to the services, opened at first use: never before a fork."""

    def __init__(self, config: Mapping[str, Any]) -> None:
        self.timeout: float = config["RPC_TIMEOUT"]
        self.addresses: dict[str, str] = {name: config[f"{name.upper()}_ADDR"] for name in STUBS}
        self._opened: dict[tuple[str, bool], tuple[grpc.Channel, Any]] = {}
        self._opening = threading.Lock()

    def channel(self, name: str, *, repeat: bool = True) -> grpc.Channel:
        """The channel to a service, with or without retries."""
        return self._open(name, repeat)[0]

    def stub(self, name: str, *, repeat: bool) -> Any:
        """The stub on that channel."""
        return self._open(name, repeat)[1]

    def _open(self, name: str, repeat: bool) -> tuple[grpc.Channel, Any]:
        key = (name, repeat)
        if key not in self._opened:
            with self._opening:
                if key not in self._opened:
                    options = OPTIONS + (REPEATED if repeat else [])
                    channel = grpc.insecure_channel(self.addresses[name], options)
                    self._opened[key] = (channel, STUBS[name](channel))
        return self._opened[key]

    def close(self) -> None:
        """Close every channel."""
        for channel, _ in self._opened.values():
            channel.close()


def backends() -> Backends:
    """The backends of the application at work."""
    found: Backends = current_app.extensions["backends"]
    return found


def sessions() -> SessionServiceStub:
    """The sessions service, for the request at hand."""
    stub: SessionServiceStub = _for_this_request("sessions")
    return stub


def door() -> DoorServiceStub:
    """The door of the sessions service, whose calls may all be repeated."""
    return DoorServiceStub(backends().channel("sessions"))


def dashboard() -> DashboardServiceStub:
    """The dashboard of the orders service, whose calls may all be repeated."""
    return DashboardServiceStub(backends().channel("orders"))


def orders() -> OrderServiceStub:
    """The orders service, for the request at hand."""
    stub: OrderServiceStub = _for_this_request("orders")
    return stub


def subscriptions() -> SubscriptionServiceStub:
    """The subscriptions service, for the request at hand."""
    stub: SubscriptionServiceStub = _for_this_request("subscriptions")
    return stub


def shopper() -> ShopperServiceStub:
    """What the shopper's page calls in the subscriptions service; all of it may be repeated."""
    return ShopperServiceStub(backends().channel("subscriptions"))


def _for_this_request(name: str) -> Any:
    return backends().stub(
        name, repeat=request.method == "GET" or IDEMPOTENCY_HEADER in request.headers
    )


def call(
    rpc: "grpc.UnaryUnaryMultiCallable[Request, Response]",
    message: Request,
    *,
    authorization: str | None = None,
) -> Response:
    """The service's answer; a failure raises grpc.RpcError.

    An `authorization` goes instead of what the request's headers say of its caller.
    """
    headers = request.headers if authorization is None else {"Authorization": authorization}
    metadata: list[tuple[str, str | bytes]] = [("x-request-id", g.request_id)]
    for name, key in FORWARDED.items():
        if (value := headers.get(name)) is not None:
            # Metadata is printable ASCII; what is not cannot be right, nor can a space be.
            metadata.append((key, _UNPRINTABLE.sub(" ", value)))
    timeout, sent = backends().timeout, tuple(metadata)
    if IDEMPOTENCY_HEADER not in headers:
        return rpc(message, timeout=timeout, metadata=sent)
    response, answered = rpc.with_call(message, timeout=timeout, metadata=sent)
    g.replayed = ("idempotent-replayed", "true") in (answered.trailing_metadata() or ())
    return response
