"""A store with charges, a stand-in for a provider, and a service that records outcomes."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import pytest
from sqlalchemy import Connection, MetaData, Row, delete

from chassis.payments.accounts import PaymentAccounts, PaymentAccountSchema
from chassis.payments.calls import Caller
from chassis.payments.cashier import Cashier
from chassis.payments.charges import Charges, generate_charge_id
from chassis.payments.providers import Account, PageOrder, RefundOrder, Report
from chassis.store.database import NAMING_CONVENTION, Database
from tests.serving import open_database
from tests.stripe_stub import Stub, run_stub

START = datetime(2026, 3, 1, 12, tzinfo=UTC)
SECRETS = ["whsec_one_of_this_owner", "whsec_two_of_this_owner"]


@dataclass
class Till:
    """The charges of a store, at a moment that a test moves, and what was recorded of them."""

    database: Database
    accounts: PaymentAccounts
    charges: Charges
    stub: Stub
    now: datetime = START
    recorded: list[tuple[str, str | None, str | None]] = field(default_factory=list)

    def open_account(self, owner: str, **changes: Any) -> Account:
        """Load an owner's account at the stand-in."""
        values = {
            "provider": "stripe",
            "api_url": self.stub.url,
            "secret_key": self.stub.secret_key,
            "callback_secrets": SECRETS,
            **changes,
        }
        with self.database.write() as tx:
            self.accounts.put(tx, owner, PaymentAccountSchema().load(values))
            account = self.accounts.find(tx, owner)
        assert account is not None
        return account

    def ask_for_page(self, account: Account, subject: str = "payment-1", **order: Any) -> str:
        """Ask for a page; returns the charge's id, or "" if one can be paid."""
        values: dict[str, Any] = {
            "charge_id": generate_charge_id(),
            "amount": 1458,
            "currency": "EUR",
            "description": "Óptica · month 1",
            "success_url": "https://shop.example/ok",
            "cancel_url": "https://shop.example/no",
            **order,
        }
        with self.database.write() as tx:
            page = PageOrder(**values)
            added = self.charges.ask_for_page(tx, account, subject, page, self.now)
        return str(values["charge_id"]) if added else ""

    def ask_for_refund(self, account: Account, subject: str = "payment-1") -> str:
        """Ask for a refund; returns the charge's id."""
        order = RefundOrder(generate_charge_id(), 458, "EUR", "pi_1")
        with self.database.write() as tx:
            self.charges.ask_for_refund(tx, account, subject, order, self.now)
        return order.charge_id

    def find(self, owner: str, charge_id: str) -> Any:
        """A charge as it stands."""
        with self.database.read() as tx:
            return self.charges.find(tx, owner, charge_id)

    def record(
        self, tx: Connection, charge: Row[Any], report: Report, now: datetime, reason: str | None
    ) -> None:
        """What a service does with an outcome."""
        if self.charges.record(tx, charge, report, now, reason):
            self.recorded.append((charge.id, report.outcome, reason))

    def cashier(self, timeout: float = 5) -> Cashier:
        """A cashier at this moment; its loop is not started."""
        caller = Caller(private=True, timeout=timeout)
        return Cashier(
            self.database, self.accounts, self.charges, self.record, caller, lambda: self.now
        )

    def call(self, timeout: float = 5) -> None:
        """Make every call that is due at this moment."""
        cashier = self.cashier(timeout)
        while cashier.call_due():
            cashier.wait_until_idle()

    def receive(self, account: Account, body: bytes, signature: str) -> bool:
        """Receive a callback; returns whether it is about a charge."""
        with self.database.write() as tx:
            found = self.charges.read_callback(tx, account, body, signature, self.now)
            if found is not None:
                self.record(tx, *found, self.now, None)
        return found is not None


@pytest.fixture(scope="module")
def payments_store(
    store_url: Callable[[str, str], str], engine: str
) -> Iterator[tuple[Database, PaymentAccounts, Charges]]:
    """A store that has the tables of payments, too."""
    database = open_database(store_url("orders", engine))
    metadata = MetaData(naming_convention=NAMING_CONVENTION)
    accounts, charges = PaymentAccounts(metadata), Charges(metadata)
    with database.write() as tx:
        metadata.create_all(tx)
    yield database, accounts, charges
    database.close()


@pytest.fixture
def stub() -> Iterator[Stub]:
    """The stand-in for a provider."""
    with run_stub() as running:
        yield running


@pytest.fixture
def till(payments_store: tuple[Database, PaymentAccounts, Charges], stub: Stub) -> Till:
    """Charges, called at the stand-in; none is left of another test."""
    database, _, charges = payments_store
    with database.write() as tx:
        tx.execute(delete(charges.table))
    return Till(*payments_store, stub)
