"""Pages come from an index in its order, however many orders there are, on both engines."""

from collections.abc import Callable
from typing import Any

import pytest
from sqlalchemy import Connection, event

from chassis.context import Account
from orders_svc.store import order_lists
from tests.orders_svc.bodies import LAB, Body
from tests.orders_svc.rpcs.test_get_order import create_order
from tests.serving import Served

CLIENT = Account(1, "demo-client", "client")
PAGE: dict[str, Any] = {**LAB, "limit": 3}
SPAN = {"created_gte": 1, "created_lt": 99_999_999_999}
Pages = Callable[[Connection, dict[str, Any]], order_lists.Page]


def list_mine(tx: Connection, filters: dict[str, Any]) -> order_lists.Page:
    return order_lists.list_orders(tx, CLIENT, filters)


def explain_plan(orders: Served, pages: Pages, filters: dict[str, Any]) -> str:
    """How the engine finds a page."""
    said: list[tuple[str, Any]] = []

    def hear(connection: Any, _cursor: Any, statement: str, values: Any, *_: Any) -> None:
        if connection is tx:  # and not the service's own work beside it
            said.append((statement, values))

    with orders.database.write() as tx:
        event.listen(orders.database.engine, "before_cursor_execute", hear)
        pages(tx, filters)
        event.remove(orders.database.engine, "before_cursor_execute", hear)
        statement, values = said[-1]
        if orders.database.is_sqlite:
            explained = tx.exec_driver_sql(f"EXPLAIN QUERY PLAN {statement}", values)
            return "\n".join(row[3] for row in explained)
        # A table of a few rows is read whole, where that is allowed.
        for way in ("seqscan", "bitmapscan"):
            tx.exec_driver_sql(f"SET LOCAL enable_{way} = off")
        return "\n".join(row[0] for row in tx.exec_driver_sql(f"EXPLAIN {statement}", values))


@pytest.mark.parametrize(
    ("pages", "index", "filters"),
    [
        (list_mine, "ix_orders_listing", {}),
        (list_mine, "ix_orders_listing", SPAN),
        (order_lists.list_lab_orders, "ix_orders_queue", {}),
        (order_lists.list_lab_orders, "ix_orders_queue", {"lab_status": "shipped"}),
    ],
)
@pytest.mark.parametrize("cursor", ["", "starting_after", "ending_before"])
def test_it_works(
    orders: Served, frame_order: Body, pages: Pages, index: str, filters: Any, cursor: str
) -> None:
    asked = {**PAGE, **filters}
    if cursor:
        asked[cursor] = create_order(orders, frame_order)
    found = explain_plan(orders, pages, asked)
    assert index in found
    assert "TEMP B-TREE" not in found
    assert "Sort" not in found
