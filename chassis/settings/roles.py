"""The roles of accounts."""

CLIENT, STAFF = "client", "staff"
ROLES = (CLIENT, STAFF)
