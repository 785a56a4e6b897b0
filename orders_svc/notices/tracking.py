"""E-mails to patients about their order: where to follow it, and that it is ready."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from sqlalchemy import Connection

from chassis.notices.messages import build_content
from orders_svc.rules.lab_status import LabStatus
from orders_svc.store.tracking import add_message

SHOP = "Your optician"
LANGUAGE = "en"
READY = ("Your glasses are ready", "Your glasses are ready to be picked up.")
ON_THEIR_WAY = ("Your glasses", "Your glasses are ordered.")
TEXT = """Hello {name},

{news} This page shows how far they are:

{link}

The link is only for you. It shows your first name, and nothing else about you.
"""


def build_tracking_url(code: str, public_url: str) -> str:
    """Return the address of a patient's page."""
    return f"{public_url}/t/{code}"


def queue_tracking_mail(
    tx: Connection,
    order: Mapping[str, Any],
    lab_status: str,
    order_id: str,
    link: str,
    now: datetime,
) -> bool:
    """Queue an e-mail with the link of an order's page; False without an address or a mail left."""
    patient = order["patient"]
    if "email" not in patient:
        return False
    subject, news = READY if lab_status == LabStatus.READY_FOR_PICKUP else ON_THEIR_WAY
    text = TEXT.format(name=patient["first_name"], news=news, link=link)
    content = build_content(patient["email"], subject, text, LANGUAGE, SHOP)
    return add_message(tx, order_id, content, now)
