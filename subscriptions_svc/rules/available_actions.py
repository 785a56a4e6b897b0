"""What the state of a subscription allows: what is true here the calls do, all else they refuse."""

from datetime import datetime

from subscriptions_svc.rules.settlements import is_free
from subscriptions_svc.rules.subscriptions import (
    CONFIRMED,
    LIVE,
    UNCONFIRMED,
    PaymentStatus,
    Status,
)

LINKS = {"email": 5, "sms": 3}  # messages with the link of one cart


def available_actions(
    status: Status,
    confirmed_at: datetime | None,
    now: datetime,
    *,
    payment_status: PaymentStatus,
    country: str,
    has_email: bool,
    has_phone: bool,
    email_count: int,
    sms_count: int,
    has_pending_cart: bool,
    has_room: bool,
    exchangeable_items: int,
    pending_items: int,
    active_materials: int,
    remaining_boxes: int,
) -> dict[str, bool]:
    """Which actions the state of a subscription of a merchant in `country` allows.

    Counted are messages sent with the link of the cart that waits, items whose exchange is due,
    items not handed over, items handed over that are no contact lenses, and boxes left this
    subscription year. There is room while the cart may have one item more.
    """
    live, unconfirmed = status in LIVE, status in UNCONFIRMED
    confirmed = confirmed_at is not None and status in CONFIRMED
    active = confirmed and status == Status.ACTIVE
    free = is_free(confirmed_at, now)
    paid = payment_status == PaymentStatus.PAID
    changing = active and has_pending_cart
    waits = unconfirmed or changing
    by_email = changing or (
        unconfirmed and (status == Status.WAITING_FOR_PAYMENT or country == "MX")
    )
    return {
        "cancel": live and not free,  # from 24 hours after the confirmation on
        "withdraw": live and free,  # before the confirmation and for 24 hours after it
        "send_sms": waits and has_phone and sms_count == 0,  # the first message
        "resend_sms": waits and has_phone and 0 < sms_count < LINKS["sms"],  # any later one
        # Before payment, in Mexico ever before; and for a cart that is to change.
        "send_cart_link_email": by_email and has_email and email_count < LINKS["email"],
        "add_product": active and has_room,  # paid or not
        "change_item": active and paid and exchangeable_items > 0,
        "activate_product": confirmed and pending_items > 0,  # something is to be handed over
        "use_warranty": confirmed and active_materials > 0,  # a contact lens has no warranty
        "deliver_boxes": confirmed and remaining_boxes > 0,  # also before the activation
    }
