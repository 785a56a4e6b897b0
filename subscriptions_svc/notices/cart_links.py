"""The link of a waiting cart, sent to the shopper when the shop asks for it."""

from datetime import datetime
from typing import Any

from sqlalchemy import Connection

from chassis.errors import Invalid, NotFound
from chassis.languages import find_language
from chassis.notices.messages import EMAIL, SMS, build_content
from subscriptions_svc.notices.phrases import describe_cart_link
from subscriptions_svc.notices.texts import compose_text
from subscriptions_svc.rules.available_actions import MAX_LINK_MESSAGES
from subscriptions_svc.rules.shoppers import is_deliverable, to_e164
from subscriptions_svc.rules.statuses import Status
from subscriptions_svc.store.messages import add_message, count_messages
from subscriptions_svc.store.subscriptions import find_own_subscription
from subscriptions_svc.store.transitions import move_forward
from subscriptions_svc.store.views import read_view

CHANNEL_NAMES = {EMAIL: "Email", SMS: "SMS"}
CANNOT_BE_REACHED = {
    EMAIL: "the shopper's address cannot be written to.",
    SMS: "the shopper's phone is not a phone number.",
}
CHANNEL_ACTIONS = {EMAIL: ("send_cart_link_email",), SMS: ("send_sms", "resend_sms")}


def queue_cart_link(
    tx: Connection, subscription_id: str, channel: str, public_url: str, now: datetime
) -> str:
    """Queue a message with the link of the waiting cart; returns a phrase for the shop.

    Raises Invalid when there is no such subscription, its state does not allow it, the shopper has
    no address, or the cart has had all its messages.
    """
    try:
        row = find_own_subscription(tx, subscription_id, lock=True)
    except NotFound as refusal:
        raise Invalid(refusal.message) from None  # for this call alone, the source states 422
    name, limit = CHANNEL_NAMES[channel], MAX_LINK_MESSAGES[channel]
    given = row.email if channel == EMAIL else row.mobile_phone
    cart_id, code = find_waiting_cart(row)
    used_up = Invalid(f"{name} not allowed: {limit} messages with this link are the most.")
    if given is None:
        raise Invalid(f"{name} not possible: there is no address of the shopper.")
    to = find_recipient(channel, given, row.country)
    if to is None:
        raise Invalid(f"{name} not possible: {CANNOT_BE_REACHED[channel]}")
    if count_messages(tx, cart_id, channel, row.sms_resets) >= limit:
        raise used_up
    actions = read_view(tx, row, now).find_available_actions()
    if not any(actions[action] for action in CHANNEL_ACTIONS[channel]):
        raise Invalid(f"{name} not allowed for subscription in current status")
    subject, text = compose_text(
        row.locale,
        channel,
        find_purpose(row),
        shop=row.shop,
        name=row.given_names or "",
        link=f"{public_url}/s/{code}",
    )
    content = build_content(to, subject, text, find_language(row.locale), row.shop)
    if not add_message(tx, cart_id, channel, content, limit, now, sms_resets=row.sms_resets):
        raise used_up
    move_forward(tx, row.id, Status.SENT)
    return describe_cart_link(row.locale, channel)


def find_recipient(channel: str, given: str, country: str) -> str | None:
    """Return an e-mail address, or a phone in E.164; None for what cannot be reached."""
    if channel == EMAIL:
        return given if is_deliverable(given) else None
    return to_e164(given, country)


def find_waiting_cart(row: Any) -> tuple[str, str]:
    """Return the id and code of the cart that waits for the shopper: the pending or first one."""
    if row.pending_id is not None:
        return row.pending_id, row.pending_code
    return row.cart_id, row.cart_code


def find_purpose(row: Any) -> str:
    """Return what the waiting cart waits for: see texts.compose_text."""
    if row.pending_id is not None:
        return "change"
    return "payment" if row.status == Status.WAITING_FOR_PAYMENT else "confirmation"
