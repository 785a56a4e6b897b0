"""What an order names is neither deleted nor renamed, on both engines."""

import pytest
from sqlalchemy import delete, exists, select, update
from sqlalchemy.exc import IntegrityError

from orders_svc.store import tables
from tests.orders_svc.bodies import Body, request
from tests.serving import Served

PARENTS = {
    "account_id": tables.accounts.table,
    "user_id": tables.users,
    "lab_id": tables.labs,
}


@pytest.fixture
def order_id(orders: Served, frame_order: Body, lab: Body) -> str:
    """An order of a lab of its own."""
    created = orders.call("CreateOrder", request({**frame_order, **lab}))
    return str(created.id)


@pytest.mark.parametrize("column", PARENTS)
@pytest.mark.parametrize("is_renamed", [False, True])
def test_a_row_that_an_order_names_stays(
    orders: Served, order_id: str, column: str, is_renamed: bool
) -> None:
    parent = PARENTS[column]
    named = select(tables.orders.c[column]).where(tables.orders.c.id == order_id)
    is_it = parent.c.id == named.scalar_subquery()
    change = update(parent).values(id="lab_other" if column == "lab_id" else 10**6)
    statement = (change if is_renamed else delete(parent)).where(is_it)
    words = "FOREIGN KEY" if orders.database.is_sqlite else f"{parent.name} .* has orders"
    with pytest.raises(IntegrityError, match=words), orders.database.write() as tx:
        tx.execute(statement)
    with orders.database.read() as tx:
        assert tx.execute(select(exists().where(is_it))).scalar()


@pytest.mark.parametrize("column", PARENTS)
def test_a_row_that_an_order_names_may_change(orders: Served, order_id: str, column: str) -> None:
    parent = PARENTS[column]
    named = select(tables.orders.c[column]).where(tables.orders.c.id == order_id)
    same = update(parent).where(parent.c.id == named.scalar_subquery()).values(id=parent.c.id)
    with orders.database.write() as tx:
        assert tx.execute(same).rowcount == 1


def test_a_lab_without_orders_may_go(orders: Served, lab: Body) -> None:
    with orders.database.write() as tx:
        tx.execute(delete(tables.user_labs).where(tables.user_labs.c.lab_id == lab["lab"]))
        gone = tx.execute(delete(tables.labs).where(tables.labs.c.id == lab["lab"]))
        assert gone.rowcount == 1
