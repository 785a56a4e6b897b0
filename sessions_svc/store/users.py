"""Queries on users."""

from collections.abc import Mapping
from datetime import date, datetime
from typing import Any

from sqlalchemy import Connection
from sqlalchemy.dialects import postgresql, sqlite

from sessions_svc.store.tables import users

# The columns that a partner sets.
DETAIL_NAMES = ("email", "first_name", "last_name", "birthdate", "region")


def _build_upsert(insert: Any) -> Any:
    statement = insert(users)
    newest = {name: statement.excluded[name] for name in (*DETAIL_NAMES, "updated_at")}
    return statement.on_conflict_do_update(index_elements=users.primary_key, set_=newest)


_UPSERTS = {
    "sqlite": _build_upsert(sqlite.insert),
    "postgresql": _build_upsert(postgresql.insert),
}


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
    tx.execute(_UPSERTS[tx.dialect.name], row)
