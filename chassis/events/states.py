"""The states of an event."""

PENDING, DELIVERED, DECLINED = "pending", "delivered", "declined"
DEAD, CANCELLED = "dead", "cancelled"
STATES = (PENDING, DELIVERED, DECLINED, DEAD, CANCELLED)
