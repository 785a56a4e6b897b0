"""The services' own code, for measurements inside one process.

Everything else in the bench reaches the services as processes, by their
commands and their APIs; what is imported from them is imported here.
"""

import itertools
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import Table, select

from bench.scenarios.bodies import DEMO_CALLERS, vary_demo_order
from chassis.context import Account
from chassis.store.database import Database
from orders_svc.actions.create_order import create_order
from orders_svc.definition import SERVICE as ORDERS
from orders_svc.rpcs.checks import CREATE_ORDER
from orders_svc.rules.warnings.review import Review
from orders_svc.store import catalogs
from orders_svc.store.access import users
from orders_svc.store.orders import FIND_VISIBLE, Submission, bind_visible, get_order
from orders_svc.store.tables import orders
from protos.orders_pb2 import CreateOrderRequest
from subscriptions_svc.definition import SERVICE as SUBSCRIPTIONS
from subscriptions_svc.rules.words import find_words
from subscriptions_svc.rules.years import compute_year

__all__ = [
    "ORDERS",
    "SUBSCRIPTIONS",
    "SUBSCRIPTION_ACCOUNTS",
    "SUBSCRIPTION_TABLES",
    "OrderStore",
    "check_order",
    "compute_year",
    "find_words",
]

# Tables of the subscriptions store, by name.
SUBSCRIPTION_TABLES: dict[str, Table] = dict(SUBSCRIPTIONS.metadata.tables)
SUBSCRIPTION_ACCOUNTS: Table = SUBSCRIPTIONS.accounts.table


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
            ids = ORDERS.accounts.ids(tx)
            self.account = Account(ids[caller.name], caller.name, "client")
            user_id = users.find_user_id(tx, self.account, caller.user_email)
        assert user_id is not None
        self.user_id = user_id
        self._orders = itertools.cycle([variation.body for variation in vary_demo_order()])
        self.last_id = ""  # of the orders inserted here

    def insert(self) -> None:
        """Insert and commit an order as CreateOrder does where nothing else is written."""
        with self.database.write(single=True) as tx:
            order, review, now = next(self._orders), Review([], {}), datetime.now(UTC)
            submission = Submission(now, None)
            row = create_order(
                tx, self.account, self.user_id, order, review, submission, notify=False
            )
        self.last_id = row["id"]

    def find(self) -> object:
        """Read the order that was inserted last as GetOrder does."""
        with self.database.read(single=True) as tx:
            return get_order(tx, self.account, self.user_id, self.last_id)

    def find_by_sqlalchemy(self) -> object:
        """Execute GetOrder's statement by SQLAlchemy."""
        key = {"where_id": self.last_id, **bind_visible(self.account, self.user_id)}
        with self.database.read(single=True) as tx:
            return tx.execute(FIND_VISIBLE.statement, key).one()

    def read(self) -> object:
        """Read the order that was inserted last."""
        query = select(orders).where(orders.c.id == self.last_id)
        with self.database.read(single=True) as tx:
            return tx.execute(query).one()

    def read_offer(self, order: dict[str, Any]) -> None:
        """Read what the lab offers for an order."""
        with self.database.read() as tx:
            lens = catalogs.LensIds.of(order["lab"], order["lens"])
            users.find_settings(tx, self.user_id, order["lab"], order["account_number"])
            catalogs.find_lens_parts(tx, lens)
