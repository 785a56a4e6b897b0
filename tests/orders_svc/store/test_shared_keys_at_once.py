"""An order locks nothing that other orders name, so that none waits for another."""

import pytest
from sqlalchemy import select

from orders_svc.store import tables
from tests.orders_svc.bodies import Body, request
from tests.orders_svc.store.test_shared_keys import PARENTS
from tests.serving import Served


@pytest.fixture(scope="module")
def engine() -> str:
    """SQLite has one writer at a time."""
    return "postgresql"


@pytest.mark.parametrize("column", PARENTS)
def test_no_order_waits_for_who_changes_what_it_names(
    orders: Served, frame_order: Body, lab: Body, column: str
) -> None:
    order, parent = {**frame_order, **lab}, PARENTS[column]
    first = orders.call("CreateOrder", request(order)).id
    named = select(tables.orders.c[column]).where(tables.orders.c.id == first)
    held = select(parent.c.id).where(parent.c.id == named.scalar_subquery()).with_for_update()
    with orders.database.write() as tx:
        tx.execute(held)
        assert orders.call("CreateOrder", request(order), timeout=5).id
