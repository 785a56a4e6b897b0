"""What shops are answered when something was done, in the language of the merchant's locale."""

from subscriptions_svc.notices.channels import EMAIL
from subscriptions_svc.notices.texts import LANGUAGES


def updated(locale: str) -> str:
    """A new cart was proposed."""
    _ = LANGUAGES.of(locale).gettext
    return _("Subscription products updated successfully")


def cancelled(locale: str) -> str:
    """A subscription has ended."""
    _ = LANGUAGES.of(locale).gettext
    return _("Subscription cancelled successfully")


def warranty_event_created(locale: str) -> str:
    """A repair or a replacement was registered."""
    _ = LANGUAGES.of(locale).gettext
    return _("Warranty event created successfully")


def link_sent(locale: str, channel: str) -> str:
    """A message with a cart link is on its way."""
    _ = LANGUAGES.of(locale).gettext
    if channel == EMAIL:
        return _("Cart link email sent successfully")
    return _("Cart link SMS sent successfully")
