"""Queries on partners: their eligibility limits, stores and lens products."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, fields
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Table, bindparam, delete, insert, select, update

from chassis.settings.roles import CLIENT
from chassis.store.database import add_if_absent
from sessions_svc.rules.qualification import Limits
from sessions_svc.store.tables import (
    accounts,
    outbox,
    partners,
    payment_accounts,
    products,
    stores,
)


@dataclass(frozen=True)
class Settings:
    """What a partner has set for its links and prescriptions."""

    redirect_url: str | None = None
    link_host: str | None = None
    language: str | None = None
    prescription_pdf: bool = False
    prices: Mapping[str, Any] | None = None


SETTINGS = tuple(each.name for each in fields(Settings))
_PARTNER_ID = select(accounts.table.c.id).where(
    accounts.table.c.name == bindparam("name"), accounts.table.c.role == CLIENT
)
_LIMITS = select(partners.c.limits).where(partners.c.account_id == bindparam("account_id"))
_SETTINGS = select(*(partners.c[name] for name in SETTINGS)).where(
    partners.c.account_id == bindparam("account_id")
)
_STORE_NAME = select(stores.c.name).where(
    stores.c.account_id == bindparam("account_id"), stores.c.id == bindparam("id")
)
_ENABLED_STORES = select(stores.c.id).where(
    stores.c.account_id == bindparam("account_id"), stores.c.enabled
)
_ENABLED_STORE = _ENABLED_STORES.where(stores.c.id == bindparam("id"))
_PRODUCTS = select(products.c.product_key).where(products.c.account_id == bindparam("account_id"))
_NAMED_PRODUCTS = _PRODUCTS.where(
    products.c.product_key.in_(bindparam("product_key", expanding=True))
)


def find_partner_id(tx: Connection, name: str) -> int | None:
    """Return the id of the partner whose account has this name."""
    return tx.execute(_PARTNER_ID, {"name": name}).scalar()


def find_limits(tx: Connection, account_id: int) -> Limits:
    """Return the eligibility limits of a partner."""
    limits = tx.execute(_LIMITS, {"account_id": account_id}).scalar() or {}
    if "regions" in limits:
        limits = {**limits, "regions": frozenset(limits["regions"])}
    return Limits(**limits)


def find_settings(tx: Connection, account_id: int) -> Settings:
    """Return what a partner has set for its links and prescriptions."""
    row = tx.execute(_SETTINGS, {"account_id": account_id}).first()
    return Settings(**row._mapping) if row else Settings()


def find_store_name(tx: Connection, account_id: int, store_id: str | None) -> str | None:
    """Return the name of a store; None when it has none, or there is no such store."""
    if store_id is None:
        return None
    name: str | None = tx.execute(_STORE_NAME, {"account_id": account_id, "id": store_id}).scalar()
    return name


def find_enabled_stores(tx: Connection, account_id: int, store_id: str | None) -> set[str]:
    """Return the store with this id, if the partner has one and it is enabled."""
    if store_id is None:
        return set()
    return set(tx.execute(_ENABLED_STORE, {"account_id": account_id, "id": store_id}).scalars())


def find_mapped_products(
    tx: Connection, account_id: int, product_keys: Collection[str]
) -> set[str]:
    """Return those of the lens products that the partner has mapped."""
    if not product_keys:
        return set()
    keys = {"account_id": account_id, "product_key": list(product_keys)}
    return set(tx.execute(_NAMED_PRODUCTS, keys).scalars())


def list_enabled_stores(tx: Connection, account_id: int) -> list[str]:
    """Return the ids of all enabled stores of a partner, sorted by code point."""
    return sorted(tx.execute(_ENABLED_STORES, {"account_id": account_id}).scalars())


def list_products(tx: Connection, account_id: int) -> list[str]:
    """Return the keys of all lens products that a partner has mapped, sorted by code point."""
    return sorted(tx.execute(_PRODUCTS, {"account_id": account_id}).scalars())


def replace_configuration(
    tx: Connection, account_id: int, name: str, configuration: Mapping[str, Any], now: datetime
) -> None:
    """Replace the configuration of the partner with this account."""
    row = {"limits": configuration["limits"], **{each: configuration[each] for each in SETTINGS}}
    # The partner's row comes first: concurrent replacements wait for each other there.
    if not add_if_absent(tx, partners, {"account_id": account_id, **row}):
        is_partner = partners.c.account_id == account_id
        tx.execute(update(partners).where(is_partner).values(row))
    _replace_rows(tx, stores, account_id, configuration["stores"])
    product_rows = [{"product_key": each} for each in configuration["products"]]
    _replace_rows(tx, products, account_id, product_rows)
    outbox.endpoints.put(tx, name, configuration["endpoint"], now)
    payment_accounts.put(tx, name, configuration["payment_account"])


def _replace_rows(
    tx: Connection, table: Table, account_id: int, rows: Sequence[Mapping[str, Any]]
) -> None:
    tx.execute(delete(table).where(table.c.account_id == account_id))
    if rows:
        tx.execute(insert(table), [{"account_id": account_id, **row} for row in rows])
