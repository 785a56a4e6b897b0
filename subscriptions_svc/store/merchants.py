"""Merchants, their stores, and the accounts that act for them."""

from collections.abc import Iterable, Sequence
from typing import Any

from sqlalchemy import Connection, Row, bindparam, delete, insert, select, update

from chassis.context import Account, get_caller
from chassis.errors import Unauthenticated
from subscriptions_svc.store.tables import account_merchants, merchants, stores

_IS_REFERENCED = account_merchants.c.account_id == bindparam("account_id")
_MERCHANT = (
    select(merchants)
    .join(account_merchants)
    .where(merchants.c.id == bindparam("id"), _IS_REFERENCED)
)
_MERCHANTS = (
    select(merchants).join(account_merchants).where(_IS_REFERENCED).order_by(merchants.c.id)
)
_STORE_REFS = select(stores.c.store_ref).where(stores.c.merchant_id == bindparam("merchant_id"))
_ALL_STORES = (
    select(stores)
    .join(account_merchants, account_merchants.c.merchant_id == stores.c.merchant_id)
    .where(_IS_REFERENCED)
    .order_by(stores.c.merchant_id, stores.c.store_ref)
)


def find_own_merchant(tx: Connection, merchant_id: str) -> Row[Any]:
    """Return a merchant that the caller references; raises Unauthenticated."""
    found = tx.execute(_MERCHANT, {"account_id": get_caller().id, "id": merchant_id}).first()
    if found is None:
        raise Unauthenticated("Your account does not reference this merchant.")
    return found


def find_merchant(tx: Connection, merchant_id: str) -> Row[Any] | None:
    """Return a merchant, whoever asks."""
    return tx.execute(select(merchants).where(merchants.c.id == merchant_id)).first()


def list_merchants(tx: Connection, account: Account) -> Sequence[Row[Any]]:
    """Return the merchants that an account references, by id."""
    return tx.execute(_MERCHANTS, {"account_id": account.id}).all()


def list_merchant_ids(tx: Connection) -> set[str]:
    """Return the ids of all merchants."""
    return set(tx.execute(select(merchants.c.id)).scalars())


def list_store_refs(tx: Connection, merchant_id: str) -> set[str]:
    """Return the stores of a merchant."""
    return set(tx.execute(_STORE_REFS, {"merchant_id": merchant_id}).scalars())


def group_store_refs(tx: Connection, account: Account) -> dict[str, list[str]]:
    """Return the sorted stores of each merchant that an account references, by merchant."""
    grouped: dict[str, list[str]] = {}
    for store in tx.execute(_ALL_STORES, {"account_id": account.id}):
        grouped.setdefault(store.merchant_id, []).append(store.store_ref)
    return {merchant_id: sorted(refs) for merchant_id, refs in grouped.items()}


def put_merchant(tx: Connection, id: str, store_refs: Iterable[str], **values: Any) -> None:
    """Add or change a merchant, and replace its stores."""
    changed = update(merchants).where(merchants.c.id == id).values(values)
    if not tx.execute(changed).rowcount:
        tx.execute(insert(merchants).values(id=id, **values))
    tx.execute(delete(stores).where(stores.c.merchant_id == id))
    rows = [{"merchant_id": id, "store_ref": each} for each in dict.fromkeys(store_refs)]
    tx.execute(insert(stores), rows)


def put_references(tx: Connection, account_id: int, merchant_ids: Iterable[str]) -> None:
    """Replace the merchants that an account references."""
    tx.execute(delete(account_merchants).where(account_merchants.c.account_id == account_id))
    ids = dict.fromkeys(merchant_ids)
    if rows := [{"account_id": account_id, "merchant_id": each} for each in ids]:
        tx.execute(insert(account_merchants), rows)
