"""send_email and send_sms over HTTP."""

from typing import Any

import pytest
from flask.testing import FlaskClient

from tests.gateway.subscription_calls import OTHER_MERCHANT, SHOP, URL
from tests.serving import Served
from tests.subscriptions_svc.shop import UNKNOWN, set_status, solicit

TOLD = {
    "send_email": "Correo electrónico con el enlace del carrito enviado correctamente",
    "send_sms": "SMS con el enlace del carrito enviado correctamente",
}


def build_invalid(title: str) -> dict[str, Any]:
    return {"errors": [{"code": "invalid", "title": title}]}


@pytest.mark.parametrize("action", list(TOLD))
def test_it_works(http: FlaskClient, subscriptions: Served, body: Any, action: str) -> None:
    made = solicit(subscriptions, body)
    set_status(subscriptions, made.id, "waiting_for_payment")
    answer = http.post(f"{URL}/{made.id}/{action}", headers=SHOP)
    assert (answer.status_code, answer.get_json()) == (202, {"message": TOLD[action]})


def test_what_the_state_does_not_allow_is_invalid(
    http: FlaskClient, subscriptions: Served, body: Any
) -> None:
    made = solicit(subscriptions, body)
    answer = http.post(f"{URL}/{made.id}/send_email", headers=SHOP)
    assert (answer.status_code, answer.get_json()) == (
        422,
        build_invalid("Email not allowed for subscription in current status"),
    )


def test_when_the_attempts_are_used_up_it_is_invalid(
    http: FlaskClient, subscriptions: Served, body: Any
) -> None:
    made = solicit(subscriptions, body)
    url = f"{URL}/{made.id}/send_sms"
    assert [http.post(url, headers=SHOP).status_code for _ in range(4)] == [202, 202, 202, 422]
    assert http.post(url, headers=SHOP).get_json() == build_invalid(
        "SMS not allowed: 3 messages with this link are the most."
    )


def test_a_key_sends_once(http: FlaskClient, subscriptions: Served, body: Any, unique: str) -> None:
    made = solicit(subscriptions, body)
    headers = {**SHOP, "Idempotency-Key": unique}
    first, *others = (http.post(f"{URL}/{made.id}/send_sms", headers=headers) for _ in range(4))
    assert [each.status_code for each in (first, *others)] == [202] * 4
    assert {each.headers["Idempotent-Replayed"] for each in others} == {"true"}


@pytest.mark.parametrize("action", list(TOLD))
def test_callers_without_permission_are_refused(
    http: FlaskClient, subscriptions: Served, body: Any, action: str
) -> None:
    made = solicit(subscriptions, body)
    unauthorized = {"errors": [{"code": "unauthorized", "title": "Unauthorized"}]}
    for headers in ({}, OTHER_MERCHANT):
        answer = http.post(f"{URL}/{made.id}/{action}", headers=headers)
        assert (answer.status_code, answer.get_json()) == (401, unauthorized)
    answer = http.post(f"{URL}/{UNKNOWN}/{action}", headers=SHOP)
    assert (answer.status_code, answer.get_json()) == (
        422,
        build_invalid("There is no such subscription."),
    )


@pytest.mark.parametrize(
    "sent", ["{", "[]", '{"to": "me@example.com"}', '{"subscription_id": "x"}']
)
def test_a_body_with_fields_is_malformed(
    http: FlaskClient, subscriptions: Served, body: Any, sent: str
) -> None:
    made = solicit(subscriptions, body)
    answer = http.post(f"{URL}/{made.id}/send_sms", data=sent, headers=SHOP)
    assert answer.status_code == 400
    assert answer.get_json()["errors"][0]["code"] == "malformed"
    answer = http.post(f"{URL}/{made.id}/send_sms", data=sent)
    assert answer.status_code == 401
