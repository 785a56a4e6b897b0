"""Callbacks of payment providers: raw bytes and a signature, handed on to the service they are for.

A signature covers every byte, so nothing is decoded here. The service verifies it, and records what
the callback reports. An answer other than 2xx makes a provider call again.
"""

from typing import TypedDict

from flask import Blueprint, Response, jsonify, request

from gateway import backends
from gateway.backends import call
from gateway.bodies import receive_body
from protos.sessions_pb2 import ReceivePaymentCallbackRequest
from protos.subscriptions_pb2 import ReceiveCallbackRequest

bp = Blueprint("callbacks", __name__, url_prefix="/callbacks/payments")

MAX_CALLBACK_BYTES = 256 * 1024
SIGNATURE_HEADER = "Stripe-Signature"


class SignedBytes(TypedDict):
    """What every service verifies."""

    signature: str
    body: bytes


@bp.post("/sessions/<path:partner>")
def receive_payment_callback(partner: str) -> Response:
    message = ReceivePaymentCallbackRequest(partner=partner, **read_signed())
    return jsonify(received=call(backends.door().ReceivePaymentCallback, message).received)


@bp.post("/subscriptions/<path:merchant_id>")
def receive_callback(merchant_id: str) -> Response:
    message = ReceiveCallbackRequest(merchant_id=merchant_id, **read_signed())
    return jsonify(received=call(backends.provider().ReceiveCallback, message).received)


def read_signed() -> SignedBytes:
    """Return the body of the request, and what it was signed with."""
    return {
        "signature": request.headers.get(SIGNATURE_HEADER, ""),
        "body": receive_body(MAX_CALLBACK_BYTES),
    }
