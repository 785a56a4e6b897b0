"""The page of a payment, and the callback of its provider, over HTTP on both engines."""

import re
from collections.abc import Iterator
from typing import Any

import pytest
from flask.testing import FlaskClient

from tests.serving import Served
from tests.sessions_svc.desk import configure
from tests.sessions_svc.links import RESULTS
from tests.sessions_svc.payments import PRICES, SECRET, Shop
from tests.stripe_stub import Stub, run_stub, sign


@pytest.fixture
def stub() -> Iterator[Stub]:
    """The stand-in for a provider."""
    with run_stub() as running:
        yield running


def take_exam(http: FlaskClient, shop: Shop, language: str = "en") -> str:
    """Take an acuity exam in the browser, and return the path of its page."""
    shop.create("s", "acuity-service")
    link = shop.link()
    door = http.get("/login", query_string=link)
    assert "$15.00" in door.text
    assert "You pay after the test" in door.text
    entered = http.post(f"/login?lang={language}", data={**link, "visit": "v" * 22})
    path: str = entered.headers["Location"].partition("?")[0]
    answer = http.post(f"{path}/results", json={"visual_acuity": RESULTS})
    assert answer.status_code == 204
    return path


def read_main(http: FlaskClient, path: str) -> str:
    """Return the page of the exam."""
    answer = http.get(path)
    assert (answer.status_code, answer.headers["Cache-Control"]) == (200, "no-store")
    return answer.text


def call_back(http: FlaskClient, partner: str, body: bytes, signature: str) -> Any:
    """Call as the provider does."""
    return http.post(
        f"/callbacks/payments/sessions/{partner}",
        data=body,
        headers={"Stripe-Signature": signature, "Content-Type": "application/json"},
    )


def test_a_person_pays_on_the_providers_page(
    http: FlaskClient, sessions: Served, unique: str, stub: Stub
) -> None:
    shop = Shop(sessions, unique, stub)
    path = take_exam(http, shop)
    said = read_main(http, path)
    assert re.findall(r"<button[^>]*>(.*?)</button>", said) == ["Pay $15.00"]
    assert "20/" not in said
    asked = http.post(f"{path}/checkout?lang=fr")
    assert (asked.status_code, asked.headers["Location"]) == (303, f"{path}?lang=fr")
    assert "is being prepared" in read_main(http, path)
    shop.call_provider()
    assert 'href="https://checkout.stripe.com/c/pay/cs_test_1"' in read_main(http, path)
    assert b"locale=fr" in stub.calls[0].body
    paid = stub.pay(shop.list_charges()[0].id)
    for _ in range(2):
        answer = call_back(http, unique, paid, sign(paid, SECRET))
        assert (answer.status_code, answer.get_json()) == (200, {"received": True})
    assert "Your results" in read_main(http, path)


def test_without_a_provider_the_page_says_so(
    http: FlaskClient, sessions: Served, unique: str
) -> None:
    shop = Shop(sessions, unique)
    path = take_exam(http, shop)
    said = read_main(http, path)
    assert "in the store" in said
    assert "<button" not in said
    shop.move("RecordPayment")
    assert "Your results" in read_main(http, path)


@pytest.mark.parametrize("partner", ["", "nobody", "a/b", "%00", "é" * 300])
def test_a_callback_without_a_signature_is_refused(
    http: FlaskClient, sessions: Served, partner: str
) -> None:
    before = sessions.rows()
    answer = call_back(http, partner, b"{}", "")
    assert answer.status_code == (404 if partner == "" else 400)
    assert sessions.rows() == before


def test_a_long_callback_is_refused(http: FlaskClient) -> None:
    assert call_back(http, "demo-partner", b"x" * (256 * 1024 + 1), "t=1").status_code == 413


def test_a_stranger_cannot_ask_for_a_page(http: FlaskClient, sessions: Served, unique: str) -> None:
    shop = Shop(sessions, unique)
    path = take_exam(http, shop)
    stranger = http.application.test_client()
    assert stranger.post(f"{path}/checkout").status_code == 404
    assert stranger.post("/exam/x/checkout").status_code == 404


def test_prices_of_choices_are_shown(http: FlaskClient, sessions: Served, unique: str) -> None:
    shop = Shop(sessions, unique)
    shop.create("s")
    link = shop.link()
    said = http.get("/login", query_string=link).text
    assert "$35.00" in said
    assert "$40.00" in said
    configure(sessions, unique, prices={**PRICES, "contacts": 0})
    assert "$0.00" in http.get("/login", query_string=link).text
