"""The cashier: a background loop that makes the calls to providers, outside of any transaction.

Calls run in a lane of their own: so many at once, and so few of one owner that a provider which
hangs for one stops nobody else. If the process dies, the lease expires, and the call is made again
under the same idempotency key.
"""

from collections.abc import Callable
from concurrent.futures import Future
from datetime import datetime
from random import Random
from time import monotonic
from typing import Any

from sqlalchemy import Connection, Row

from chassis.background import BackgroundLoop
from chassis.context import utc_now
from chassis.errors import Refusal
from chassis.events.lanes import Lane
from chassis.payments.accounts import PaymentAccounts, choose_provider
from chassis.payments.calls import Caller
from chassis.payments.charges import MAX_TRIES, NO_ACCOUNT, PAGE, Charges
from chassis.payments.providers import (
    FAILED,
    Account,
    CallFailed,
    Page,
    PageOrder,
    RefundOrder,
    Report,
)
from chassis.store.database import Database
from chassis.telemetry import describe, log

POLL_SECONDS = 1.0
MAX_CALLS = 8  # at once
MAX_CALLS_PER_OWNER = 2  # at once
Record = Callable[[Connection, Row[Any], Report, datetime, str | None], None]


class Cashier:
    """Makes the calls of the charges in one store; any number of cashiers may share it.

    `record` takes a charge, what is reported of it, the moment, and why it failed if it did.
    """

    def __init__(
        self,
        database: Database,
        accounts: PaymentAccounts,
        charges: Charges,
        record: Record,
        caller: Caller,
        now: Callable[[], datetime] = utc_now,
    ) -> None:
        self.database = database
        self.accounts = accounts
        self.charges = charges
        self.record = record
        self.caller = caller
        self.now = now
        self._random = Random()  # nosec B311  # jitter and order, no secret
        self._lane = Lane("payment", deliveries=MAX_CALLS, per_owner=MAX_CALLS_PER_OWNER)
        self._loop = BackgroundLoop("cashier", self.call_due, POLL_SECONDS)

    def __enter__(self) -> "Cashier":
        self._loop.start()
        return self

    def __exit__(self, *_error: object) -> None:
        self._loop.stop()
        self._lane.close()

    def call_due(self) -> int:
        """Begin the calls that are due, within the limits; returns how many."""
        now, begun = self.now(), 0
        with self.database.read() as tx:
            owners = self.charges.list_due_owners(tx, now)
        self._random.shuffle(owners)
        for owner in owners:
            slots = self._lane.count_free_slots(owner)
            if slots <= 0:
                continue
            with self.database.write() as tx:
                account = self.accounts.find(tx, owner)
                leased = self.charges.lease(tx, owner, slots, now)
            for charge in leased:
                work = self._lane.submit(owner, self._call, account, charge)
                work.add_done_callback(self._wake)
            begun += len(leased)
        return begun

    def wait_until_idle(self) -> None:
        """Wait for the running calls."""
        self._lane.wait_until_idle()

    def _wake(self, _work: Future[None]) -> None:
        self._loop.wakeup.set()  # a slot is free

    def _call(self, account: Account | None, charge: Row[Any]) -> None:
        began = monotonic()
        line: dict[str, Any] = {"type": charge.kind, "attempt": charge.tries}
        try:
            line |= self._attempt(account, charge)
        except Refusal as refusal:  # the store is busy or away: it is called again
            line |= {"outcome": "not recorded", "reason": refusal.reason}
        except Exception as error:  # noqa: BLE001 - the lease expires, and it is called again
            line |= {"outcome": "not recorded", **describe(error)}
        log().info("payment call", ms=round((monotonic() - began) * 1000, 1), **line)

    def _attempt(self, account: Account | None, charge: Row[Any]) -> dict[str, str]:
        try:
            if account is None:
                raise CallFailed(NO_ACCOUNT, lasting=True)
            made = _make_call(account, charge, self.caller)
        except CallFailed as failure:
            return self._record_failure(charge, failure)
        except Exception as error:  # noqa: BLE001 - a fault of ours counts as a try, so tries end
            log().error("payment call", **describe(error))
            return self._record_failure(charge, CallFailed("error"))
        with self.database.write() as tx:
            if isinstance(made, Page):
                self.charges.open_page(tx, charge, made)
            elif made.outcome is None:
                self.charges.await_outcome(tx, charge, made)
            else:
                self.record(tx, charge, made, self.now(), None)
        return {"outcome": "made"}

    def _record_failure(self, charge: Row[Any], failure: CallFailed) -> dict[str, str]:
        line = {"reason": failure.reason}
        with self.database.write() as tx:
            if failure.lasting or charge.tries >= MAX_TRIES:
                self.record(tx, charge, Report(charge.id, FAILED), self.now(), failure.reason)
                return {"outcome": "given up", **line}
            self.charges.retry(tx, charge, failure.reason, self.now(), self._random.random())
        return {"outcome": "retry", **line}


def _make_call(account: Account, charge: Row[Any], caller: Caller) -> Page | Report:
    provider = choose_provider(account, caller)
    order = {
        "charge_id": charge.id,
        "amount": charge.amount,
        "currency": charge.currency,
        **charge.details,
    }
    if charge.kind == PAGE:
        return provider.create_page(account, PageOrder(**order))
    return provider.refund(account, RefundOrder(**order))
