"""What a shop changes of a subscription that lives, over HTTP, on both engines."""

from typing import Any

import pytest
from flask.testing import FlaskClient

from tests.gateway.subscription_calls import SHOP, URL, get, read_refusal, read_violations, send
from tests.serving import Served
from tests.subscriptions_svc.links import send as send_link
from tests.subscriptions_svc.shop import UNKNOWN, create_activated, list_lenses, solicit
from tests.subscriptions_svc.shopper import NOON


@pytest.fixture
def active(subscriptions: Served, body: Any) -> Any:
    """An active subscription, and the address of its calls."""
    with subscriptions.clock.at(NOON):
        yield create_activated(subscriptions, body, NOON)


def test_the_customer_changes(http: FlaskClient, active: Any) -> None:
    own = f"{URL}/{active.id}"
    answer = send(http, {"given_names": "Iván", "email": None}, f"{own}/update_customer_info")
    assert answer.status_code == 200
    assert answer.get_json() == get(http, own)
    customer = answer.get_json()["customer"]
    assert (customer["full_name"], customer["email"]) == ("Iván Doe Jr", "john@example.com")
    wrong = send(http, {"email": "nobody"}, f"{own}/update_customer_info")
    assert [source for source, _ in read_violations(wrong, 422, "invalid")] == ["email"]
    for malformed in ({}, {"name": "x"}, {"city": 7}):
        answer = send(http, malformed, f"{own}/update_customer_info")
        assert read_refusal(answer, 400)["errors"][0]["code"] == "malformed"


def test_a_lens_changes(http: FlaskClient, active: Any) -> None:
    left, _ = list_lenses(active)
    items = f"{URL}/{active.id}/cart_items"
    url = f"{items}/{left.reference_uuid}/change_graduation"
    answer = send(http, {"name": "-2.25", "reference": "CL-2"}, url)
    (package,) = get(http, f"{URL}/{active.id}")["last_persisted_cart"]["cart_items"]
    assert (answer.status_code, answer.get_json()) == (200, package["items"][0])
    assert (package["items"][0]["name"], package["items"][0]["reference"]) == ("-2.25", "CL-2")
    whole = f"{items}/{package['reference_uuid']}/change_graduation"
    wrong = send(http, {"name": "x"}, whole)
    assert read_violations(wrong, 422, "invalid") == [
        ("reference_uuid", "Must be of a contact lens of the cart.")
    ]
    missing = send(http, {"name": "x"}, f"{items}/{UNKNOWN}/change_graduation")
    assert read_refusal(missing, 404)["errors"][0]["code"] == "not_found"


def test_the_sms_count_is_reset(http: FlaskClient, subscriptions: Served, body: Any) -> None:
    made = solicit(subscriptions, body)
    own = f"{URL}/{made.id}"
    refused = read_refusal(send(http, {}, f"{own}/reset_sms_count"), 422)
    assert refused["errors"][0]["code"] == "invalid"
    send_link(subscriptions, "SendSms", made.id)
    answer = http.post(f"{own}/reset_sms_count", headers=SHOP)
    assert (answer.status_code, answer.get_json()) == (200, get(http, own))
    actions = answer.get_json()["available_actions"]
    assert (actions["send_sms"], actions["resend_sms"]) == (True, False)


def test_the_period_is_extended(http: FlaskClient, active: Any) -> None:
    own = f"{URL}/{active.id}"
    answer = send(http, {"months": 24}, f"{own}/extend_period")
    assert (answer.status_code, answer.get_json()) == (200, get(http, own))
    assert answer.get_json()["available_actions"]["extend_period"] is False
    for malformed in ({}, {"months": 0}, {"months": "1"}, {"months": 10**30}):
        answer = send(http, malformed, f"{own}/extend_period")
        assert [source for source, _ in read_violations(answer, 400, "malformed")] == ["months"]
    refused = read_refusal(send(http, {"months": 1}, f"{own}/extend_period"), 422)
    assert refused["errors"][0]["code"] == "invalid"
