"""Callbacks of payment providers: raw bytes and a signature, handed on to the service they are for.

A signature covers every byte, so nothing is decoded here. The service verifies it, and records what
the callback reports. An answer other than 2xx makes a provider call again.
"""

from flask import Blueprint, Response, jsonify, request

from gateway import backends
from gateway.backends import call
from gateway.bodies import receive_body
from protos.subscriptions_pb2 import ReceiveCallbackRequest

bp = Blueprint("callbacks", __name__, url_prefix="/callbacks/payments")

MAX_CALLBACK_BYTES = 256 * 1024
SIGNATURE_HEADER = "Stripe-Signature"


@bp.post("/subscriptions/<path:merchant_id>")
def receive_callback(merchant_id: str) -> Response:
    message = ReceiveCallbackRequest(
        merchant_id=merchant_id,
        signature=request.headers.get(SIGNATURE_HEADER, ""),
        body=receive_body(MAX_CALLBACK_BYTES),
    )
    return jsonify(received=call(backends.provider().ReceiveCallback, message).received)
