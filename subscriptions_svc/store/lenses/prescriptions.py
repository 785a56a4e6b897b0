"""Prescriptions of contact lenses: added as versions, and moved by their verification.

The version that is not replaced is in force. Whoever changes one holds its subscription's lock.
"""

from collections.abc import Iterable, Mapping
from datetime import date, datetime
from typing import Any

from sqlalchemy import Connection, Row, bindparam, delete, func, insert, select, update

from subscriptions_svc.rules.prescriptions.policies import derive_expiry, find_country_policy
from subscriptions_svc.rules.prescriptions.schemas import POWERS
from subscriptions_svc.rules.prescriptions.verification import State, Verification
from subscriptions_svc.store.personal import PRESCRIPTIONS, expect_erasure
from subscriptions_svc.store.tables import prescriptions

NOBODY: Mapping[str, str] = {}
IS_IN_FORCE = prescriptions.c.replaced_at.is_(None)
_IS_OF_ITEM = prescriptions.c.item_id == bindparam("where_item_id")
_LAST_VERSION = select(func.coalesce(func.max(prescriptions.c.version), 0)).where(_IS_OF_ITEM)
_REPLACE = (
    update(prescriptions)
    .where(_IS_OF_ITEM, IS_IN_FORCE)
    .values(replaced_at=bindparam("replaced_at"))
)
_SET_VERIFICATION = (
    update(prescriptions)
    .where(_IS_OF_ITEM, IS_IN_FORCE)
    .values({name: bindparam(name) for name in Verification._fields})
)
_DISCARD = delete(prescriptions).where(
    prescriptions.c.item_id.in_(bindparam("item_ids", expanding=True))
)


def add_prescriptions(
    tx: Connection,
    subscription_id: str,
    merchant: Any,
    prescribed: Iterable[tuple[str, Mapping[str, Any]]],
    now: datetime,
) -> None:
    """Put prescriptions in force, each for the item with the id before it.

    `merchant` has the country and the time zone of prescribers who state none.
    """
    for item_id, values in prescribed:
        key = {"where_item_id": item_id}
        tx.execute(_REPLACE, {**key, "replaced_at": now})
        version = tx.execute(_LAST_VERSION, key).scalar_one() + 1
        row = {
            "item_id": item_id,
            "version": version,
            "subscription_id": subscription_id,
            **_make_row(values, merchant),
            "state": State.UNVERIFIED.value,
            "created_at": now,
        }
        tx.execute(insert(prescriptions), PRESCRIPTIONS.seal(tx, row))
        expect_erasure(tx, subscription_id)


def replace_prescription(
    tx: Connection, subscription: Any, item: Any, values: Mapping[str, Any], now: datetime
) -> bool:
    """Put another prescription of an item in force; returns whether it differs from that on file.

    `subscription` has its merchant's country and time zone.
    """
    row = _make_row(values, subscription)
    if item.version is not None and all(getattr(item, name) == row[name] for name in row):
        return False
    add_prescriptions(tx, subscription.id, subscription, [(item.id, values)], now)
    return True


def _make_row(values: Mapping[str, Any], merchant: Any) -> dict[str, Any]:
    prescriber = values.get("prescriber", NOBODY)
    issued_on = date.fromisoformat(values["issue_date"])
    stated = values.get("expiration_date")
    derived = derive_expiry(issued_on, find_country_policy(merchant.country))
    details = {name: values[name] for name in POWERS if name in values}
    if "name" in prescriber:
        details["prescriber"] = prescriber["name"]
    return {
        "details": details,
        "issued_on": issued_on,
        "expires_on": date.fromisoformat(stated) if stated else derived,
        "is_derived": stated is None,
        "country": prescriber.get("country", merchant.country),
        "time_zone": prescriber.get("time_zone", merchant.time_zone),
    }


def list_prescribed(
    rows: Iterable[Mapping[str, Any]], cart: Iterable[Mapping[str, Any]]
) -> list[tuple[str, Mapping[str, Any]]]:
    """Return the prescriptions of a cart's new items, by the ids of the rows made of them."""
    return [
        (row["id"], item["prescription"])
        for row, item in zip(rows, _flatten(cart), strict=True)
        if "type" in row and "prescription" in item
    ]


def _flatten(cart: Iterable[Mapping[str, Any]]) -> Iterable[Mapping[str, Any]]:
    for item in cart:
        yield item
        yield from _flatten(item.get("items", ()))


def set_verification(tx: Connection, item_id: str, verification: Verification) -> None:
    """Set the verification of the prescription that is in force of an item."""
    tx.execute(_SET_VERIFICATION, {"where_item_id": item_id, **verification._asdict()})


def discard_prescriptions(tx: Connection, item_ids: Iterable[str]) -> None:
    """Remove the prescriptions of items that never came into force."""
    if ids := list(item_ids):
        tx.execute(_DISCARD, {"item_ids": ids})


def get_verification(row: Row[Any]) -> Verification:
    """Return the verification of an item's row that has a prescription."""
    return Verification(
        State(row.state), row.reason, row.requested_at, row.verify_by, row.decided_at
    )
