"""What shoppers are told, in the language of the merchant."""

from pathlib import Path
from typing import Any

from chassis.languages import Languages

LANGUAGES = Languages(Path(__file__).parents[1] / "languages")


def written(
    locale: str, channel: str, waits_for: str, *, shop: str, name: str, link: str
) -> tuple[str, str]:
    """The subject and the text of a message with the link of a cart that waits.

    It waits for the shopper's `confirmation`, in place of another one for that of the `change`, or
    for the `payment`.
    """
    _ = LANGUAGES.of(locale).gettext
    values: dict[str, Any] = {"shop": shop, "name": name, "link": link}
    if channel == "sms":
        if waits_for == "change":
            text = _("%(shop)s: see the change to your subscription and confirm it: %(link)s")
        elif waits_for == "payment":
            text = _("%(shop)s: your subscription begins with your payment, see: %(link)s")
        else:
            text = _("%(shop)s: see your subscription and confirm it: %(link)s")
        return "", text % values
    greeting = _("Hello %(name)s,") if name else _("Hello,")
    if waits_for == "change":
        subject = _("%(shop)s: please confirm the change to your subscription")
        reason = _(
            "%(shop)s has prepared a change to your subscription. This page shows what it is and "
            "what it will cost a month, and there you confirm it:"
        )
    elif waits_for == "payment":
        subject = _("%(shop)s: your subscription waits for your payment")
        reason = _(
            "You have confirmed your subscription at %(shop)s. It begins as soon as your payment "
            "has arrived. This page shows what is in it and what it costs a month:"
        )
    else:
        subject = _("%(shop)s: please confirm your subscription")
        reason = _(
            "%(shop)s has prepared a subscription for you. This page shows what is in it and what "
            "it costs a month, and there you confirm it:"
        )
    close = _("The link is only for you. If you did not ask for this, there is nothing to do.")
    parts = (greeting, reason, "%(link)s", close, "%(shop)s")
    return subject % values, "\n\n".join(parts) % values + "\n"
