"""Records whether a prior prescription is verified."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row

from chassis.errors import WrongState
from sessions_svc.rules.statuses import has_ended
from sessions_svc.rules.verification import BY_STAFF
from sessions_svc.store.sessions import get_session_record, write_columns


def record_verification(
    tx: Connection,
    partner: str,
    session_key: str,
    type: str,
    verification: str,
    now: datetime,
    reason: str | None = None,
) -> Row[Any]:
    """Keep the answer in place of any former one; raise NotFound, WrongState or Busy."""
    record = get_session_record(tx, partner, session_key)
    find_prescription(record, type)
    asked = (record.verifications or {}).get(type, {})
    moments = {name: asked[name] for name in ("requested_at", "deadline") if name in asked}
    answer = {"verification": verification, "by": BY_STAFF, **moments}
    if reason:
        answer["reason"] = reason
    return keep_verification(tx, partner, record, {type: answer}, now)


def find_prescription(record: Row[Any], type: str) -> Mapping[str, Any]:
    """Return the prior prescription of a type; raise WrongState when there is none to verify."""
    if has_ended(record.status):
        raise WrongState("The session has ended.")
    found: list[Mapping[str, Any]] = [each for each in record.prescriptions if each["type"] == type]
    if not found:
        raise WrongState(f"The session has no prior prescription of {type}.")
    return found[0]


def keep_verification(
    tx: Connection, partner: str, record: Row[Any], kept: Mapping[str, Any], now: datetime
) -> Row[Any]:
    """Write what is known of prescriptions, by type, and return the record of the session."""
    verifications = {**(record.verifications or {}), **kept}
    write_columns(tx, record, now, {"verifications": verifications})
    return get_session_record(tx, partner, record.session_key)
