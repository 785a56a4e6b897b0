"""The actions that the state of a subscription allows; its RPCs refuse all others."""

from datetime import datetime
from typing import NamedTuple

from subscriptions_svc.rules.agreements.terms import MAX_RENEWAL_MONTHS
from subscriptions_svc.rules.settling.withdrawals import Progress, is_free
from subscriptions_svc.rules.shoppers import is_deliverable
from subscriptions_svc.rules.statuses import (
    CONFIRMED,
    LIVE,
    UNCONFIRMED,
    PaymentStatus,
    Status,
)

MAX_LINK_MESSAGES = {"email": 5, "sms": 3}  # messages with the link of one cart
MAX_SMS_RESETS = 3  # of one subscription: a shopper gets no SMS without end


class State(NamedTuple):
    """What decides which actions a subscription allows.

    Counted are messages with the link of the waiting cart, items whose exchange is due, items not
    handed over, items handed over that are not contact lenses, and boxes left in the current
    subscription year. `has_room` is true while the cart may take one more item. `renewal_months`
    are those that it is renewed for at most.
    """

    status: Status
    progress: Progress
    payment_status: PaymentStatus
    country: str
    email: str | None
    has_phone: bool
    email_count: int
    sms_count: int
    sms_resets: int
    renewal_months: int
    has_pending_cart: bool
    has_room: bool
    has_lenses: bool
    exchangeable_items: int
    pending_items: int
    active_materials: int
    remaining_boxes: int


def find_available_actions(state: State, now: datetime) -> dict[str, bool]:
    """Return whether each action is allowed at `now`."""
    live, unconfirmed = state.status in LIVE, state.status in UNCONFIRMED
    confirmed = state.progress.confirmed_at is not None and state.status in CONFIRMED
    active = confirmed and state.status == Status.ACTIVE
    return {
        "cancel": live and not is_free(state.progress, now),  # a full one, with its summary
        "withdraw": live,  # end it: the service picks early withdrawal or full cancellation
        **_find_message_actions(state, unconfirmed=unconfirmed, active=active),
        "add_product": active and state.has_room,  # whatever the payment status
        "change_item": (
            active and state.payment_status == PaymentStatus.PAID and state.exchangeable_items > 0
        ),
        "activate_product": confirmed and state.pending_items > 0,
        "use_warranty": confirmed and state.active_materials > 0,  # never for a contact lens
        "deliver_boxes": confirmed and state.remaining_boxes > 0,  # even before the activation
        "update_customer_info": live,
        "update_payment_info": False,  # no card or account is kept here
        "change_graduation": confirmed and state.has_lenses,
        "receive_gift_kit": False,  # there are none here
        "extend_period": active and state.renewal_months < MAX_RENEWAL_MONTHS,
    }


def _find_message_actions(state: State, *, unconfirmed: bool, active: bool) -> dict[str, bool]:
    """Return which messages with the link of the waiting cart may be sent."""
    changing = active and state.has_pending_cart
    may_text = (unconfirmed or changing) and state.has_phone
    # Before the payment, in Mexico even earlier; and for a proposed change.
    may_mail = changing or (
        unconfirmed and (state.status == Status.WAITING_FOR_PAYMENT or state.country == "MX")
    )
    max_sms, max_emails = MAX_LINK_MESSAGES["sms"], MAX_LINK_MESSAGES["email"]
    return {
        "send_sms": may_text and state.sms_count == 0,
        "resend_sms": may_text and 0 < state.sms_count < max_sms,
        "reset_sms_count": (may_text and state.sms_count > 0 and state.sms_resets < MAX_SMS_RESETS),
        "send_cart_link_email": (
            may_mail
            and state.email_count < max_emails
            and state.email is not None
            and is_deliverable(state.email)
        ),
    }
