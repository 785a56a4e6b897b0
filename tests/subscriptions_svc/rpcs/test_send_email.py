"""The cart link by e-mail: who gets it, when, how often, and in which language."""

from typing import Any

import pytest

from chassis.notices.mail import build_mail
from chassis.notices.messages import build_message
from protos.subscriptions_pb2 import (
    RecordPaymentRequest,
)
from subscriptions_svc.store import tables
from tests.serving import Served
from tests.subscriptions_svc.links import (
    NOON,
    REQUESTS,
    list_message_actions,
    load_merchants,
    load_mexican_merchant,
    read_messages,
    refuse_to_send,
    send,
    wait_for_payment,
)
from tests.subscriptions_svc.shop import (
    OTHER_STORE,
    UNKNOWN,
    build_solicitation,
    create_activated,
    create_confirmed,
    get,
    propose,
    set_status,
    solicit,
)


def test_it_works(subscriptions: Served, body: Any) -> None:
    made = wait_for_payment(subscriptions, body)
    with subscriptions.clock.at(NOON):
        assert send(subscriptions, "SendEmail", made.id) == (
            "Correo electrónico con el enlace del carrito enviado correctamente"
        )
    cart = made.last_persisted_cart
    (message,) = read_messages(subscriptions, cart.id)
    assert (message.channel, message.created_at, message.due_at) == ("email", NOON, NOON)
    assert message.content == {
        "to": "john@example.com",
        "subject": "Tienda Moderna: tu suscripción está pendiente de pago",
        "text": (
            "Hola, John:\n\n"
            "Has confirmado tu suscripción en Tienda Moderna. Empezará en cuanto llegue tu pago. "
            "En esta página ves qué incluye y cuánto cuesta al mes:\n\n"
            f"http://127.0.0.1:8080/s/{cart.code}\n\n"
            "El enlace es solo para ti. Si no has pedido nada, no tienes que hacer nada.\n\n"
            "Tienda Moderna\n"
        ),
        "language": "es",
        "shop": "Tienda Moderna",
    }


def test_a_cart_has_five_emails_and_the_actions_tell(subscriptions: Served, body: Any) -> None:
    made = wait_for_payment(subscriptions, body)
    for _ in range(5):
        assert "send_cart_link_email" in list_message_actions(subscriptions, made.id)
        send(subscriptions, "SendEmail", made.id)
    assert list_message_actions(subscriptions, made.id) == {"send_sms"}
    assert refuse_to_send(subscriptions, "SendEmail", made.id) == (
        "INVALID",
        "Email not allowed: 5 messages with this link are the most.",
    )
    assert len(read_messages(subscriptions, made.last_persisted_cart.id)) == 5


@pytest.mark.parametrize("status", ["draft", "sent", "in_progress"])
def test_an_email_before_payment_is_for_mexico(
    subscriptions: Served, body: Any, status: str
) -> None:
    spanish = solicit(subscriptions, body)
    set_status(subscriptions, spanish.id, status)
    assert refuse_to_send(subscriptions, "SendEmail", spanish.id) == (
        "INVALID",
        "Email not allowed for subscription in current status",
    )
    made = solicit(
        subscriptions,
        body,
        merchant=load_mexican_merchant(subscriptions),
        mobile_phone="+34679959234",
    )
    set_status(subscriptions, made.id, status)
    send(subscriptions, "SendEmail", made.id)


@pytest.mark.parametrize("rpc", list(REQUESTS))
@pytest.mark.parametrize("status", ["activating", "active", "cancelled", "finished"])
def test_a_message_whose_cart_no_longer_waits_is_not_sent(
    subscriptions: Served, body: Any, rpc: str, status: str
) -> None:
    made = create_confirmed(subscriptions, body)
    set_status(subscriptions, made.id, status)
    before = subscriptions.rows()
    name = {"SendEmail": "Email", "SendSms": "SMS"}[rpc]
    assert refuse_to_send(subscriptions, rpc, made.id) == (
        "INVALID",
        f"{name} not allowed for subscription in current status",
    )
    assert subscriptions.rows() == before


@pytest.mark.parametrize(
    ("rpc", "field", "name"), [("SendEmail", "email", "Email"), ("SendSms", "mobile_phone", "SMS")]
)
def test_without_an_address_nothing_is_sent(
    subscriptions: Served, body: Any, rpc: str, field: str, name: str
) -> None:
    anonymous = {key: value for key, value in body("subscription").items() if key != field}
    made = wait_for_payment(subscriptions, lambda _: anonymous)
    assert refuse_to_send(subscriptions, rpc, made.id) == (
        "INVALID",
        f"{name} not possible: there is no address of the shopper.",
    )


@pytest.mark.parametrize("rpc", list(REQUESTS))
def test_an_unknown_subscription_is_invalid_and_anothers_unauthorized(
    subscriptions: Served, body: Any, rpc: str
) -> None:
    assert refuse_to_send(subscriptions, rpc, UNKNOWN)[0] == "INVALID"
    assert refuse_to_send(subscriptions, rpc, "no-uuid\0")[0] == "INVALID"
    others = solicit(subscriptions, body, "other", merchant=OTHER_STORE)
    assert refuse_to_send(subscriptions, rpc, others.id)[0] == "UNAUTHENTICATED"
    assert refuse_to_send(subscriptions, rpc, UNKNOWN, "")[0] == "UNAUTHENTICATED"
    assert refuse_to_send(subscriptions, rpc, UNKNOWN, "staff")[0] == "FORBIDDEN"


@pytest.mark.parametrize(
    ("locale", "subject", "begin"),
    [
        ("en-GB", "Optik: please confirm your subscription", "Hello John,"),
        ("pt-PT", "Optik: confirme a sua subscrição", "Olá, John,"),
        ("de-AT", "Optik: Bitte bestätigen Sie Ihr Abo", "Guten Tag John,"),
        ("it-IT", "Optik: conferma il tuo abbonamento", "Buongiorno John,"),
        ("fr-FR", "Optik : confirmez votre abonnement", "Bonjour John,"),
        ("ca-ES", "Optik: please confirm your subscription", "Hello John,"),
    ],
)
def test_the_merchants_language_is_written(
    subscriptions: Served, body: Any, locale: str, subject: str, begin: str
) -> None:
    merchant = {"id": f"optik_{locale}", "name": "Optik", "store_refs": ["x"], "locale": locale}
    load_merchants(
        subscriptions, {**merchant, "country": "MX"}
    )  # where e-mails are sent to confirm, too
    of = {"id": merchant["id"], "store_ref": "x"}
    made = solicit(subscriptions, body, merchant=of, mobile_phone="+34679959234")
    send(subscriptions, "SendEmail", made.id)
    (message,) = read_messages(subscriptions, made.last_persisted_cart.id)
    assert message.content["subject"] == subject
    assert message.content["text"].splitlines()[0] == begin
    assert message.content["language"] == locale[:2] if locale != "ca-ES" else "en"


def test_a_cart_that_is_to_change_has_messages_of_its_own(subscriptions: Served, body: Any) -> None:
    made = create_activated(subscriptions, body, NOON)
    with subscriptions.clock.at(NOON):
        subscriptions.call(
            "RecordPayment",
            RecordPaymentRequest(subscription_id=made.id, successful=True),
            "staff",
            desk=True,
        )
        for _ in range(2):
            propose(subscriptions, made)
            pending = get(subscriptions, made.id).pending_cart
            assert list_message_actions(subscriptions, made.id) == {
                "send_sms",
                "send_cart_link_email",
            }
            for _ in range(3):
                send(subscriptions, "SendSms", made.id)
            send(subscriptions, "SendEmail", made.id)
            messages = read_messages(subscriptions, pending.id)
            assert [each.channel for each in messages].count("sms") == 3
            mail = next(each for each in messages if each.channel == "email").content
            assert mail["subject"] == "Tienda Moderna: confirma el cambio de tu suscripción"
            assert f"/s/{pending.code}\n" in mail["text"]
    assert get(subscriptions, made.id).status == "active"


UNDELIVERABLE = (
    "é" * 33 + "@example.com",
    "x" * 65 + "@example.com",
    "a@" + ".".join(["ü" * 45] * 5) + ".es",
    "a@" + "x" * 64 + ".com",
    "a..b@example.com",
    "no address",
    "",
)


@pytest.mark.parametrize("address", UNDELIVERABLE)
def test_what_can_never_be_sent_is_not_said_to_be_sent(
    subscriptions: Served, body: Any, address: str
) -> None:
    made = wait_for_payment(subscriptions, body)
    of = tables.subscriptions.c.id == made.id
    with subscriptions.database.write() as tx:  # as an older version has accepted it
        tx.execute(tables.subscriptions.update().where(of).values(email=address))
    assert "send_cart_link_email" not in list_message_actions(subscriptions, made.id)
    assert refuse_to_send(subscriptions, "SendEmail", made.id) == (
        "INVALID",
        "Email not possible: the shopper's address cannot be written to.",
    )
    assert read_messages(subscriptions, made.last_persisted_cart.id) == []


@pytest.mark.parametrize("address", [each for each in UNDELIVERABLE if each])
def test_such_an_address_is_refused_when_it_is_given(
    subscriptions: Served, body: Any, address: str
) -> None:
    failure = subscriptions.refusal("CreateSubscription", build_solicitation(body, email=address))
    assert (failure.reason, [fault.path for fault in failure.faults]) == ("INVALID", ["email"])


@pytest.mark.parametrize(
    "address",
    [
        *("john@example.com", "a+b@example.com", "x" * 64 + "@example.com", "a@münchen.de"),
        *("josé@example.com", "é" * 32 + "@example.com", "用户@例子.中国"),
    ],
)
def test_what_is_said_to_be_sent_can_be_written(
    subscriptions: Served, body: Any, address: str
) -> None:
    made = wait_for_payment(subscriptions, body, email=address)
    send(subscriptions, "SendEmail", made.id)
    (message,) = read_messages(subscriptions, made.last_persisted_cart.id)
    mail = build_mail(build_message(message), "shop@example.com")
    mail.as_bytes().decode("ascii" if address.partition("@")[0].isascii() else "utf-8")
    assert mail["To"].addresses[0].username == address.partition("@")[0]
