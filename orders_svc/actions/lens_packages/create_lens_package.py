"""CreateLensPackage: save a lens of a user for a lab."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from sqlalchemy import Connection

from chassis.errors import AlreadyExists, Fault, Invalid
from orders_svc.store.lens_packages import MAX_PACKAGES, add_package, count_packages


def create_lens_package(
    tx: Connection, user_id: int, package: Mapping[str, Any], now: datetime
) -> dict[str, Any]:
    """Add a checked package and return its row; raises AlreadyExists for a name that is taken."""
    if count_packages(tx, user_id, package) >= MAX_PACKAGES:
        fault = Fault("", f"{MAX_PACKAGES} packages for a lab are the most; delete one.")
        raise Invalid("Too many packages.", faults=[fault])
    row = add_package(tx, user_id, package, now)
    if row is None:
        fault = Fault("name", "Must be a name that none of your packages for this lab has.")
        raise AlreadyExists("You have a package of this name.", faults=[fault])
    return row
