"""A message to one person, as its channel sends it."""

from datetime import datetime
from typing import Any, NamedTuple

from sqlalchemy import Row

EMAIL, SMS = "email", "sms"


class Message(NamedTuple):
    """One message in the name of a shop; the subject is that of an e-mail."""

    id: str
    channel: str
    to: str
    subject: str
    text: str
    language: str
    shop: str
    created_at: datetime


class Undeliverable(Exception):
    """This message cannot be sent, now or later."""


def build_content(to: str, subject: str, text: str, language: str, shop: str) -> dict[str, str]:
    """Return the content of a message, as it is kept until it is sent."""
    return {"to": to, "subject": subject, "text": text, "language": language, "shop": shop}


def build_message(row: Row[Any]) -> Message:
    """Return the message of a leased row."""
    return Message(id=row.id, channel=row.channel, created_at=row.created_at, **row.content)
