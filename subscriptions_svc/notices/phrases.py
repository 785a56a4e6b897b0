"""Phrases that tell a shop what was done, in the language of the merchant's locale."""

from chassis.notices.messages import EMAIL
from subscriptions_svc.notices.texts import LANGUAGES


def describe_update(locale: str) -> str:
    """Tell that a new cart was proposed."""
    _ = LANGUAGES.get_texts(locale).gettext
    return _("Subscription products updated successfully")


def describe_cancellation(locale: str) -> str:
    """Tell that a subscription has ended."""
    _ = LANGUAGES.get_texts(locale).gettext
    return _("Subscription cancelled successfully")


def describe_warranty_event(locale: str) -> str:
    """Tell that a warranty event was registered."""
    _ = LANGUAGES.get_texts(locale).gettext
    return _("Warranty event created successfully")


def describe_cart_link(locale: str, channel: str) -> str:
    """Tell that a message with a cart link is on its way."""
    _ = LANGUAGES.get_texts(locale).gettext
    if channel == EMAIL:
        return _("Cart link email sent successfully")
    return _("Cart link SMS sent successfully")


def describe_month(locale: str, shop: str, month: int) -> str:
    """Name what a shopper pays for on the page of a payment provider."""
    _ = LANGUAGES.get_texts(locale).gettext
    return _("%(shop)s: month %(month)d of your subscription") % {"shop": shop, "month": month}
