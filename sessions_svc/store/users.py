"""Queries on users."""

from collections.abc import Mapping
from datetime import date, datetime
from typing import Any

from sqlalchemy import Connection, bindparam, func, select

from chassis.store.database import upsert
from sessions_svc.store.personal import USERS
from sessions_svc.store.tables import users

# The columns that a partner sets.
DETAIL_NAMES = ("email", "first_name", "last_name", "birthdate", "region")

# A request without a person_ref leaves the one that is known.
_UPSERT = upsert(
    users,
    lambda new: {
        **{name: new[name] for name in (*DETAIL_NAMES, "updated_at")},
        "person_ref": func.coalesce(new.person_ref, users.c.person_ref),
    },
)
_REF = select(users.c.person_ref).where(
    users.c.account_id == bindparam("account_id"), users.c.user_key == bindparam("user_key")
)


def upsert_user(tx: Connection, account_id: int, values: Mapping[str, Any], now: datetime) -> None:
    """Store the user of a valid request, replacing the details of an existing one."""
    moment = now.replace(microsecond=0)
    row = {
        "person_ref": None,
        **values["user"],
        "account_id": account_id,
        "user_key": values["user_key"],
        "birthdate": date.fromisoformat(values["user"]["birthdate"]),
        "created_at": moment,
        "updated_at": moment,
    }
    tx.execute(_UPSERT, USERS.seal(tx, row))


def find_person_ref(tx: Connection, account_id: int, user_key: str) -> str | None:
    """Return the partner's own reference of the person behind a user, if it has sent one."""
    found: str | None = tx.execute(_REF, {"account_id": account_id, "user_key": user_key}).scalar()
    return found
