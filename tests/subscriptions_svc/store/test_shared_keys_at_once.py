"""No box delivery waits for who changes its account."""

from typing import Any

import pytest
from sqlalchemy import select

from tests.serving import Served
from tests.subscriptions_svc.store.test_shared_keys import ACCOUNTS, delivery, find_account

__all__ = ["delivery"]


@pytest.fixture(scope="module")
def engine() -> str:
    """SQLite has one writer at a time."""
    return "postgresql"


def test_no_delivery_waits_for_who_changes_its_account(
    subscriptions: Served, delivery: Any
) -> None:
    is_it = ACCOUNTS.c.id == find_account(delivery).scalar_subquery()
    with subscriptions.database.write() as tx:
        tx.execute(select(ACCOUNTS.c.id).where(is_it).with_for_update())
        answer = subscriptions.call("CreateBoxDeliveries", delivery, timeout=5)
    assert len(answer.deliveries) == 1
