"""A stand-in for Stripe, written from its public documentation: Checkout Sessions and refunds.

docs.stripe.com/api/checkout/sessions, /api/refunds, /api/idempotent_requests, /api/errors and
/webhooks. It is a real HTTP server on loopback; tests make it hang or answer garbage, and send the
callbacks that it would send.
"""

import hashlib
import hmac
import itertools
import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl

from tests.chassis.events.receiver import Answering, Handler, Received, Receiver, run_receiver

SESSIONS, REFUNDS = "/v1/checkout/sessions", "/v1/refunds"
REQUIRED = {
    SESSIONS: ("mode", "success_url", "line_items[0][quantity]"),
    REFUNDS: ("payment_intent",),
}


def answer_json(status: int, body: Any) -> Answering:
    """Answer with JSON, or with bytes as they are."""
    packed = body if isinstance(body, bytes) else json.dumps(body).encode()

    def answer(handler: Handler) -> None:
        handler.send_response(status)
        handler.send_header("Content-Type", "application/json")
        handler.send_header("Content-Length", str(len(packed)))
        handler.end_headers()
        handler.wfile.write(packed)

    return answer


def fail(status: int, type_: str, message: str) -> Answering:
    """Answer with an error of the documented form."""
    return answer_json(status, {"error": {"type": type_, "message": message}})


@dataclass
class Stub:
    """The stand-in: an account's key, and what was made with it."""

    receiver: Receiver
    secret_key: str = "sk_test_4eC39HqLyjWDarjtT1zdp7dc"  # nosec B105
    refund_status: str = "succeeded"
    made: dict[str, tuple[bytes, dict[str, Any]]] = field(default_factory=dict)  # by key
    sessions: dict[str, dict[str, Any]] = field(default_factory=dict)  # by our id
    refunds: dict[str, dict[str, Any]] = field(default_factory=dict)  # by our id
    answers: list[Answering] = field(default_factory=list)  # that come first
    numbers: Iterator[int] = field(default_factory=lambda: itertools.count(1))

    @property
    def url(self) -> str:
        """Where its API is."""
        return self.receiver.url.removesuffix("/events")

    @property
    def calls(self) -> list[Received]:
        """The requests that it has received."""
        return self.receiver.received

    def answer(self, handler: Handler) -> None:
        """Answer a call."""
        if self.answers:
            self.answers.pop(0)(handler)
            return
        self._make(self.calls[-1])(handler)

    def _make(self, call: Received) -> Answering:
        if call.headers.get("authorization") != f"Bearer {self.secret_key}":
            return fail(401, "invalid_request_error", "Invalid API Key provided.")
        form = dict(parse_qsl(call.body.decode(), keep_blank_values=True))
        missing = [name for name in REQUIRED[call.path] if name not in form]
        if call.method != "POST" or missing:
            return fail(400, "invalid_request_error", f"Missing required param: {missing}.")
        key = call.headers["idempotency-key"]
        if key in self.made:
            body, before = self.made[key]
            if body != call.body:
                return fail(400, "idempotency_error", "Keys can only be used with the same params.")
            return answer_json(200, before)
        made = self._make_session(form) if call.path == SESSIONS else self._make_refund(form)
        self.made[key] = (call.body, made)
        return answer_json(200, made)

    def _make_session(self, form: dict[str, str]) -> dict[str, Any]:
        number, data = next(self.numbers), "line_items[0][price_data]"
        session = {
            "id": f"cs_test_{number}",
            "object": "checkout.session",
            "url": f"https://checkout.stripe.com/c/pay/cs_test_{number}",
            "client_reference_id": form["client_reference_id"],
            "metadata": {"charge_id": form["metadata[charge_id]"]},
            "mode": form["mode"],
            "amount_total": int(form[f"{data}[unit_amount]"]),
            "currency": form[f"{data}[currency]"],
            "payment_intent": None,
            "payment_status": "unpaid",
            "status": "open",
        }
        self.sessions[form["client_reference_id"]] = session
        return session

    def _make_refund(self, form: dict[str, str]) -> dict[str, Any]:
        refund = {
            "id": f"re_{next(self.numbers)}",
            "object": "refund",
            "amount": int(form["amount"]),
            "currency": "eur",
            "metadata": {"charge_id": form["metadata[charge_id]"]},
            "payment_intent": form["payment_intent"],
            "status": self.refund_status,
        }
        self.refunds[form["metadata[charge_id]"]] = refund
        return refund

    def pay(self, charge_id: str) -> bytes:
        """A shopper pays on the page; returns the callback."""
        session = self.sessions[charge_id]
        paid = {"payment_status": "paid", "status": "complete", "payment_intent": "pi_1"}
        return build_event("checkout.session.completed", {**session, **paid})


def build_event(type_: str, about: dict[str, Any]) -> bytes:
    """Return the body of a callback."""
    event = {
        "id": "evt_1",
        "object": "event",
        "api_version": "2024-06-20",
        "created": 1,
        "type": type_,
        "data": {"object": about},
    }
    return json.dumps(event).encode()


def sign(body: bytes, secret: str, at: float | None = None) -> str:
    """Return the header Stripe-Signature of a callback."""
    moment = int(time.time() if at is None else at)
    digest = hmac.digest(secret.encode(), f"{moment}.".encode() + body, hashlib.sha256).hex()
    return f"t={moment},v1={digest},v0={'6f' * 32}"


@contextmanager
def run_stub() -> Iterator[Stub]:
    """A stand-in that listens."""
    with run_receiver() as receiver:
        stub = Stub(receiver)
        receiver.at = {SESSIONS: stub.answer, REFUNDS: stub.answer}
        yield stub
