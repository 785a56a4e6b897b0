"""An order whose caller has stopped waiting is not made."""

from collections.abc import Iterator
from contextlib import contextmanager
from time import sleep
from typing import Any

import grpc
import pytest
from sqlalchemy import create_engine

from tests.orders_svc.bodies import Body, request
from tests.serving import Served

LOCK = {"sqlite": "BEGIN IMMEDIATE", "postgresql": "LOCK TABLE orders IN ACCESS EXCLUSIVE MODE"}


@contextmanager
def held_by_another(orders: Served, engine: str) -> Iterator[None]:
    """Hold the write lock, so that no other call can write orders."""
    another = create_engine(orders.database.engine.url)
    with another.connect() as tx:
        tx.exec_driver_sql(LOCK[engine])
        yield
        tx.rollback()
    another.dispose()


@pytest.mark.parametrize("key", ["", "a-key"])
def test_a_late_order_is_not_made(orders: Served, engine: str, order: Body, key: str) -> None:
    orders.call("CreateOrder", request(order))
    kept = len(orders.rows()["orders"])
    metadata: dict[str, Any] = {"idempotency_key": key} if key else {}
    with held_by_another(orders, engine):
        with pytest.raises(grpc.RpcError) as late:
            orders.call("CreateOrder", request(order), timeout=1, **metadata)
        sleep(0.5)
    assert late.value.code() == grpc.StatusCode.DEADLINE_EXCEEDED
    orders.call("CreateOrder", request(order))
    assert len(orders.rows()["orders"]) == kept + 1
