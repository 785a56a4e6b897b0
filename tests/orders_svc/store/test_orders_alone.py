"""On PostgreSQL an order, its audit entry and its kept answer are one statement."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import func, select, update

from chassis.context import get_current_call, utc_now
from orders_svc.store import tables
from tests.orders_svc.bodies import Body, request
from tests.serving import Served
from tests.statements import watch_statements

KEYS = tables.idempotency_keys.table
WRITTEN = re.compile(r"INSERT|idempotency_keys")


@pytest.fixture(scope="module")
def engine() -> str:
    """On SQLite statements cost no round trip."""
    return "postgresql"


@contextmanager
def watch_writes(orders: Served) -> Iterator[list[str]]:
    """The statements of calls within the block about an order, an entry or a key."""
    seen: list[str] = []

    def note(statement: str) -> None:
        if get_current_call().rpc and WRITTEN.search(statement):
            seen.append(statement)

    with watch_statements(orders.database.engine, note):
        yield seen


def count_entries(orders: Served, order_id: str) -> int:
    """How many entries of the audit trail name an order."""
    named = tables.audit.entries.c.ids.contains(order_id)
    with orders.database.read() as tx:
        return tx.execute(select(func.count()).where(named)).scalar_one()


@pytest.mark.parametrize("has_key", [False, True])
def test_it_works(orders: Served, order: Body, unique: str, *, has_key: bool) -> None:
    key: Any = {"idempotency_key": unique} if has_key else {}
    with watch_writes(orders) as statements:
        made = orders.call("CreateOrder", request(order), **key)
    assert len(statements) == 1
    assert count_entries(orders, made.id) == 1
    if has_key:
        assert orders.call("CreateOrder", request(order), **key) == made


def test_a_key_is_free_again_once_it_has_expired(orders: Served, order: Body, unique: str) -> None:
    first = orders.call("CreateOrder", request(order), idempotency_key=unique)
    past = utc_now() - timedelta(seconds=1)
    with orders.database.write() as tx:
        tx.execute(update(KEYS).where(KEYS.c.key == unique).values(expires_at=past))
    second = orders.call("CreateOrder", request(order), idempotency_key=unique)
    assert second.id != first.id
    assert count_entries(orders, second.id) == 1
    assert orders.call("CreateOrder", request(order), idempotency_key=unique) == second
