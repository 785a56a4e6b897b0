"""An account with box deliveries stays, and no delivery locks it."""

from typing import Any

import pytest
from sqlalchemy import Select, delete, select, update
from sqlalchemy.exc import IntegrityError

from subscriptions_svc.store import tables
from tests.serving import Served
from tests.subscriptions_svc.shop import build_delivery, create_confirmed, list_lenses

ACCOUNTS = tables.accounts.table


@pytest.fixture
def delivery(subscriptions: Served, body: Any) -> Any:
    """A request for a box, one of which was delivered before."""
    made = create_confirmed(subscriptions, body)
    asked = build_delivery(made.id, (list_lenses(made)[0].reference_uuid, 1))
    subscriptions.call("CreateBoxDeliveries", asked)
    return asked


def find_account(delivery: Any) -> Select[Any]:
    """Return the query for the account that delivered."""
    boxes = tables.box_deliveries.c
    return (
        select(boxes.account_id).where(boxes.subscription_id == delivery.subscription_id).limit(1)
    )


@pytest.mark.parametrize("is_renamed", [False, True])
def test_an_account_with_deliveries_stays(
    subscriptions: Served, delivery: Any, is_renamed: bool
) -> None:
    is_it = ACCOUNTS.c.id == find_account(delivery).scalar_subquery()
    change = update(ACCOUNTS).values(id=10**6) if is_renamed else delete(ACCOUNTS)
    words = "FOREIGN KEY" if subscriptions.database.is_sqlite else "account .* has box deliveries"
    with (
        pytest.raises(IntegrityError, match=words),
        subscriptions.database.write() as tx,
    ):
        tx.execute(change.where(is_it))
