"""Verification of a prescription: its states, its reasons, and the clock of its deadline.

After 16 CFR 315: a prescription counts as verified when the prescriber confirms it, or has not
answered by the end of 8 business hours after they were asked. A later denial still counts for the
boxes to come, so that the state is looked at before every box.
"""

from datetime import datetime
from enum import StrEnum
from typing import NamedTuple

VERIFICATION_HOURS = 8  # business hours in which the prescriber may answer


class State(StrEnum):
    """State of a verification."""

    UNVERIFIED = "unverified"
    REQUESTED = "requested"
    VERIFIED = "verified"
    DENIED = "denied"
    REJECTED = "rejected"


CONFIRMED, PASSIVE = "confirmed", "passive"
# What staff may record, and the state that it leads to.
OUTCOMES = {
    CONFIRMED: State.VERIFIED,
    "expired": State.DENIED,
    "wrong": State.DENIED,
    "unknown_patient": State.DENIED,
    "unusable": State.REJECTED,
}


class Verification(NamedTuple):
    """What is known of a prescription's validity, as it is stored or as it stands at a moment."""

    state: State = State.UNVERIFIED
    reason: str | None = None
    requested_at: datetime | None = None
    verify_by: datetime | None = None
    decided_at: datetime | None = None

    def at(self, now: datetime, *, is_passive: bool) -> "Verification":
        """Return it as it stands at `now`; `is_passive` is whether silence verifies."""
        if not is_passive or self.state is not State.REQUESTED:
            return self
        if self.verify_by is None or now < self.verify_by:
            return self
        return self._replace(state=State.VERIFIED, reason=PASSIVE, decided_at=self.verify_by)
