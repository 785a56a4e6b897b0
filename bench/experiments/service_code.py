"""The services' own code, for measurements inside one process.

Everything else in the bench reaches the services as processes, by their
commands and their APIs; what is imported from them is imported here.
"""

import itertools
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import Table

from bench.scenarios.bodies import DEMO_CALLERS, vary_demo_order
from chassis.context import Account
from chassis.store.database import Database
from orders_svc import orders as order_rows
from orders_svc import store as order_store
from orders_svc.__main__ import SERVICE as ORDERS
from orders_svc.service import CREATE_ORDER
from orders_svc.warnings import Review
from protos.orders_pb2 import CreateOrderRequest
from subscriptions_svc import store as subscription_store
from subscriptions_svc.__main__ import SERVICE as SUBSCRIPTIONS
from subscriptions_svc.searching import words
from subscriptions_svc.years import year_of

__all__ = [
    "ORDERS",
    "SUBSCRIPTIONS",
    "SUBSCRIPTION_ACCOUNTS",
    "SUBSCRIPTION_TABLES",
    "OrderStore",
    "check_order",
    "search_words",
    "year_of",
]

# Tables of the subscriptions store, by name.
SUBSCRIPTION_TABLES: dict[str, Table] = dict(subscription_store.metadata.tables)
SUBSCRIPTION_ACCOUNTS: Table = subscription_store.accounts.table


def search_words(person: dict[str, Any]) -> list[str]:
    """Return the words under which a subscription is found."""
    return sorted(words(person))


def check_order(request: CreateOrderRequest) -> dict[str, Any]:
    """Apply the rules to an order; return its values."""
    values: dict[str, Any] = CREATE_ORDER.check(request)
    return values


class OrderStore:
    """An orders store with the demo data, and a user who orders there."""

    def __init__(self, database: Database) -> None:
        self.database = database
        caller = DEMO_CALLERS["orders"]
        with database.read() as tx:
            ids = order_store.accounts.ids(tx)
            self.account = Account(ids[caller.name], caller.name, "client")
            user = order_store.user_id(tx, self.account, caller.user_email)
        assert user is not None
        self.user = user
        self._orders = itertools.cycle(variation.body for variation in vary_demo_order())

    def insert(self) -> None:
        """Insert and commit an order as CreateOrder does where nothing else is written."""
        with self.database.write(single=True) as tx:
            order_rows.add(
                tx, self.account, self.user, next(self._orders), Review([], {}), datetime.now(UTC)
            )

    def read_offer(self, order: dict[str, Any]) -> None:
        """Read what the lab offers for an order."""
        with self.database.read() as tx:
            lens = order_store.Lens.of(order["lab"], order["lens"])
            order_store.settings_of(tx, self.user, order["lab"], order["account_number"])
            order_store.found(tx, lens)
