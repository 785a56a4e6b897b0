"""The services behind the gateway, each with a channel, a bulkhead and a breaker.

At most `MAX_WAITING_CALLS` calls of a worker wait for one service, so that a slow one takes no
more than its share; further calls are refused at once. An address that lets deadlines pass is
probed with `WhoAmI` once a second, and receives calls again when it answers. Reads, and writes with
an idempotency key, are retried while a service is unavailable; other writes never are.
"""

import re
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, TypeVar, cast

from flask import current_app, g
from flask.globals import request_ctx
from google.protobuf.descriptor import ServiceDescriptor
from google.protobuf.message import Message

from chassis.context import IDEMPOTENCY_HEADER
from chassis.errors import Failure, decode
from chassis.status import Code
from gateway.answers.validators import IF_MATCH_HEADER, READ_METHODS, name_version
from gateway.channel import Answer, Channel, RpcError, Tls
from protos import orders_pb2, sessions_pb2, subscriptions_pb2

if TYPE_CHECKING:  # the generated stubs say which RPC takes and returns what; grpc is not loaded
    from grpc import UnaryUnaryMultiCallable

    from protos.orders_pb2_grpc import (
        DashboardServiceStub,
        OrderServiceStub,
        TrackingServiceStub,
    )
    from protos.sessions_pb2_grpc import DoorServiceStub, SessionServiceStub
    from protos.subscriptions_pb2_grpc import (
        ProviderServiceStub,
        ShopperServiceStub,
        SubscriptionServiceStub,
    )

Request = TypeVar("Request", bound=Message)
Response = TypeVar("Response", bound=Message)
MAX_WAITING_CALLS = 48  # for one service, in one worker
BREAKER_DEADLINES = 5  # that pass without an answer between them
MAX_ANSWER_BYTES = 64 * 1024 * 1024  # a page of large carts
# Their names in a WSGI environment, and in a call's metadata.
AUTHORIZATION, USER_EMAIL = "HTTP_AUTHORIZATION", "HTTP_USER_EMAIL"
IDEMPOTENCY_KEY, IF_MATCH = "HTTP_IDEMPOTENCY_KEY", "HTTP_IF_MATCH"
FORWARDED_HEADERS = {
    AUTHORIZATION: "authorization",
    USER_EMAIL: "user-email",
    IDEMPOTENCY_KEY: IDEMPOTENCY_HEADER.lower(),
    IF_MATCH: IF_MATCH_HEADER.lower(),
}
SERVICES = {
    "sessions": sessions_pb2.DESCRIPTOR.services_by_name["SessionService"],
    "orders": orders_pb2.DESCRIPTOR.services_by_name["OrderService"],
    "subscriptions": subscriptions_pb2.DESCRIPTOR.services_by_name["SubscriptionService"],
}
# What the pages call; each of these calls may be repeated.
PAGE_SERVICES = {
    "sessions": sessions_pb2.DESCRIPTOR.services_by_name["DoorService"],
    "orders": orders_pb2.DESCRIPTOR.services_by_name["DashboardService"],
    "subscriptions": subscriptions_pb2.DESCRIPTOR.services_by_name["ShopperService"],
}
# What payment providers call, through a route of their own; each of these calls may be repeated.
CALLBACK_SERVICES = {
    "subscriptions": subscriptions_pb2.DESCRIPTOR.services_by_name["ProviderService"],
}
# What staff may call; only their pages do.
DESK_SERVICES = {
    "sessions": sessions_pb2.DESCRIPTOR.services_by_name["SessionDeskService"],
    "orders": orders_pb2.DESCRIPTOR.services_by_name["LabDeskService"],
    "subscriptions": subscriptions_pb2.DESCRIPTOR.services_by_name["SubscriptionDeskService"],
}
_UNPRINTABLE = re.compile(r"[^ -~]")


class Rpc:
    """One RPC of a service behind the gateway."""

    __slots__ = ("is_repeatable", "send")

    def __init__(self, send: Callable[..., Answer[Any]], *, is_repeatable: bool) -> None:
        self.send = send
        self.is_repeatable = is_repeatable


class Stub:
    """The RPCs of one gRPC service, as attributes."""

    def __init__(
        self, channel: Channel, service: ServiceDescriptor, *, is_repeatable: bool
    ) -> None:
        for name, send in channel.methods(service).items():
            setattr(self, name, Rpc(send, is_repeatable=is_repeatable))


class Backends:
    """A channel to each service, opened at its first call and so never before a fork."""

    def __init__(self, config: Mapping[str, Any]) -> None:
        self.timeout: float = config["RPC_TIMEOUT"]
        self.addresses: dict[str, str] = {name: config[f"{name.upper()}_ADDR"] for name in SERVICES}
        tls: Tls | None = config.get("GRPC_TLS")
        self.channels = {
            name: Channel(
                self.addresses[name],
                max_receive_bytes=MAX_ANSWER_BYTES,
                max_waiting=config.get("MAX_WAITING", MAX_WAITING_CALLS),
                breaker_deadlines=BREAKER_DEADLINES,
                probe=f"/{service.full_name}/WhoAmI",
                tls=tls,
            )
            for name, service in SERVICES.items()
        }
        # Probes of health are not to wait behind, or be refused with, the calls of clients.
        self.probes = {name: Channel(address, tls=tls) for name, address in self.addresses.items()}
        self.stubs = {
            name: Stub(self.channels[name], service, is_repeatable=False)
            for name, service in SERVICES.items()
        }
        tracking = orders_pb2.DESCRIPTOR.services_by_name["TrackingService"]
        self.tracking = Stub(self.channels["orders"], tracking, is_repeatable=True)
        self.page_stubs = {
            name: Stub(self.channels[name], service, is_repeatable=True)
            for name, service in PAGE_SERVICES.items()
        }
        self.callbacks = {
            name: Stub(self.channels[name], service, is_repeatable=True)
            for name, service in CALLBACK_SERVICES.items()
        }
        self.desks = {
            name: Stub(self.channels[name], service, is_repeatable=False)
            for name, service in DESK_SERVICES.items()
        }

    def close(self) -> None:
        """Close every channel."""
        for channel in (*self.channels.values(), *self.probes.values()):
            channel.close()


def backends() -> Backends:
    """Return the backends of the current application."""
    found: Backends = current_app.extensions["backends"]
    return found


def sessions() -> "SessionServiceStub":
    """Return the SessionService."""
    return cast("SessionServiceStub", backends().stubs["sessions"])


def door() -> "DoorServiceStub":
    """Return the DoorService of sessions."""
    return cast("DoorServiceStub", backends().page_stubs["sessions"])


def orders() -> "OrderServiceStub":
    """Return the OrderService."""
    return cast("OrderServiceStub", backends().stubs["orders"])


def dashboard() -> "DashboardServiceStub":
    """Return the DashboardService of orders."""
    return cast("DashboardServiceStub", backends().page_stubs["orders"])


def tracking() -> "TrackingServiceStub":
    """Return the TrackingService of orders."""
    return cast("TrackingServiceStub", backends().tracking)


def subscriptions() -> "SubscriptionServiceStub":
    """Return the SubscriptionService."""
    return cast("SubscriptionServiceStub", backends().stubs["subscriptions"])


def shopper() -> "ShopperServiceStub":
    """Return the ShopperService of subscriptions."""
    return cast("ShopperServiceStub", backends().page_stubs["subscriptions"])


def provider() -> "ProviderServiceStub":
    """Return the ProviderService of subscriptions."""
    return cast("ProviderServiceStub", backends().callbacks["subscriptions"])


def desk(api: str) -> Any:
    """Return the service of an API that staff call; what it takes is in the API's own messages."""
    return backends().desks[api]


def call(
    rpc: "UnaryUnaryMultiCallable[Request, Response]",
    message: Request,
    *,
    authorization: str | None = None,
    if_match: str | None = None,
) -> Response:
    """Return the service's answer; a failure raises RpcError.

    An `authorization` replaces the request's own headers, and `if_match` goes along with it.
    """
    asked, here = request_ctx.request, g._get_current_object()
    headers = asked.environ if authorization is None else {AUTHORIZATION: authorization}
    if authorization is not None and if_match is not None:
        headers = {AUTHORIZATION: authorization, IF_MATCH: if_match}
    metadata = [("x-request-id", here.request_id)]
    for name, key in FORWARDED_HEADERS.items():
        if (value := headers.get(name)) is not None:
            # Metadata is printable ASCII; other characters become spaces, which are refused.
            sent = _UNPRINTABLE.sub(" ", value)
            metadata.append((key, name_version(sent) if name == IF_MATCH else sent))
    has_key = IDEMPOTENCY_KEY in headers
    ours = cast(Rpc, rpc)
    answer: Answer[Response] = ours.send(
        message,
        timeout=backends().timeout,
        metadata=metadata,
        repeatable=ours.is_repeatable or has_key or asked.method in READ_METHODS,
    )
    if has_key:
        here.replayed = ("idempotent-replayed", "true") in answer.trailing_metadata
    for key, trailer in answer.trailing_metadata:
        if key == "row-version":
            here.version = trailer
    return answer.message


def attempt(
    rpc: "UnaryUnaryMultiCallable[Request, Response]",
    message: Request,
    *expected: Code,
    authorization: str | None = None,
    if_match: str | None = None,
) -> Response | Failure:
    """Return the service's answer, or the failure if its code is one of the expected."""
    try:
        return call(rpc, message, authorization=authorization, if_match=if_match)
    except RpcError as error:
        failure = decode_error(error)
        if failure.code not in expected:
            raise
        return failure


def decode_error(error: RpcError) -> Failure:
    """Decode a failed call."""
    return decode(error.code, error.message, error.details)
