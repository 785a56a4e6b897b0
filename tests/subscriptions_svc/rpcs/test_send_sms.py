"""The cart link by SMS: who gets it, when, and how often."""

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import grpc
import pytest

from subscriptions_svc.store import tables
from tests.serving import Served, decode
from tests.subscriptions_svc.links import (
    list_message_actions,
    read_messages,
    refuse_to_send,
    send,
)
from tests.subscriptions_svc.shop import (
    get,
    set_status,
    solicit,
)


def test_an_sms_is_short_and_holds_the_link(subscriptions: Served, body: Any) -> None:
    made = solicit(subscriptions, body)
    told = send(subscriptions, "SendSms", made.id)
    assert told == "SMS con el enlace del carrito enviado correctamente"
    (message,) = read_messages(subscriptions, made.last_persisted_cart.id)
    link = f"http://127.0.0.1:8080/s/{made.last_persisted_cart.code}"
    assert message.content == {
        "to": "+34679959234",
        "subject": "",
        "text": f"Tienda Moderna: consulta tu suscripción y confírmala: {link}",
        "language": "es",
        "shop": "Tienda Moderna",
    }


def test_the_first_message_makes_a_draft_sent(subscriptions: Served, body: Any) -> None:
    made = solicit(subscriptions, body)
    send(subscriptions, "SendSms", made.id)
    assert get(subscriptions, made.id).status == "sent"
    set_status(subscriptions, made.id, "in_progress")
    send(subscriptions, "SendSms", made.id)
    assert get(subscriptions, made.id).status == "in_progress"


def test_a_cart_has_three_sms_and_the_actions_tell(subscriptions: Served, body: Any) -> None:
    made = solicit(subscriptions, body)
    told = [list_message_actions(subscriptions, made.id)]
    for _ in range(3):
        send(subscriptions, "SendSms", made.id)
        told.append(list_message_actions(subscriptions, made.id))
    assert told == [{"send_sms"}, {"resend_sms"}, {"resend_sms"}, set()]
    before = subscriptions.rows()
    assert refuse_to_send(subscriptions, "SendSms", made.id) == (
        "INVALID",
        "SMS not allowed: 3 messages with this link are the most.",
    )
    assert subscriptions.rows() == before


def test_callers_at_once_do_not_pass_the_limit(subscriptions: Served, body: Any) -> None:
    made = solicit(subscriptions, body)

    def attempt(_: int) -> str:
        try:
            return send(subscriptions, "SendSms", made.id)
        except grpc.RpcError as error:
            return decode(error).reason

    with ThreadPoolExecutor(8) as pool:
        told = list(pool.map(attempt, range(8)))
    assert told.count("INVALID") == 5
    assert len(read_messages(subscriptions, made.last_persisted_cart.id)) == 3


def test_one_key_sends_once(subscriptions: Served, body: Any, unique: str) -> None:
    made = solicit(subscriptions, body)
    told = {send(subscriptions, "SendSms", made.id, idempotency_key=unique) for _ in range(3)}
    assert len(told) == 1
    assert len(read_messages(subscriptions, made.last_persisted_cart.id)) == 1


def test_an_sms_goes_to_the_number_as_it_is_dialled(subscriptions: Served, body: Any) -> None:
    for sent in ("+34 679 95 92 34", "679-959-234"):
        made = solicit(subscriptions, body, mobile_phone=sent)
        assert made.customer.phone == sent
        send(subscriptions, "SendSms", made.id)
        (message,) = read_messages(subscriptions, made.last_persisted_cart.id)
        assert message.content["to"] == "+34679959234"


@pytest.mark.parametrize("phone", ["abc", "112", "679959234\r\nX", "0"])
def test_a_phone_of_older_days_that_is_none_gets_no_sms(
    subscriptions: Served, body: Any, phone: str
) -> None:
    made = solicit(subscriptions, body)
    with subscriptions.database.write() as tx:
        of = tables.subscriptions.c.id == made.id
        tx.execute(tables.subscriptions.update().where(of).values(mobile_phone=phone))
    before = subscriptions.rows()
    assert refuse_to_send(subscriptions, "SendSms", made.id) == (
        "INVALID",
        "SMS not possible: the shopper's phone is not a phone number.",
    )
    assert subscriptions.rows() == before


def test_an_empty_phone_is_none(subscriptions: Served, body: Any) -> None:
    made = solicit(subscriptions, body, mobile_phone="")
    assert list_message_actions(subscriptions, made.id) == set()
    assert refuse_to_send(subscriptions, "SendSms", made.id) == (
        "INVALID",
        "SMS not possible: there is no address of the shopper.",
    )
