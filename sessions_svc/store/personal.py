"""What is encrypted of patients, where encryption is on.

The keys of users and sessions are the partners' pseudonyms; rows are found by them, so they stay
plain. A redirect_url may hold what the partner likes.
"""

from chassis.store.encryption.columns import Personal
from sessions_svc.store.tables import (
    assets,
    charges,
    dispensed_prescriptions,
    links,
    payment_accounts,
    sessions,
    users,
)

USERS = Personal(
    users,
    ["account_id", "user_key"],
    ["email", "first_name", "last_name", "birthdate", "region"],
)
SESSIONS = Personal(
    sessions,
    ["account_id", "session_key"],
    [
        "partner_info",
        "prescriptions",
        "verifications",
        "missing_requirements",
        "visual_acuity",
        "eye_health",
        "payment_reference",
    ],
)
DISPENSED = Personal(dispensed_prescriptions, ["id"], ["issue_date", "expiration_date", "eyes"])
ASSETS = Personal(assets, ["id"], ["source"], batch=4)  # of up to some MB each
LINKS = Personal(links, ["token_hash"], ["redirect_url", "fingerprint"])
TABLES = [
    *(USERS, SESSIONS, DISPENSED, ASSETS, LINKS),
    payment_accounts.personal,
    charges.personal,
]
