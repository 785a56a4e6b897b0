"""On PostgreSQL an order, its audit entry and its kept answer are one statement."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import func, select, update

from chassis.context import get_current_call, utc_now
from chassis.store.limits import LOCK_WAIT_SECONDS
from orders_svc.store import tables
from tests.orders_svc.bodies import Body, put, request
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


def test_a_key_changes_nothing_of_an_order(orders: Served, order: Body, unique: str) -> None:
    of_its_own = {"id", "created_at", "updated_at", "submitted_at"}

    def read(**key: Any) -> dict[str, Any]:
        made = orders.call("CreateOrder", request(order), **key)
        with orders.database.read() as tx:
            row = tx.execute(select(tables.orders).where(tables.orders.c.id == made.id)).one()
        return {name: value for name, value in row._mapping.items() if name not in of_its_own}

    assert read(idempotency_key=unique) == read()


def test_a_repeat_waits_for_nobody_who_holds_its_key(
    orders: Served, order: Body, unique: str
) -> None:
    first = orders.call("CreateOrder", request(order), idempotency_key=unique)
    with orders.database.write() as tx:
        tx.execute(select(KEYS).where(KEYS.c.key == unique).with_for_update())
        tx.execute(update(KEYS).where(KEYS.c.key == unique).values(response=KEYS.c.response))
        # Who waits for a lock does so for longer.
        patience = LOCK_WAIT_SECONDS - 1
        second = orders.call(
            "CreateOrder", request(order), idempotency_key=unique, timeout=patience
        )
    assert second == first


def test_a_repeat_of_an_order_of_several_statements_writes_nothing(
    orders: Served, order: Body, unique: str
) -> None:
    put(order, "patient.last_name", "Smith-Jones")
    first = orders.call("CreateOrder", request(order), idempotency_key=unique)
    with watch_writes(orders) as statements:
        second = orders.call("CreateOrder", request(order), idempotency_key=unique)
    assert second == first
    assert not [each for each in statements if "INSERT" in each]
