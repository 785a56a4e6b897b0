"""Records that a prescriber was asked to verify a prior prescription."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row

from chassis.calendars.business_hours import add_business_hours, is_calendar, is_time_zone
from chassis.errors import WrongState
from sessions_svc.actions.verification.record_verification import (
    find_prescription,
    keep_verification,
)
from sessions_svc.rules.prescriptions import VERIFIED
from sessions_svc.rules.verification import PASSIVE_HOURS, find_verification, write_moment
from sessions_svc.store.sessions import get_session_record


def find_place_faults(values: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Return the faults of an unknown time zone or calendar, as (path, message)."""
    faults = []
    if "time_zone" in values and not is_time_zone(values["time_zone"]):
        faults.append(("time_zone", "Must be a time zone such as America/Chicago."))
    if "calendar" in values and not is_calendar(values["calendar"]):
        faults.append(("calendar", "Must be a country such as US, or a region such as CA-ON."))
    return faults


def request_verification(
    tx: Connection,
    partner: str,
    session_key: str,
    type: str,
    time_zone: str,
    calendar: str,
    now: datetime,
) -> Row[Any]:
    """Keep when the prescriber was asked, and until when they can answer.

    A repeated request restarts the hours. Raises NotFound, and WrongState for a prescription that
    is missing or verified and for a session that has ended.
    """
    record = get_session_record(tx, partner, session_key)
    prescription = find_prescription(record, type)
    kept = (record.verifications or {}).get(type)
    if find_verification(prescription, kept, now)["verification"] == VERIFIED:
        raise WrongState("The prescription is verified already.")
    deadline = add_business_hours(now, PASSIVE_HOURS, time_zone, calendar)
    asked = {"requested_at": write_moment(now), "deadline": write_moment(deadline)}
    return keep_verification(tx, partner, record, {type: asked}, now)
