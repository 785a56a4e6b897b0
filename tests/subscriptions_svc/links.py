"""Cart links sent to shoppers: sent, refused, and read from the store."""

from datetime import UTC, datetime
from typing import Any

from protos.subscriptions_pb2 import (
    SendEmailRequest,
    SendSmsRequest,
    Subscription,
)
from subscriptions_svc import reference
from subscriptions_svc.store import tables as store
from subscriptions_svc.store.messages import QUEUE
from tests.serving import Served
from tests.subscriptions_svc.shop import (
    get,
    set_status,
    solicit,
)

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
REQUESTS = {"SendEmail": SendEmailRequest, "SendSms": SendSmsRequest}


def send(served: Served, rpc: str, subscription_id: str, who: str = "client", **more: Any) -> str:
    """Send the link of the waiting cart; return the phrase for the shop."""
    answer = served.call(rpc, REQUESTS[rpc](subscription_id=subscription_id), who, **more)
    return str(answer.message)


def refuse_to_send(
    served: Served, rpc: str, subscription_id: str, who: str = "client"
) -> tuple[str, str]:
    """Return reason and message of the refusal to send a link."""
    failure = served.refusal(rpc, REQUESTS[rpc](subscription_id=subscription_id), who)
    return failure.reason, failure.message


def read_messages(served: Served, cart_id: str) -> list[Any]:
    """Return the messages of a cart, oldest first."""
    with served.database.read() as tx:
        of = store.messages.select().where(store.messages.c.cart_id == cart_id)
        rows = tx.execute(of.order_by(store.messages.c.created_at)).all()
        return list(QUEUE.personal.open_all(tx, rows))


def wait_for_payment(served: Served, body: Any, **changes: Any) -> Subscription:
    """A subscription that waits for its payment: the state in which e-mails are sent."""
    made = solicit(served, body, **changes)
    set_status(served, made.id, "waiting_for_payment")
    return made


def list_message_actions(served: Served, subscription_id: str) -> set[str]:
    """Return the messages that a subscription allows."""
    allowed = get(served, subscription_id).available_actions
    return {field.name for field, _ in allowed.ListFields() if "s" in field.name} & {
        "send_sms",
        "resend_sms",
        "send_cart_link_email",
    }


def load_mexican_merchant(served: Served) -> dict[str, str]:
    """A merchant in Mexico, where e-mails are sent from the beginning."""
    merchant = {
        "id": "optica_mx",
        "store_refs": ["centro"],
        "locale": "es-MX",
        "currency": "MXN",
        "country": "MX",
        "time_zone": "America/Mexico_City",
    }
    load_merchants(served, merchant)
    return {"id": "optica_mx", "store_ref": "centro"}


def load_merchants(served: Served, *merchants: dict[str, Any]) -> None:
    """Load merchants that the demo account acts for as well."""
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
