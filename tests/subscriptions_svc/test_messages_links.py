"""The cart link by e-mail and SMS: who gets it, when, how often, and in which language."""

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from typing import Any

import grpc
import pytest

from chassis.errors import decode
from protos.subscriptions_pb2 import (
    RecordPaymentRequest,
    SendEmailRequest,
    SendSmsRequest,
    Subscription,
    UpdateProductsRequest,
)
from subscriptions_svc import reference, store
from tests.serving import Served
from tests.subscriptions_svc.shop import (
    OTHERS,
    UNKNOWN,
    activated,
    confirmed,
    end,
    get,
    solicited,
)

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
REQUESTS = {"SendEmail": SendEmailRequest, "SendSms": SendSmsRequest}


def send(served: Served, rpc: str, subscription_id: str, who: str = "client", **more: Any) -> str:
    answer = served.call(rpc, REQUESTS[rpc](subscription_id=subscription_id), who, **more)
    return str(answer.message)


def refused(served: Served, rpc: str, subscription_id: str, who: str = "client") -> tuple[str, str]:
    failure = served.refusal(rpc, REQUESTS[rpc](subscription_id=subscription_id), who)
    return failure.reason, failure.message


def kept(served: Served, cart_id: str) -> list[Any]:
    with served.database.read() as tx:
        of = store.messages.select().where(store.messages.c.cart_id == cart_id)
        return list(tx.execute(of.order_by(store.messages.c.created_at)).all())


def waiting(served: Served, body: Any, **changes: Any) -> Subscription:
    """A subscription that waits for its payment: the state in which e-mails are sent."""
    made = solicited(served, body, **changes)
    end(served, made.id, "waiting_for_payment")
    return made


def actions(served: Served, subscription_id: str) -> set[str]:
    allowed = get(served, subscription_id).available_actions
    return {field.name for field, _ in allowed.ListFields() if "s" in field.name} & {
        "send_sms",
        "resend_sms",
        "send_cart_link_email",
    }


def mexican(served: Served) -> dict[str, str]:
    """A merchant in Mexico, where e-mails are sent from the beginning."""
    merchant = {
        "id": "optica_mx",
        "store_refs": ["centro"],
        "locale": "es-MX",
        "currency": "MXN",
        "country": "MX",
        "time_zone": "America/Mexico_City",
    }
    load(served, merchant)
    return {"id": "optica_mx", "store_ref": "centro"}


def load(served: Served, *merchants: dict[str, Any]) -> None:
    tables = {
        "merchants": list(merchants),
        "references": [
            {
                "account": "demo-merchant",
                "merchants": ["tienda_moderna", *(each["id"] for each in merchants)],
            }
        ],
    }
    with served.database.write() as tx:
        reference.load(tx, reference.REFERENCE.load(tables))
    served.refresh_cache()


def test_it_works(subscriptions: Served, body: Any) -> None:
    made = waiting(subscriptions, body)
    with subscriptions.clock.at(NOON):
        assert send(subscriptions, "SendEmail", made.id) == (
            "Correo electrónico con el enlace del carrito enviado correctamente"
        )
    cart = made.last_persisted_cart
    (message,) = kept(subscriptions, cart.id)
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


def test_an_sms_is_short_and_holds_the_link(subscriptions: Served, body: Any) -> None:
    made = solicited(subscriptions, body)
    told = send(subscriptions, "SendSms", made.id)
    assert told == "SMS con el enlace del carrito enviado correctamente"
    (message,) = kept(subscriptions, made.last_persisted_cart.id)
    link = f"http://127.0.0.1:8080/s/{made.last_persisted_cart.code}"
    assert message.content == {
        "to": "679959234",
        "subject": "",
        "text": f"Tienda Moderna: consulta tu suscripción y confírmala: {link}",
        "language": "es",
        "shop": "Tienda Moderna",
    }


def test_the_first_message_makes_a_draft_sent(subscriptions: Served, body: Any) -> None:
    made = solicited(subscriptions, body)
    send(subscriptions, "SendSms", made.id)
    assert get(subscriptions, made.id).status == "sent"
    end(subscriptions, made.id, "in_progress")
    send(subscriptions, "SendSms", made.id)
    assert get(subscriptions, made.id).status == "in_progress"


def test_a_cart_has_three_sms_and_the_actions_tell(subscriptions: Served, body: Any) -> None:
    made = solicited(subscriptions, body)
    told = [actions(subscriptions, made.id)]
    for _ in range(3):
        send(subscriptions, "SendSms", made.id)
        told.append(actions(subscriptions, made.id))
    assert told == [{"send_sms"}, {"resend_sms"}, {"resend_sms"}, set()]
    before = subscriptions.rows()
    assert refused(subscriptions, "SendSms", made.id) == (
        "INVALID",
        "SMS not allowed: 3 messages with this link are the most.",
    )
    assert subscriptions.rows() == before


def test_a_cart_has_five_emails_and_the_actions_tell(subscriptions: Served, body: Any) -> None:
    made = waiting(subscriptions, body)
    for _ in range(5):
        assert "send_cart_link_email" in actions(subscriptions, made.id)
        send(subscriptions, "SendEmail", made.id)
    assert actions(subscriptions, made.id) == {"send_sms"}
    assert refused(subscriptions, "SendEmail", made.id) == (
        "INVALID",
        "Email not allowed: 5 messages with this link are the most.",
    )
    assert len(kept(subscriptions, made.last_persisted_cart.id)) == 5


def test_callers_at_once_do_not_pass_the_limit(subscriptions: Served, body: Any) -> None:
    made = solicited(subscriptions, body)

    def attempt(_: int) -> str:
        try:
            return send(subscriptions, "SendSms", made.id)
        except grpc.RpcError as error:
            return decode(error).reason

    with ThreadPoolExecutor(8) as pool:
        told = list(pool.map(attempt, range(8)))
    assert told.count("INVALID") == 5
    assert len(kept(subscriptions, made.last_persisted_cart.id)) == 3


def test_one_key_sends_once(subscriptions: Served, body: Any, unique: str) -> None:
    made = solicited(subscriptions, body)
    told = {send(subscriptions, "SendSms", made.id, idempotency_key=unique) for _ in range(3)}
    assert len(told) == 1
    assert len(kept(subscriptions, made.last_persisted_cart.id)) == 1


@pytest.mark.parametrize("status", ["draft", "sent", "in_progress"])
def test_an_email_before_payment_is_for_mexico(
    subscriptions: Served, body: Any, status: str
) -> None:
    spanish = solicited(subscriptions, body)
    end(subscriptions, spanish.id, status)
    assert refused(subscriptions, "SendEmail", spanish.id) == (
        "INVALID",
        "Email not allowed for subscription in current status",
    )
    made = solicited(subscriptions, body, merchant=mexican(subscriptions))
    end(subscriptions, made.id, status)
    send(subscriptions, "SendEmail", made.id)


@pytest.mark.parametrize("rpc", list(REQUESTS))
@pytest.mark.parametrize("status", ["activating", "active", "cancelled", "finished"])
def test_what_waits_for_nobody_is_not_sent(
    subscriptions: Served, body: Any, rpc: str, status: str
) -> None:
    made = confirmed(subscriptions, body)
    end(subscriptions, made.id, status)
    before = subscriptions.rows()
    name = {"SendEmail": "Email", "SendSms": "SMS"}[rpc]
    assert refused(subscriptions, rpc, made.id) == (
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
    made = waiting(subscriptions, lambda _: anonymous)
    assert refused(subscriptions, rpc, made.id) == (
        "INVALID",
        f"{name} not possible: there is no address of the shopper.",
    )


@pytest.mark.parametrize("rpc", list(REQUESTS))
def test_an_unknown_subscription_is_invalid_and_anothers_unauthorized(
    subscriptions: Served, body: Any, rpc: str
) -> None:
    assert refused(subscriptions, rpc, UNKNOWN)[0] == "INVALID"
    assert refused(subscriptions, rpc, "no-uuid\0")[0] == "INVALID"
    others = solicited(subscriptions, body, "other", merchant=OTHERS)
    assert refused(subscriptions, rpc, others.id)[0] == "UNAUTHENTICATED"
    assert refused(subscriptions, rpc, UNKNOWN, "")[0] == "UNAUTHENTICATED"
    assert refused(subscriptions, rpc, UNKNOWN, "staff")[0] == "FORBIDDEN"


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
    load(subscriptions, {**merchant, "country": "MX"})  # where e-mails are sent to confirm, too
    of = {"id": merchant["id"], "store_ref": "x"}
    made = solicited(subscriptions, body, merchant=of)
    send(subscriptions, "SendEmail", made.id)
    (message,) = kept(subscriptions, made.last_persisted_cart.id)
    assert message.content["subject"] == subject
    assert message.content["text"].splitlines()[0] == begin
    assert message.content["language"] == locale[:2] if locale != "ca-ES" else "en"


def test_a_cart_that_is_to_change_has_messages_of_its_own(subscriptions: Served, body: Any) -> None:
    made = activated(subscriptions, body, NOON)
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
            assert actions(subscriptions, made.id) == {"send_sms", "send_cart_link_email"}
            for _ in range(3):
                send(subscriptions, "SendSms", made.id)
            send(subscriptions, "SendEmail", made.id)
            messages = kept(subscriptions, pending.id)
            assert [each.channel for each in messages].count("sms") == 3
            mail = next(each for each in messages if each.channel == "email").content
            assert mail["subject"] == "Tienda Moderna: confirma el cambio de tu suscripción"
            assert f"/s/{pending.code}\n" in mail["text"]
    assert get(subscriptions, made.id).status == "active"


def propose(served: Served, made: Subscription) -> None:
    """A cart with the package that there is, and sunglasses."""
    request = UpdateProductsRequest(subscription_id=made.id)
    request.cart_items.add(id=made.last_persisted_cart.cart_items[0].id)
    request.cart_items.add(
        type="material_subscription",
        reference="SUN-1",
        name="Sunglasses",
        quantity=1,
        price_with_tax=12000,
    )
    served.call("UpdateProducts", request)
