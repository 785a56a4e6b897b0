"""Queries on users."""

from collections.abc import Mapping
from datetime import date, datetime
from typing import Any

from sqlalchemy import Connection

from chassis.store.database import upsert
from sessions_svc.store.personal import USERS
from sessions_svc.store.tables import users

# The columns that a partner sets.
DETAIL_NAMES = ("email", "first_name", "last_name", "birthdate", "region")

_UPSERT = upsert(users, (*DETAIL_NAMES, "updated_at"))


def upsert_user(tx: Connection, account_id: int, values: Mapping[str, Any], now: datetime) -> None:
    """Store the user of a valid request, replacing the details of an existing one."""
    moment = now.replace(microsecond=0)
    row = {
        **values["user"],
        "account_id": account_id,
        "user_key": values["user_key"],
        "birthdate": date.fromisoformat(values["user"]["birthdate"]),
        "created_at": moment,
        "updated_at": moment,
    }
    tx.execute(_UPSERT, USERS.seal(tx, row))
