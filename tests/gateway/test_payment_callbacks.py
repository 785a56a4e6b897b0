"""Callbacks of payment providers over HTTP, and the link on the shopper's page."""

from collections.abc import Iterator
from typing import Any

import pytest
from flask.testing import FlaskClient

from tests.serving import Served
from tests.stripe_stub import Stub, build_event, run_stub, sign
from tests.subscriptions_svc.payments import (
    MERCHANT,
    SECRET,
    call_provider,
    confirm_by_link,
    connect,
    list_payments,
    opened_monthly,
    pay_page,
)
from tests.subscriptions_svc.shop import get, solicit

URL = f"/callbacks/payments/subscriptions/{MERCHANT}"


@pytest.fixture
def stub(subscriptions: Served) -> Iterator[Stub]:
    with run_stub() as running, opened_monthly(subscriptions):
        connect(subscriptions, running)
        yield running


def send(http: FlaskClient, body: bytes, secret: str = SECRET, url: str = URL, **more: str) -> Any:
    """Send a signed callback."""
    headers = {"Stripe-Signature": sign(body, secret), "Content-Type": "application/json", **more}
    return http.post(url, data=body, headers=headers)


def test_it_works(http: FlaskClient, subscriptions: Served, body: Any, stub: Stub) -> None:
    made = solicit(subscriptions, body)
    confirm_by_link(subscriptions, made)
    link = f"/s/{made.last_persisted_cart.code}"
    assert "Pagar ahora" not in http.get(link).text
    call_provider(subscriptions)
    (payment,) = list_payments(subscriptions, made.id)
    page = http.get(link).text
    assert f'href="{payment.page_url}"' in page
    assert "Pagar ahora" in page
    callback = pay_page(stub, payment)
    for _ in range(2):
        answer = send(http, callback)
        assert (answer.status_code, answer.get_json()) == (200, {"received": True})
    assert get(subscriptions, made.id).status == "activating"
    assert payment.page_url not in http.get(link).text


@pytest.mark.parametrize(
    "body", [b"", b"\xef\xbb\xbf{}", b"\xff\0", b'{"a":1}', b"[1", b"a=1&b=2", b"<a/>"]
)
def test_every_byte_is_signed_and_handed_on(http: FlaskClient, stub: Stub, body: bytes) -> None:
    answer = send(http, body)
    assert answer.status_code == 400
    assert "not an event" in answer.text
    assert "does not match" in send(http, body, secret="whsec_of_another").text


@pytest.mark.parametrize("kind", ["application/x-www-form-urlencoded", "text/plain", "x", ""])
def test_any_content_type_is_taken(http: FlaskClient, stub: Stub, kind: str) -> None:
    body = build_event("customer.created", {"id": "cus_1"})
    assert send(http, body, **{"Content-Type": kind}).status_code == 200


def test_a_long_body_is_refused(http: FlaskClient, stub: Stub) -> None:
    assert send(http, b"x" * (256 * 1024 + 1)).status_code == 413


@pytest.mark.parametrize(
    ("url", "status"),
    [
        ("/callbacks/payments/subscriptions/nobody", 400),
        ("/callbacks/payments/subscriptions/a%2Fb/c", 400),
        ("/callbacks/payments/subscriptions/%00", 400),
        ("/callbacks/payments/subscriptions/" + "x" * 3000, 400),
        ("/callbacks/payments/orders/demo-client", 404),
        ("/callbacks/payments/subscriptions/", 404),
    ],
    ids=map(str, range(6)),
)
def test_other_addresses_are_refused(http: FlaskClient, stub: Stub, url: str, status: int) -> None:
    answer = send(http, b"{}", url=url)
    assert answer.status_code == status


def test_a_get_is_none(http: FlaskClient) -> None:
    assert http.get(URL).status_code == 405
