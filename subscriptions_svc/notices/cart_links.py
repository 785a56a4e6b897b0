"""The cart link, sent to the shopper when the shop asks for it."""

from datetime import datetime
from typing import Any

from sqlalchemy import Connection

from chassis.errors import Invalid, NotFound
from chassis.languages import language_of
from subscriptions_svc.documents import subscriptions as documents
from subscriptions_svc.notices import phrases
from subscriptions_svc.notices import texts as messages_texts
from subscriptions_svc.notices.channels import EMAIL, SMS
from subscriptions_svc.rules.available_actions import LINKS
from subscriptions_svc.rules.subscriptions import Status
from subscriptions_svc.store import messages
from subscriptions_svc.store import subscriptions as found
from subscriptions_svc.store import transitions as moves
from subscriptions_svc.store.views import views

NAMES = {EMAIL: "Email", SMS: "SMS"}
ACTIONS = {EMAIL: ("send_cart_link_email",), SMS: ("send_sms", "resend_sms")}


def send(tx: Connection, subscription_id: str, channel: str, public_url: str, now: datetime) -> str:
    """Let a message with the link of the cart that waits be sent; gives what the shop is told.

    Raises Invalid when there is no such subscription, its state does not allow it, the shopper has
    no address, or its cart has had all its messages.
    """
    try:
        row = found.own(tx, subscription_id, lock=True)
    except NotFound as refusal:
        raise Invalid(refusal.message) from None  # of this call alone, the source says 422
    view, name, limit = views(tx, [row], now)[0], NAMES[channel], LINKS[channel]
    to = row.email if channel == EMAIL else row.mobile_phone
    cart_id, code = waiting_cart(row)
    used_up = Invalid(f"{name} not allowed: {limit} messages with this link are the most.")
    if to is None:
        raise Invalid(f"{name} not possible: there is no address of the shopper.")
    if messages.count(tx, cart_id, channel) >= limit:
        raise used_up
    if not any(documents.actions(view)[action] for action in ACTIONS[channel]):
        raise Invalid(f"{name} not allowed for subscription in current status")
    subject, text = messages_texts.written(
        row.locale,
        channel,
        waits_for(row),
        shop=row.shop,
        name=row.given_names or "",
        link=f"{public_url}/s/{code}",
    )
    content = messages.Text(to, subject, text, language_of(row.locale), row.shop)
    if not messages.add(tx, cart_id, channel, content, limit, now):
        raise used_up
    moves.forward(tx, row.id, Status.SENT)
    return phrases.link_sent(row.locale, channel)


def waiting_cart(row: Any) -> tuple[str, str]:
    """Id and code of the cart that waits for the shopper: the one that pends, or the first."""
    if row.pending_id is not None:
        return row.pending_id, row.pending_code
    return row.cart_id, row.cart_code


def waits_for(row: Any) -> str:
    """What the cart that waits is waiting for: see messages_texts.written."""
    if row.pending_id is not None:
        return "change"
    return "payment" if row.status == Status.WAITING_FOR_PAYMENT else "confirmation"
