"""Merchants, their stores, and which of them an account acts for."""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Connection, Row, bindparam, select

from chassis.context import Account, caller
from chassis.errors import Unauthenticated
from subscriptions_svc.store import account_merchants, merchants, stores

_MERCHANT = (
    select(merchants)
    .join(account_merchants)
    .where(
        merchants.c.id == bindparam("merchant_id"),
        account_merchants.c.account_id == bindparam("account_id"),
    )
)
_MERCHANTS = (
    select(merchants)
    .join(account_merchants)
    .where(account_merchants.c.account_id == bindparam("account_id"))
    .order_by(merchants.c.id)
)
_STORE_REFS = select(stores.c.store_ref).where(stores.c.merchant_id == bindparam("merchant_id"))


def merchant_ids(tx: Connection) -> set[str]:
    """Every merchant's id."""
    return set(tx.execute(select(merchants.c.id)).scalars())


def own(tx: Connection, merchant_id: str) -> Row[Any]:
    """A merchant of the caller; raises Unauthenticated."""
    key = {"account_id": caller().id, "merchant_id": merchant_id}
    found = tx.execute(_MERCHANT, key).first()
    if found is None:
        raise Unauthenticated("Your account does not reference this merchant.")
    return found


def of(tx: Connection, account: Account) -> Sequence[Row[Any]]:
    """The merchants that the account references, by id."""
    return tx.execute(_MERCHANTS, {"account_id": account.id}).all()


def store_refs(tx: Connection, merchant_id: str) -> set[str]:
    """The stores of a merchant."""
    return set(tx.execute(_STORE_REFS, {"merchant_id": merchant_id}).scalars())
