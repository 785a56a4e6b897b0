"""What is encrypted of shoppers, where encryption is on.

The shop's own `reference` stays plain: it is unique among the live subscriptions of a merchant.
"""

from chassis.store.encryption.columns import Personal
from subscriptions_svc.store.tables import messages, subscriptions, warranty_events
from subscriptions_svc.store.words import replace_words

SUBSCRIPTIONS = Personal(
    subscriptions,
    ["id"],
    [
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
    ],
    reindex=replace_words,
)
# Events of warranty are read by nobody, so what identifies one is who has written it, and when.
WARRANTY_EVENTS = Personal(warranty_events, ["item_id", "request_id"], ["name", "description"])
MESSAGES = Personal(messages, ["id"], ["content"])
TABLES = [SUBSCRIPTIONS, WARRANTY_EVENTS, MESSAGES]
