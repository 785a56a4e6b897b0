"""The table of reminders."""

from sqlalchemy import Column, ForeignKey, String, Table

from chassis.store.database import Instant
from subscriptions_svc.store.tables import metadata

# One row for a subscription, from the first look at it.
reminders = Table(
    "reminders",
    metadata,
    Column("subscription_id", ForeignKey("subscriptions.id"), primary_key=True),
    # Whoever has it may stop the reminders; it stays the same, so that links in old mails work.
    Column("code", String(32), nullable=False, unique=True),
    Column("look_at", Instant(), nullable=False),  # when to look at it again
    Column("sent_at", Instant()),  # the newest one
    Column("stopped_at", Instant()),  # by the shopper
)
