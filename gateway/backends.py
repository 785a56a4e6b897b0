"""The services behind the gateway: channels, deadlines and forwarded headers.

Each service has two channels: calls that may be repeated (reads, and writes with
an idempotency key) are retried while the service is unavailable; other writes
never are.
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
from chassis.errors import Failure, decode
from protos.orders_pb2_grpc import DashboardServiceStub, OrderServiceStub
from protos.sessions_pb2_grpc import DoorServiceStub, SessionServiceStub
from protos.subscriptions_pb2_grpc import ShopperServiceStub, SubscriptionServiceStub

Request = TypeVar("Request", bound=Message)
Response = TypeVar("Response", bound=Message)
FORWARDED_HEADERS = {
    name: name.lower() for name in ("Authorization", "User-Email", IDEMPOTENCY_HEADER)
}
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
    # Reconnect to a service that is back within half a second, not after minutes of backoff.
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
    """Channels to the services, opened at first use and so never before a fork."""

    def __init__(self, config: Mapping[str, Any]) -> None:
        self.timeout: float = config["RPC_TIMEOUT"]
        self.addresses: dict[str, str] = {name: config[f"{name.upper()}_ADDR"] for name in STUBS}
        self._opened: dict[tuple[str, bool], tuple[grpc.Channel, Any]] = {}
        self._opening = threading.Lock()

    def channel(self, name: str, *, repeat: bool = True) -> grpc.Channel:
        """Return the channel to a service, with or without retries."""
        return self._open(name, repeat)[0]

    def stub(self, name: str, *, repeat: bool) -> Any:
        """Return the stub on that channel."""
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
    """Return the backends of the current application."""
    found: Backends = current_app.extensions["backends"]
    return found


def sessions() -> SessionServiceStub:
    """Return the sessions service for the current request."""
    stub: SessionServiceStub = _for_this_request("sessions")
    return stub


def door() -> DoorServiceStub:
    """Return the DoorService of sessions; all its calls may be repeated."""
    return DoorServiceStub(backends().channel("sessions"))


def dashboard() -> DashboardServiceStub:
    """Return the DashboardService of orders; all its calls may be repeated."""
    return DashboardServiceStub(backends().channel("orders"))


def orders() -> OrderServiceStub:
    """Return the orders service for the current request."""
    stub: OrderServiceStub = _for_this_request("orders")
    return stub


def subscriptions() -> SubscriptionServiceStub:
    """Return the subscriptions service for the current request."""
    stub: SubscriptionServiceStub = _for_this_request("subscriptions")
    return stub


def shopper() -> ShopperServiceStub:
    """Return the ShopperService of subscriptions; all its calls may be repeated."""
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
    """Return the service's answer; a failure raises grpc.RpcError.

    An `authorization` replaces the request's own headers.
    """
    headers = request.headers if authorization is None else {"Authorization": authorization}
    metadata: list[tuple[str, str | bytes]] = [("x-request-id", g.request_id)]
    for name, key in FORWARDED_HEADERS.items():
        if (value := headers.get(name)) is not None:
            # Metadata is printable ASCII; other characters become spaces, which are refused.
            metadata.append((key, _UNPRINTABLE.sub(" ", value)))
    timeout, forwarded = backends().timeout, tuple(metadata)
    if IDEMPOTENCY_HEADER not in headers:
        return rpc(message, timeout=timeout, metadata=forwarded)
    response, answered = rpc.with_call(message, timeout=timeout, metadata=forwarded)
    g.replayed = ("idempotent-replayed", "true") in (answered.trailing_metadata() or ())
    return response


def attempt(
    rpc: "grpc.UnaryUnaryMultiCallable[Request, Response]",
    message: Request,
    *expected: grpc.StatusCode,
    authorization: str | None = None,
) -> Response | Failure:
    """Return the service's answer, or the failure if its code is one of the expected."""
    try:
        return call(rpc, message, authorization=authorization)
    except grpc.RpcError as error:
        failure = decode(error)
        if failure.code not in expected:
            raise
        return failure
