"""The adapter for Stripe: what is called, and which callbacks are believed."""

import json
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from urllib.parse import parse_qsl

import pytest

from chassis.payments.calls import Caller
from chassis.payments.providers import (
    Account,
    CallbackRefused,
    CallFailed,
    Page,
    PageOrder,
    RefundOrder,
    Report,
)
from chassis.payments.stripe import Stripe
from tests.chassis.events.receiver import (
    Answering,
    answer_endlessly,
    answer_nonsense,
    answer_status,
    drip,
    hang,
    redirect,
    reset,
)
from tests.stripe_stub import Stub, answer_json, build_event, fail, run_stub, sign

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
SECRETS = ("whsec_old_one_that_goes", "whsec_new_one_that_stays")
ORDER = PageOrder(
    "charge-1", 1458, "EUR", "Óptica · month 1", "https://shop/ok", "https://shop/no", "es"
)
REFUND = RefundOrder("charge-2", 458, "EUR", "pi_1")


@pytest.fixture
def stub() -> Iterator[Stub]:
    with run_stub() as running:
        yield running


def account(stub: Stub) -> Account:
    """An owner's account at the stand-in."""
    return Account("tienda", "stripe", stub.url, stub.secret_key, SECRETS)


def adapter(timeout: float = 5) -> Stripe:
    """The adapter, allowed to call this machine."""
    return Stripe(Caller(private=True, timeout=timeout))


def test_it_works(stub: Stub) -> None:
    page = adapter().create_page(account(stub), ORDER)
    assert page == Page("cs_test_1", "https://checkout.stripe.com/c/pay/cs_test_1")
    (call,) = stub.calls
    assert (call.method, call.path) == ("POST", "/v1/checkout/sessions")
    assert call.headers["authorization"] == f"Bearer {stub.secret_key}"
    assert call.headers["idempotency-key"] == "charge-1"
    assert call.headers["content-type"] == "application/x-www-form-urlencoded"
    assert dict(parse_qsl(call.body.decode())) == {
        "mode": "payment",
        "success_url": "https://shop/ok",
        "cancel_url": "https://shop/no",
        "client_reference_id": "charge-1",
        "metadata[charge_id]": "charge-1",
        "payment_intent_data[metadata][charge_id]": "charge-1",
        "line_items[0][quantity]": "1",
        "line_items[0][price_data][currency]": "eur",
        "line_items[0][price_data][unit_amount]": "1458",
        "line_items[0][price_data][product_data][name]": "Óptica · month 1",
        "locale": "es",
    }


def test_the_same_order_returns_the_same_page(stub: Stub) -> None:
    pages = [adapter().create_page(account(stub), ORDER) for _ in range(2)]
    assert pages[0] == pages[1]
    assert len(stub.sessions) == 1


def test_a_refund_is_made_or_on_its_way(stub: Stub) -> None:
    made = adapter().refund(account(stub), REFUND)
    assert made == Report("charge-2", "refunded", "re_1", None, 458, "EUR", is_refund=True)
    assert dict(parse_qsl(stub.calls[0].body.decode())) == {
        "payment_intent": "pi_1",
        "amount": "458",
        "metadata[charge_id]": "charge-2",
    }
    stub.refund_status = "pending"
    assert adapter().refund(account(stub), replace(REFUND, charge_id="c3")).outcome is None


@pytest.mark.parametrize(
    ("answering", "reason", "lasting"),
    [
        (hang, "timeout", False),
        (drip, "timeout", False),
        (answer_endlessly, "answer too long", False),
        (reset, "unreachable", False),
        (answer_nonsense, "unreachable", False),
        (answer_status(500), "status 500", False),
        (answer_status(429), "status 429", False),
        (answer_status(409), "status 409", False),
        (redirect(307, "/elsewhere"), "status 307", False),
        (fail(400, "invalid_request_error", "No such currency."), "status 400", True),
        (fail(402, "card_error", "Declined."), "status 402", True),
        (answer_json(200, b"<html>"), "malformed", False),
        (answer_json(200, b"\xff\xfe"), "malformed", False),
        (answer_json(200, []), "malformed", False),
        (answer_json(200, {"id": 7, "url": "https://x/"}), "malformed", False),
        (answer_json(200, {"id": "cs_1"}), "malformed", False),
        (answer_json(200, {"id": "cs_1", "url": "javascript:alert(1)"}), "malformed", False),
        (answer_json(200, b""), "malformed", False),
    ],
    ids=map(str, range(18)),
)
def test_a_call_that_fails_says_why(
    stub: Stub, answering: Answering, reason: str, lasting: bool
) -> None:
    stub.answers = [answering]
    with pytest.raises(CallFailed) as failed:
        adapter(timeout=0.5 if reason == "timeout" else 5).create_page(account(stub), ORDER)
    assert (failed.value.reason, failed.value.lasting) == (reason, lasting)


def test_a_wrong_key_may_be_corrected(stub: Stub) -> None:
    with pytest.raises(CallFailed) as failed:
        adapter().create_page(replace(account(stub), secret_key="sk_wrong_key"), ORDER)
    assert (failed.value.reason, failed.value.lasting) == ("status 401", False)


def test_no_call_goes_to_a_private_address(stub: Stub) -> None:
    with pytest.raises(CallFailed, match="private"):
        Stripe(Caller()).create_page(account(stub), ORDER)
    assert stub.calls == []


def receive(stub: Stub, body: bytes, header: str, now: datetime = NOW) -> Report | None:
    """Read a callback."""
    return adapter().read_callback(account(stub), body, header, now)


@pytest.mark.parametrize("secret", SECRETS)
def test_a_paid_page_is_reported_under_each_secret(stub: Stub, secret: str) -> None:
    adapter().create_page(account(stub), ORDER)
    body = stub.pay("charge-1")
    assert receive(stub, body, sign(body, secret, NOW.timestamp())) == Report(
        "charge-1", "taken", "cs_test_1", "pi_1", 1458, "EUR"
    )


@pytest.mark.parametrize(
    ("type_", "more", "outcome"),
    [
        ("checkout.session.completed", {"payment_status": "unpaid"}, None),
        ("checkout.session.completed", {"payment_status": "no_payment_required"}, "taken"),
        ("checkout.session.async_payment_succeeded", {}, "taken"),
        ("checkout.session.async_payment_failed", {}, "failed"),
        ("checkout.session.expired", {}, "expired"),
        ("refund.updated", {"status": "pending"}, None),
        ("refund.updated", {"status": "succeeded"}, "refunded"),
        ("refund.failed", {"status": "failed"}, "failed"),
        ("charge.refund.updated", {"status": "canceled"}, "failed"),
    ],
)
def test_what_callbacks_report(
    stub: Stub, type_: str, more: dict[str, str], outcome: str | None
) -> None:
    about = {"id": "x", "client_reference_id": "c1", "metadata": {"charge_id": "c1"}, **more}
    body = build_event(type_, about)
    found = receive(stub, body, sign(body, SECRETS[0], NOW.timestamp()))
    assert found == Report("c1", outcome, "x", is_refund="refund" in type_)


@pytest.mark.parametrize(
    ("type_", "about"),
    [
        ("customer.created", {"id": "cus_1"}),
        ("checkout.session.completed", {"id": "cs_of_somebody", "client_reference_id": None}),
        ("refund.updated", {"id": "re_by_hand", "metadata": {}}),
    ],
    ids=["customer", "session", "refund"],
)
def test_what_is_none_of_ours_reports_nothing(
    stub: Stub, type_: str, about: dict[str, object]
) -> None:
    body = build_event(type_, about)
    assert receive(stub, body, sign(body, SECRETS[0], NOW.timestamp())) is None


BODY = build_event("checkout.session.completed", {"id": "x", "client_reference_id": "c1"})
GOOD = sign(BODY, SECRETS[0], NOW.timestamp())


@pytest.mark.parametrize(
    "header",
    [
        "",
        "t=,v1=",
        "nonsense",
        GOOD.replace("v1=", "v0="),
        GOOD.replace("t=", "t=1"),
        GOOD.replace("t=", "t=-"),
        GOOD.replace("t=", "t=٣"),
        GOOD.split(",")[0],
        GOOD.split(",")[1],
        GOOD + "\0",
        "é" * 1000,
        "t=" + "9" * 400 + ",v1=a",
        ",".join(["v1=a"] * 100_000),
        sign(BODY, "whsec_of_another_merchant", NOW.timestamp()),
        sign(BODY + b" ", SECRETS[0], NOW.timestamp()),
    ],
    ids=map(str, range(15)),
)
def test_other_signatures_are_refused(stub: Stub, header: str) -> None:
    if header == GOOD + "\0":
        assert receive(stub, BODY, header) is not None  # in the scheme that nobody reads
        return
    with pytest.raises(CallbackRefused):
        receive(stub, BODY, header)


@pytest.mark.parametrize("minutes", [-5.1, 5.1, 60 * 24 * 365])
def test_an_old_or_early_callback_is_refused(stub: Stub, minutes: float) -> None:
    assert receive(stub, BODY, GOOD, NOW + timedelta(minutes=4.9)) is not None
    with pytest.raises(CallbackRefused):
        receive(stub, BODY, GOOD, NOW + timedelta(minutes=minutes))


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"[]",
        b"null",
        b"\xff",
        b'{"type":"checkout.session.completed"}',
        b'{"type":"checkout.session.completed","data":{"object":7}}',
        b'{"type":7,"data":{"object":{}}}',
        json.dumps({"type": "refund.updated", "data": {"object": {"id": None}}}).encode(),
        b"[" * 100_000,
    ],
    ids=map(str, range(9)),
)
def test_a_signed_body_that_is_no_event_is_refused(stub: Stub, body: bytes) -> None:
    with pytest.raises(CallbackRefused):
        receive(stub, body, sign(body, SECRETS[0], NOW.timestamp()))
