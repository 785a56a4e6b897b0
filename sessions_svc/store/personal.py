"""What is encrypted of patients, where encryption is on.

The keys of users and sessions are the partners' pseudonyms; rows are found by them, so they stay
plain.
"""

from chassis.store.encryption.columns import Personal
from sessions_svc.store.tables import assets, dispensed_prescriptions, sessions, users

USERS = Personal(
    users,
    ["account_id", "user_key"],
    ["email", "first_name", "last_name", "birthdate", "region"],
)
SESSIONS = Personal(
    sessions,
    ["account_id", "session_key"],
    ["partner_info", "prescriptions", "visual_acuity"],
)
DISPENSED = Personal(dispensed_prescriptions, ["id"], ["issue_date", "expiration_date", "eyes"])
ASSETS = Personal(assets, ["id"], ["source"], batch=4)  # of up to some MB each
TABLES = [USERS, SESSIONS, DISPENSED, ASSETS]
