"""What is encrypted of shoppers, where encryption is on.

The shop's own `reference` stays plain: it is unique among the live subscriptions of a merchant.
"""

from chassis.store.encryption.columns import Personal
from subscriptions_svc.store.lists.words import replace_words
from subscriptions_svc.store.messages import QUEUE
from subscriptions_svc.store.paying.tables import accounts, charges
from subscriptions_svc.store.tables import cancellations, subscriptions, warranty_events

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
TABLES = [
    SUBSCRIPTIONS,
    WARRANTY_EVENTS,
    CANCELLATIONS,
    QUEUE.personal,
    accounts.personal,
    charges.personal,
]
