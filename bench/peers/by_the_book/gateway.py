"""The gateway: JSON to messages and back by json_format, calls by grpc's own client."""

import os
from collections.abc import Mapping
from functools import cached_property
from typing import Any, TypeVar

import grpc
from flask import Flask, Response, current_app, jsonify, request
from google.protobuf.descriptor import Descriptor, FieldDescriptor
from google.protobuf.json_format import MessageToDict, Parse, ParseError
from google.protobuf.message import Message

from bench.peers.by_the_book.errors import decode_orders_error, decode_subscriptions_error
from bench.peers.refusals import Refusal, build_orders_error
from protos import orders_pb2, subscriptions_pb2
from protos.orders_pb2_grpc import OrderServiceStub
from protos.subscriptions_pb2_grpc import SubscriptionServiceStub

DEADLINE_SECONDS = 10
FORWARDED = ("Authorization", "User-Email", "Idempotency-Key")
# Fields that only items of one type have.
ONE_TYPE_ONLY = frozenset(
    {
        "items",
        "product_data",
        "box_count",
        "exchange_cycle",
        "delivered_boxes",
        "remaining_boxes",
        "warranty_breakage_cost",
        "warranty_lost_cost",
        "subscription_vat_rate",
    }
)
M = TypeVar("M", bound=Message)


class Backends:
    """The stubs, on channels that are opened in the worker, at the first call."""

    @cached_property
    def orders(self) -> Any:
        """The orders service."""
        return OrderServiceStub(grpc.insecure_channel(os.environ["ORDERS_ADDR"]))

    @cached_property
    def subscriptions(self) -> Any:
        """The subscriptions service."""
        return SubscriptionServiceStub(grpc.insecure_channel(os.environ["SUBSCRIPTIONS_ADDR"]))


def find_backends() -> Backends:
    """Return the stubs of this worker."""
    found: Backends = current_app.extensions["backends"]
    return found


def read_body(message: M) -> M:
    """Parse the body into a message; raise 400."""
    try:
        return Parse(request.get_data(), message)
    except ParseError as error:
        raise build_orders_error(400, str(error)) from None


def call_options() -> dict[str, Any]:
    """Return the deadline, and the headers that travel on as metadata."""
    headers = request.headers
    metadata = [(name.lower(), headers[name]) for name in FORWARDED if name in headers]
    return {"timeout": DEADLINE_SECONDS, "metadata": metadata}


def create_token() -> tuple[Response, int]:
    """Exchange client credentials for a token."""
    body = read_body(orders_pb2.CreateTokenRequest())
    try:
        token = find_backends().orders.CreateToken(body, **call_options())
    except grpc.RpcError as error:
        raise decode_orders_error(error) from None
    return jsonify(MessageToDict(token, preserving_proto_field_name=True)), 200


def create_order() -> tuple[Response, int, Mapping[str, str]]:
    """Create an order."""
    body = read_body(orders_pb2.CreateOrderRequest())
    try:
        created, call = find_backends().orders.CreateOrder.with_call(body, **call_options())
    except grpc.RpcError as error:
        raise decode_orders_error(error) from None
    replayed = "idempotent-replayed" in dict(call.trailing_metadata() or ())
    headers = {"Idempotent-Replayed": "true"} if replayed else {}
    return jsonify(MessageToDict(created, preserving_proto_field_name=True)), 201, headers


def get_order(order_id: str) -> Response:
    """Return an order as it was sent."""
    wanted = orders_pb2.GetOrderRequest(order_id=order_id)
    try:
        order = find_backends().orders.GetOrder(wanted, **call_options())
    except grpc.RpcError as error:
        raise decode_orders_error(error) from None
    document = MessageToDict(order, preserving_proto_field_name=True)
    document |= {name: int(document[name]) for name in ("created", "updated")}
    absent: dict[str, Any] = {"tray_number": None, "invoice_number": None, "warnings": []}
    return jsonify(absent | document)


def get_subscription(subscription_id: str) -> Response:
    """Return a subscription."""
    wanted = subscriptions_pb2.GetSubscriptionRequest(subscription_id=subscription_id)
    try:
        found = find_backends().subscriptions.GetSubscription(wanted, **call_options())
    except grpc.RpcError as error:
        raise decode_subscriptions_error(error) from None
    document = MessageToDict(
        found, preserving_proto_field_name=True, always_print_fields_with_no_presence=True
    )
    complete(document, found.DESCRIPTOR)
    return jsonify(document)


def complete(document: dict[str, Any], descriptor: Descriptor) -> None:
    """Complete json_format's output as the contract requires: nulls, and numbers for int64."""
    for field in descriptor.fields:
        name, value = field.name, document.get(field.name)
        if not value and name in ONE_TYPE_ONLY:
            if value is None or value == []:
                document.pop(name, None)
        elif value is None:
            document[name] = None
        elif field.type == FieldDescriptor.TYPE_INT64:
            document[name] = int(value)
        elif isinstance(value, list) and field.message_type:
            for each in value:
                complete(each, field.message_type)
        elif isinstance(value, dict) and field.message_type:
            complete(value, field.message_type)


def answer_livez() -> dict[str, str]:
    """Answer while the process runs."""
    return {"status": "ok"}


def create_app() -> Flask:
    """Return the application of one worker."""
    app = Flask(__name__)
    app.extensions["backends"] = Backends()
    app.add_url_rule("/livez", view_func=answer_livez)
    app.add_url_rule("/v1/oauth/token", view_func=create_token, methods=["POST"])
    app.add_url_rule("/v1/orders", view_func=create_order, methods=["POST"])
    app.add_url_rule("/v1/orders/<order_id>", view_func=get_order)
    path = "/api/public/v1/subscriptions/<subscription_id>"
    app.add_url_rule(path, view_func=get_subscription)

    @app.errorhandler(Refusal)
    def answer_refusal(refusal: Refusal) -> tuple[Response, int]:
        return jsonify(refusal.body), refusal.status

    return app
