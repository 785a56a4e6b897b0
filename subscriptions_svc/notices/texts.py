"""Texts of messages to shoppers, in the language of the merchant."""

from pathlib import Path
from typing import Any

from chassis.languages import Languages
from chassis.notices.messages import SMS

LANGUAGES = Languages(Path(__file__).parents[1] / "languages")


def compose_text(
    locale: str, channel: str, purpose: str, *, shop: str, name: str, link: str
) -> tuple[str, str]:
    """Return the subject and the text of a message with the link of a waiting cart.

    The purpose is the shopper's `confirmation`, that of a `change`, or the `payment`. An SMS has no
    subject.
    """
    values: dict[str, Any] = {"shop": shop, "name": name, "link": link}
    if channel == SMS:
        return "", _compose_sms(locale, purpose) % values
    subject, reason = _compose_reason(locale, purpose)
    _ = LANGUAGES.get_texts(locale).gettext
    greeting = _("Hello %(name)s,") if name else _("Hello,")
    close = _("The link is only for you. If you did not ask for this, there is nothing to do.")
    parts = (greeting, reason, "%(link)s", close, "%(shop)s")
    return subject % values, "\n\n".join(parts) % values + "\n"


def _compose_sms(locale: str, purpose: str) -> str:
    _ = LANGUAGES.get_texts(locale).gettext
    if purpose == "change":
        return _("%(shop)s: see the change to your subscription and confirm it: %(link)s")
    if purpose == "payment":
        return _("%(shop)s: your subscription begins with your payment, see: %(link)s")
    return _("%(shop)s: see your subscription and confirm it: %(link)s")


def _compose_reason(locale: str, purpose: str) -> tuple[str, str]:
    """Return the subject of an e-mail, and the paragraph that says why it is sent."""
    _ = LANGUAGES.get_texts(locale).gettext
    if purpose == "change":
        return _("%(shop)s: please confirm the change to your subscription"), _(
            "%(shop)s has prepared a change to your subscription. This page shows what it is and "
            "what it will cost a month, and there you confirm it:"
        )
    if purpose == "payment":
        return _("%(shop)s: your subscription waits for your payment"), _(
            "You have confirmed your subscription at %(shop)s. It begins as soon as your payment "
            "has arrived. This page shows what is in it and what it costs a month:"
        )
    return _("%(shop)s: please confirm your subscription"), _(
        "%(shop)s has prepared a subscription for you. This page shows what is in it and what "
        "it costs a month, and there you confirm it:"
    )
