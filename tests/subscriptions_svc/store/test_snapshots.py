"""A document shows one snapshot of its subscription, even if that changes meanwhile."""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest

from protos.subscriptions_pb2 import GetSubscriptionRequest, ListSubscriptionsRequest
from subscriptions_svc.store import cart_items
from subscriptions_svc.store.subscriptions import NOBODY
from tests.serving import Served
from tests.statements import watch_statements
from tests.subscriptions_svc.shop import (
    activate,
    confirm,
    create_activated,
    create_confirmed,
    get,
    propose,
)
from tests.subscriptions_svc.shopper import look

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)


def read_one(served: Served, subscription_id: str) -> Any:
    return served.call("GetSubscription", GetSubscriptionRequest(subscription_id=subscription_id))


def read_list(served: Served, subscription_id: str, code: str) -> Any:
    request = ListSubscriptionsRequest(per_page=100)
    found = served.call("ListSubscriptions", request).data
    return next(each for each in found if each.id == subscription_id)


def read_page(served: Served, subscription_id: str, code: str) -> Any:
    return look(served, code)


def read_while(served: Served, change: Callable[[], Any], read: Callable[[], Any]) -> Any:
    """Read while a change is made between the row of a subscription and its items."""
    waits = [change]

    def before(statement: str) -> None:
        if waits and "FROM cart_items" in statement:
            waits.pop()()

    try:
        with watch_statements(served.database.engine, before):
            return read()
    finally:
        assert waits == []


@pytest.mark.parametrize("read", [read_list, read_page])
def test_it_works(subscriptions: Served, body: Any, read: Callable[..., Any]) -> None:
    with subscriptions.clock.at(NOON):
        made = create_activated(subscriptions, body, NOON)
        of = (subscriptions, made.id, propose(subscriptions, made))
        before = read(*of)
        found = read_while(
            subscriptions, lambda: confirm(subscriptions, made.id), lambda: read(*of)
        )
        after = read(*of)
    assert before != after
    assert found in (before, after)


def test_costs_are_those_of_the_month(subscriptions: Served, body: Any) -> None:
    with subscriptions.clock.at(NOON):
        made = create_confirmed(subscriptions, body)
        item = made.last_persisted_cart.cart_items[0].reference_uuid
        found = read_while(
            subscriptions,
            lambda: activate(subscriptions, made.id, item),
            lambda: read_list(subscriptions, made.id, ""),
        )
        assert found in (made, get(subscriptions, made.id))


def test_one_subscription_is_read_by_one_statement(subscriptions: Served, body: Any) -> None:
    with subscriptions.clock.at(NOON):
        made = create_activated(subscriptions, body, NOON)
        seen: list[str] = []
        with watch_statements(subscriptions.database.engine, seen.append):
            found = read_one(subscriptions, made.id)
        assert found == read_list(subscriptions, made.id, "")
    assert len([each for each in seen if "subscriptions" in each]) == 1


def test_nothing_is_read_of_the_items_of_another_merchant(subscriptions: Served, body: Any) -> None:
    with subscriptions.clock.at(NOON):
        made = create_activated(subscriptions, body, NOON)
    statement = cart_items._ONE_WITH_ITEMS.statement
    with subscriptions.database.read() as tx:
        found = tx.execute(statement, {"id": made.id, "account_id": NOBODY.id}).all()
    assert [row[0] for row in found] == [made.id]
