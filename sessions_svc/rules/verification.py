"""Verification of a prescription that a person already holds, by the rule of eight business hours.

A seller of contact lenses asks the prescriber; the prescription counts as verified when eight
business hours have passed without an answer (16 CFR 315.5).
"""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from marshmallow import ValidationError, validates_schema
from marshmallow.fields import String

from optics.fields import one_of
from sessions_svc.rules.prescriptions import CONTACTS, GLASSES, UNVERIFIED, VERIFIED
from sessions_svc.rules.session_moves import SessionMoveSchema

PASSIVE_HOURS = 8  # of business, without an answer
BY_PARTNER, BY_STAFF, PASSIVE = "partner", "staff", "passive"
REASONS = ("expired", "wrong", "unknown_patient", "unusable")
DEFAULT_CALENDAR = "US"


class RequestVerificationSchema(SessionMoveSchema):
    """A RequestVerificationRequest; time zone and calendar are looked up elsewhere."""

    type = String(required=True, validate=one_of(CONTACTS, GLASSES))
    time_zone = String(required=True)
    calendar = String(load_default=DEFAULT_CALENDAR)


class RecordVerificationSchema(SessionMoveSchema):
    """A RecordVerificationRequest."""

    type = String(required=True, validate=one_of(CONTACTS, GLASSES))
    verification = String(required=True, validate=one_of(VERIFIED, UNVERIFIED))
    reason = String(validate=one_of(*REASONS))

    @validates_schema(skip_on_field_errors=True)
    def check_reason(self, data: dict[str, Any], **_: Any) -> None:
        """Require a reason with unverified, and only there."""
        is_unverified = data["verification"] == UNVERIFIED
        if is_unverified != ("reason" in data):
            message = "Required with" if is_unverified else "Allowed only with"
            raise ValidationError(f"{message} unverified.", "reason")


REQUEST_VERIFICATION = RequestVerificationSchema()
RECORD_VERIFICATION = RecordVerificationSchema()


def find_verification(
    prescription: Mapping[str, Any], kept: Mapping[str, Any] | None, now: datetime
) -> dict[str, Any]:
    """Return what is known of a prescription's verification at a moment.

    `kept` is what staff recorded of it: the answer, or that the prescriber was asked.
    """
    found = {"verification": prescription["verification"], "by": BY_PARTNER, **(kept or {})}
    for name in ("requested_at", "deadline"):
        if name in found:
            found[name] = read_moment(found[name])
    if found["by"] == BY_PARTNER and "deadline" in found and found["deadline"] <= now:
        found |= {"verification": VERIFIED, "by": PASSIVE}
    return found


def write_moment(moment: datetime) -> str:
    """Return a moment in whole seconds as it is kept."""
    return moment.astimezone(UTC).replace(microsecond=0).isoformat()


def read_moment(text: str) -> datetime:
    """Return the moment that was written so."""
    return datetime.fromisoformat(text)
