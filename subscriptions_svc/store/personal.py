"""What is encrypted of shoppers, where encryption is on.

The shop's own `reference` stays plain: it is unique among the live subscriptions of a merchant.
"""

from sqlalchemy import Connection, bindparam, update

from chassis.store.encryption.columns import Personal
from subscriptions_svc.store.lists.words import replace_words
from subscriptions_svc.store.messages import QUEUE
from subscriptions_svc.store.paying.tables import accounts, charges
from subscriptions_svc.store.tables import (
    cancellations,
    prescriptions,
    subscriptions,
    warranty_events,
)

SHOPPER_COLUMNS = (
    "given_names",
    "surnames",
    "mobile_phone",
    "email",
    "date_of_birth",
    "nin",
    "nin_control",
    "address",
    "postal_code",
    "city",
)
SUBSCRIPTIONS = Personal(
    subscriptions, ["id"], [*SHOPPER_COLUMNS, "discounts"], reindex=replace_words
)
# The id is the database's own, so what identifies an event is its item and who has written it.
WARRANTY_EVENTS = Personal(warranty_events, ["item_id", "request_id"], ["name", "description"])
CANCELLATIONS = Personal(cancellations, ["subscription_id"], ["reason"])
# Its days stay plain: lists and reminders look for them, and they name neither person nor power.
PRESCRIPTIONS = Personal(prescriptions, ["item_id", "version"], ["details"])
TABLES = [
    SUBSCRIPTIONS,
    WARRANTY_EVENTS,
    CANCELLATIONS,
    PRESCRIPTIONS,
    QUEUE.personal,
    accounts.personal,
    charges.personal,
]
_EXPECT_ERASURE = (
    update(subscriptions)
    .where(subscriptions.c.id == bindparam("where_id"), subscriptions.c.erased_at.is_not(None))
    .values(erased_at=None)
)


def expect_erasure(tx: Connection, subscription_id: str) -> None:
    """Record that there is something to erase again, should a subscription have been erased."""
    tx.execute(_EXPECT_ERASURE, {"where_id": subscription_id})
