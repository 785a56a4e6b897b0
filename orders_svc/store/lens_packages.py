"""Lens packages that users saved for their labs."""

import re
import secrets
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row, delete, func, select

from chassis.context import note_ids
from chassis.store.database import insert_if_absent
from orders_svc.store.tables import lens_packages, users

MAX_PACKAGES = 100  # of one user for one lab
PACKAGE_ID = re.compile(r"pkg_[0-9a-f]{24}")
_KEY = ("user_id", "lab_id", "account_number", "name")
_ADD = insert_if_absent(lens_packages, _KEY)


def list_packages(
    tx: Connection, user_id: int, lab_id: str, account_number: str
) -> Sequence[Row[Any]]:
    """Return the packages of a user for a lab, in order of name."""
    wanted = (
        lens_packages.c.user_id == user_id,
        lens_packages.c.lab_id == lab_id,
        lens_packages.c.account_number == account_number,
    )
    ordered = select(lens_packages).where(*wanted).order_by(lens_packages.c.name)
    rows = tx.execute(ordered).all()
    note_ids(*(row.id for row in rows))
    return rows


def count_packages(tx: Connection, user_id: int, package: Mapping[str, Any]) -> int:
    """Return how many packages a user has for a lab; their row is locked until the commit."""
    tx.execute(select(users.c.id).where(users.c.id == user_id).with_for_update())
    wanted = (
        lens_packages.c.user_id == user_id,
        lens_packages.c.lab_id == package["lab"],
        lens_packages.c.account_number == package["account_number"],
    )
    counted: int = tx.execute(select(func.count()).where(*wanted)).scalar_one()
    return counted


def add_package(
    tx: Connection, user_id: int, package: Mapping[str, Any], now: datetime
) -> dict[str, Any] | None:
    """Add a package and return its row; None if its name is taken."""
    kept = ("description", "lens", "services")
    row = {
        "id": "pkg_" + secrets.token_hex(12),
        "user_id": user_id,
        "lab_id": package["lab"],
        "account_number": package["account_number"],
        "name": package["name"],
        "document": {name: package[name] for name in kept if name in package},
        "created_at": now,
    }
    if tx.execute(_ADD, row).rowcount != 1:
        return None
    note_ids(row["id"])
    return row


def delete_package(tx: Connection, user_id: int, package_id: str) -> bool:
    """Delete a package of the user; return whether there was one."""
    if not PACKAGE_ID.fullmatch(package_id):
        return False
    note_ids(package_id)
    wanted = (lens_packages.c.id == package_id, lens_packages.c.user_id == user_id)
    return tx.execute(delete(lens_packages).where(*wanted)).rowcount == 1
