"""Stripe: hosted pages (Checkout Sessions), refunds and signed callbacks, as publicly documented.

https://docs.stripe.com/api/checkout/sessions/create, https://docs.stripe.com/api/refunds/create,
https://docs.stripe.com/api/idempotent_requests and
https://docs.stripe.com/webhooks#verify-manually. Requests are forms, answers JSON. Amounts are in
the smallest unit of the currency on both sides. A charge's id is the idempotency key, and stands in
the metadata of what is made, so that a callback names it.
"""

import hashlib
import hmac
from datetime import datetime, timedelta
from typing import Annotated, Any
from urllib.parse import urlencode, urlsplit

import msgspec

from chassis.payments.calls import Caller
from chassis.payments.providers import (
    EXPIRED,
    FAILED,
    REFUNDED,
    TAKEN,
    WRONG_SIGNATURE,
    Account,
    CallbackRefused,
    CallFailed,
    Page,
    PageOrder,
    RefundOrder,
    Report,
)

API_URL = "https://api.stripe.com"
API_VERSION = "2024-06-20"  # the shapes that are read here
TOLERANCE = timedelta(minutes=5)  # between a callback's timestamp and our clock
MAX_SIGNATURES = 16  # in one header
MAX_DESCRIPTION_LENGTH = 250
# The languages that pages are made in here; others are left to the shopper's browser.
LANGUAGES = ("de", "en", "es", "fr", "it", "pt")
_COMPLETED = "checkout.session.completed"
_PAGE_OUTCOMES = {
    _COMPLETED: TAKEN,
    "checkout.session.async_payment_succeeded": TAKEN,
    "checkout.session.async_payment_failed": FAILED,
    "checkout.session.expired": EXPIRED,
}
_REFUND_EVENTS = ("refund.created", "refund.updated", "refund.failed", "charge.refund.updated")
_REFUND_OUTCOMES = {"succeeded": REFUNDED, "failed": FAILED, "canceled": FAILED}


_Name = Annotated[str, msgspec.Meta(max_length=255, pattern=r"^[!-~]*$")]


class _Session(msgspec.Struct):
    """What is read of a Checkout Session."""

    id: _Name
    url: Annotated[str, msgspec.Meta(max_length=2000)] | None = None
    client_reference_id: str | None = None
    payment_status: str | None = None
    payment_intent: _Name | None = None
    amount_total: int | None = None
    currency: str | None = None


class _Refund(msgspec.Struct):
    """What is read of a refund."""

    id: _Name
    status: str | None = None
    amount: int | None = None
    currency: str | None = None
    metadata: dict[str, str] = {}


class _Data(msgspec.Struct):
    object: msgspec.Raw


class _Event(msgspec.Struct):
    """What is read of a callback."""

    type: str
    data: _Data


class Stripe:
    """The adapter; its calls go through a caller that checks addresses and bounds time."""

    def __init__(self, caller: Caller) -> None:
        self.caller = caller

    def create_page(self, account: Account, order: PageOrder) -> Page:
        """Make a Checkout Session in the mode `payment`."""
        item = "line_items[0]"
        form = {
            "mode": "payment",
            "success_url": order.success_url,
            "cancel_url": order.cancel_url,
            "client_reference_id": order.charge_id,
            "metadata[charge_id]": order.charge_id,
            "payment_intent_data[metadata][charge_id]": order.charge_id,
            f"{item}[quantity]": "1",
            f"{item}[price_data][currency]": order.currency.lower(),
            f"{item}[price_data][unit_amount]": str(order.amount),
            f"{item}[price_data][product_data][name]": order.description[:MAX_DESCRIPTION_LENGTH],
        }
        if order.language in LANGUAGES:
            form["locale"] = order.language
        made = self._post(account, "/v1/checkout/sessions", form, order.charge_id, _Session)
        if made.url is None or urlsplit(made.url).scheme not in ("http", "https"):
            raise CallFailed("malformed")
        return Page(made.id, made.url)

    def refund(self, account: Account, order: RefundOrder) -> Report:
        """Refund a part of a payment, or all of it."""
        form = {
            "payment_intent": order.payment_ref,
            "amount": str(order.amount),
            "metadata[charge_id]": order.charge_id,
        }
        made = self._post(account, "/v1/refunds", form, order.charge_id, _Refund)
        return _report_refund(made, order.charge_id)

    def read_callback(
        self, account: Account, body: bytes, signature: str, now: datetime
    ) -> Report | None:
        """Verify a callback, and return what it reports."""
        verify_signature(account.callback_secrets, body, signature, now)
        try:
            event = msgspec.json.decode(body, type=_Event)
            if event.type in _PAGE_OUTCOMES:
                return _report_page(event.type, _decode(event, _Session))
            if event.type in _REFUND_EVENTS:
                refund = _decode(event, _Refund)
                id_ = refund.metadata.get("charge_id")
                return _report_refund(refund, id_) if id_ else None
        except (msgspec.DecodeError, UnicodeDecodeError):
            raise CallbackRefused("The body is not an event of the provider.") from None
        return None

    def _post(
        self, account: Account, path: str, form: dict[str, str], key: str, kind: type[Any]
    ) -> Any:
        headers = {
            "Authorization": f"Bearer {account.secret_key}",
            "Content-Type": "application/x-www-form-urlencoded",
            "Idempotency-Key": key,
            "Stripe-Version": API_VERSION,
            "User-Agent": "Optigate",
        }
        url = account.api_url.rstrip("/") + path
        answer = self.caller.post(url, headers, urlencode(form).encode())
        try:
            return msgspec.json.decode(answer, type=kind)
        except (msgspec.DecodeError, UnicodeDecodeError):
            raise CallFailed("malformed") from None


def verify_signature(secrets: tuple[str, ...], body: bytes, header: str, now: datetime) -> None:
    """Raise CallbackRefused unless one of the secrets has signed the body a short while ago."""
    pairs = [part.strip().partition("=") for part in header.split(",")[: MAX_SIGNATURES + 1]]
    timestamp = next((value for name, _, value in pairs if name == "t"), "")
    if not (timestamp.isascii() and timestamp.isdecimal() and len(timestamp) <= 12):
        raise CallbackRefused("The signature has no timestamp.")
    if abs(now.timestamp() - int(timestamp)) > TOLERANCE.total_seconds():
        raise CallbackRefused("The signature's timestamp is more than 5 minutes away.")
    signed = timestamp.encode() + b"." + body
    expected = [hmac.digest(each.encode(), signed, hashlib.sha256).hex() for each in secrets]
    received = [value.encode() for name, _, value in pairs if name == "v1"]
    # Every pair is compared, so that the time taken says nothing.
    matches = [hmac.compare_digest(one.encode(), other) for one in expected for other in received]
    if not any(matches):
        raise CallbackRefused(WRONG_SIGNATURE)


def _decode(event: _Event, kind: type[Any]) -> Any:
    return msgspec.json.decode(event.data.object, type=kind)


def _report_page(type_: str, session: _Session) -> Report | None:
    if not session.client_reference_id:
        return None
    # A payment that takes days completes the page first: `unpaid` until it is over.
    is_open = type_ == _COMPLETED and session.payment_status == "unpaid"
    return Report(
        charge_id=session.client_reference_id,
        outcome=None if is_open else _PAGE_OUTCOMES[type_],
        ref=session.id,
        payment_ref=session.payment_intent,
        amount=session.amount_total,
        currency=session.currency and session.currency.upper(),
    )


def _report_refund(refund: _Refund, charge_id: str) -> Report:
    return Report(
        charge_id=charge_id,
        outcome=_REFUND_OUTCOMES.get(refund.status or ""),
        ref=refund.id,
        amount=refund.amount,
        currency=refund.currency and refund.currency.upper(),
        is_refund=True,
    )
