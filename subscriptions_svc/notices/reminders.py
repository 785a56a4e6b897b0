"""Reminders to shoppers by e-mail, each with a link that stops them."""

from datetime import date
from typing import Any

from sqlalchemy import Connection

from chassis.languages import find_language
from chassis.notices.messages import EMAIL, build_content
from subscriptions_svc.notices.cart_links import find_recipient
from subscriptions_svc.notices.texts import LANGUAGES
from subscriptions_svc.rules.reminding.reminders import (
    BOXES_DUE,
    CART_UNCONFIRMED,
    LOOK_INTERVAL,
    PRESCRIPTION_EXPIRING,
    REMINDER_INTERVAL,
    Facts,
    choose_reminder,
)
from subscriptions_svc.rules.years import to_local_day
from subscriptions_svc.store.messages import add_reminder
from subscriptions_svc.store.reminding.reminders import prepare_reminders, put_off
from subscriptions_svc.store.views import View


def queue_reminder(
    tx: Connection, view: View, next_delivery_date: date | None, public_url: str
) -> bool:
    """Queue the reminder that is due of a subscription, if any; returns whether one was.

    The caller holds the subscription's lock.
    """
    row, now = view.row, view.now
    state = prepare_reminders(tx, row.id, now)
    if state.look_at > now:  # another process has looked since this one was found
        return False
    can_deliver = view.find_available_actions()["deliver_boxes"]
    facts = Facts(
        view.status,
        row.created_at,
        next_delivery_date if can_deliver else None,
        view.find_next_expiry(),
    )
    kind = choose_reminder(row.reminders.split(), facts, now, to_local_day(now, view.tz))
    to = find_recipient(EMAIL, row.email, row.country) if row.email else None
    if kind is None or to is None or state.stopped_at is not None:
        put_off(tx, row.id, now + LOOK_INTERVAL)
        return False
    links = {"link": f"{public_url}/s/{row.cart_code}", "stop": f"{public_url}/r/{state.code}"}
    days = {BOXES_DUE: facts.next_delivery_date, PRESCRIPTION_EXPIRING: facts.prescription_expiry}
    subject, text = compose_reminder(row, kind, days.get(kind), links)
    content = build_content(to, subject, text, find_language(row.locale), row.shop)
    add_reminder(tx, row.cart_id, kind, EMAIL, content, now)
    put_off(tx, row.id, now + REMINDER_INTERVAL, sent_at=now)
    return True


def compose_reminder(
    row: Any, kind: str, day: date | None, links: dict[str, str]
) -> tuple[str, str]:
    """Return the subject and the text of a reminder, in the merchant's language."""
    _ = LANGUAGES.get_texts(row.locale).gettext
    name = row.given_names or ""
    values = {"shop": row.shop, "name": name, "day": _format_day(day, row.locale), **links}
    greeting = _("Hello %(name)s,") if name else _("Hello,")
    subject, reason = _compose_reason(row.locale, kind)
    parts = [reason, "%(link)s"] if kind == CART_UNCONFIRMED else [reason]
    end = [_("If you want no more reminders, stop them here:"), "%(stop)s", "%(shop)s"]
    return subject % values, "\n\n".join([greeting, *parts, *end]) % values + "\n"


def _compose_reason(locale: str, kind: str) -> tuple[str, str]:
    """Return the subject of a reminder, and the paragraph that says what it is about."""
    _ = LANGUAGES.get_texts(locale).gettext
    if kind == BOXES_DUE:
        return _("%(shop)s: your next boxes are due"), _(
            "Your next boxes of contact lenses at %(shop)s have been due since %(day)s."
        )
    if kind == PRESCRIPTION_EXPIRING:
        return _("%(shop)s: your prescription expires soon"), _(
            "Your prescription of contact lenses that %(shop)s has on file is valid until %(day)s. "
            "Please have your eyes tested in time for a new one."
        )
    return _("%(shop)s: your subscription still waits for you"), _(
        "%(shop)s has prepared a subscription for you. You can still see and confirm it:"
    )


def _format_day(day: date | None, locale: str) -> str:
    from babel.dates import format_date

    language, own = find_language(locale), locale.replace("-", "_")
    is_own = own.split("_")[0].lower() == language
    return format_date(day, "long", locale=own if is_own else language) if day else ""
