"""The gateway as it is, but for its client of the orders service: grpc's own, under gevent."""

from collections.abc import Callable
from typing import Any

import grpc
import grpc.experimental.gevent
from flask import Flask
from google.protobuf.message_factory import GetMessageClass

import gateway
from chassis.status import Code
from gateway.backends import SERVICES, Rpc
from gateway.channel import Answer, RpcError

SERVICE = SERVICES["orders"]


def create_app() -> Flask:
    """Return the gateway's application; to be called in a worker that gevent has patched."""
    grpc.experimental.gevent.init_gevent()
    app = gateway.create_app()
    backends = app.extensions["backends"]
    channel = grpc.insecure_channel(backends.addresses["orders"])
    stub = backends.stubs["orders"]
    for method in SERVICE.methods:
        call = channel.unary_unary(
            f"/{SERVICE.full_name}/{method.name}",
            request_serializer=GetMessageClass(method.input_type).SerializeToString,
            response_deserializer=GetMessageClass(method.output_type).FromString,
        )
        setattr(stub, method.name, Rpc(build_send(call), is_repeatable=False))
    return app


def build_send(call: Any) -> Callable[..., Answer[Any]]:
    """Return what sends a message by grpc's client and answers as the channel does."""

    def send(message: Any, *, timeout: float, metadata: Any, repeatable: bool) -> Answer[Any]:
        try:
            answer, ended = call.with_call(message, timeout=timeout, metadata=metadata)
        except grpc.RpcError as error:
            status: Any = error
            raise RpcError(Code[status.code().name], status.details()) from error
        return Answer(answer, ended.trailing_metadata(), "")

    return send
