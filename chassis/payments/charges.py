"""Charges: what a service asks of a provider, in the transaction that wants it.

A cashier leases a charge as a postman leases a message. Then the charge is open until the provider
reports its outcome. Money that moved is always recorded: a report of it ends a charge in whatever
state that is, once.

    state       is
    asked       waits for its call
    open        the provider has it: a page that can be paid, a refund on its way
    taken       the page was paid
    refunded    the money went back
    failed      the provider has refused it, or it was given up
    expired     nobody paid in time
"""

import re
import uuid
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import (
    JSON,
    BigInteger,
    Column,
    Connection,
    Index,
    Integer,
    MetaData,
    Row,
    String,
    Table,
    and_,
    bindparam,
    literal_column,
    or_,
    select,
    update,
)

from chassis.errors import MALFORMED, Invalid
from chassis.payments.accounts import choose_provider
from chassis.payments.calls import Caller
from chassis.payments.providers import (
    EXPIRED,
    REFUNDED,
    TAKEN,
    Account,
    CallbackRefused,
    Page,
    PageOrder,
    RefundOrder,
    Report,
)
from chassis.store.database import COUNTED, Instant, add_if_absent, partial_index
from chassis.store.encryption.columns import Personal, personal_text
from chassis.store.leases import Backoff, Leases

PAGE, REFUND = "page", "refund"
BY_HAND = "staff"  # in the place of a provider, where people hand money back
ASKED, OPEN = "asked", "open"
# A provider keeps an idempotency key for a day: what has not succeeded by then is given up.
MAX_TRIES = 9
LEASE_TIME = timedelta(minutes=2)  # far longer than a call takes
BACKOFF = Backoff(first=timedelta(seconds=5), longest=timedelta(hours=2), factor=4)
NO_ACCOUNT = "no account"  # of an owner who has ceased to use the provider
_ID = re.compile(r"[0-9a-f-]{36}")
_IS_DUE = "state = 'asked'"
_IS_PAYABLE = "kind = 'page' AND state IN ('asked', 'open')"
_ASKED: Any = literal_column("'asked'")  # a literal, so that a plan can use the partial index


class Charges:
    """The charges in one service's database."""

    def __init__(self, metadata: MetaData) -> None:
        self.table = Table(
            "charges",
            metadata,
            Column("id", String(36), primary_key=True),
            Column("owner", String(255), nullable=False),
            Column("kind", String(8), nullable=False),  # page or refund
            Column("subject", String(100), nullable=False),  # what is paid for: an id
            Column("amount", BigInteger, nullable=False),
            Column("currency", String(3), nullable=False),
            Column(
                "details", JSON, nullable=False
            ),  # of the order, by kind; empty once it has ended
            Column("provider", String(16), nullable=False),
            Column("state", String(16), nullable=False),
            Column("ref", String(255)),  # the provider's name for it
            Column("payment_ref", String(255)),  # that of the money it took
            Column("url", personal_text(2000)),  # of the page
            Column("tries", Integer, nullable=False),  # calls begun
            Column("last_error", String(32)),
            Column("created_at", Instant(), nullable=False),
            Column("due_at", Instant(), nullable=False),  # of a leased charge: the lease's end
            Column("ended_at", Instant()),
            partial_index("ix_charges_due", "owner", "due_at", where=_IS_DUE),
            Index("ix_charges_subject", "owner", "subject"),
            # Of one subject a single page can be paid.
            partial_index("uq_charges_payable", "owner", "subject", where=_IS_PAYABLE, unique=True),
        )
        self.personal = Personal(self.table, ["id"], ["details", "url"])
        columns = self.table.c
        is_due = and_(columns.state == _ASKED, columns.due_at <= bindparam("now", type_=Instant()))
        self._due_owners = select(columns.owner).where(is_due).distinct()
        self._leases = Leases(
            columns.id,
            columns.tries,
            columns.state == _ASKED,
            columns.owner == bindparam("where_owner"),
        )
        is_own = columns.owner == bindparam("where_owner")
        self._find = select(self.table).where(columns.id == bindparam("id"), is_own)
        self._of_subject = (
            select(self.table)
            .where(is_own, columns.subject == bindparam("where_subject"))
            .order_by(columns.created_at, columns.id)
        )
        outcome: Any = bindparam("where_outcome", type_=String())
        can_end = or_(columns.state.in_([ASKED, OPEN]), outcome.in_([TAKEN, REFUNDED]))
        self._end = (
            update(self.table)
            .where(columns.id == bindparam("where_id"), columns.state != outcome, can_end)
            .execution_options(**COUNTED)
        )

    def ask_for_page(
        self, tx: Connection, account: Account, subject: str, order: PageOrder, now: datetime
    ) -> bool:
        """Ask for a page; False if the subject has one already that can be paid."""
        more = {
            "description": order.description,
            "success_url": order.success_url,
            "cancel_url": order.cancel_url,
            "language": order.language,
        }
        return self._add(tx, account, PAGE, subject, order, more, now)

    def ask_for_refund(
        self, tx: Connection, account: Account, subject: str, order: RefundOrder, now: datetime
    ) -> bool:
        """Ask for money to go back; returns True."""
        return self._add(
            tx, account, REFUND, subject, order, {"payment_ref": order.payment_ref}, now
        )

    def owe_refund(
        self, tx: Connection, owner: str, subject: str, order: RefundOrder, now: datetime
    ) -> Row[Any] | None:
        """Note money for people to hand back; returns the charge, open until they record that."""
        account = Account(owner, BY_HAND, "", "", ())
        more = {"payment_ref": order.payment_ref or None}
        self._add(tx, account, REFUND, subject, order, more, now, state=OPEN)
        return self.find(tx, owner, order.charge_id)

    def _add(
        self,
        tx: Connection,
        account: Account,
        kind: str,
        subject: str,
        order: PageOrder | RefundOrder,
        more: dict[str, Any],
        now: datetime,
        state: str = ASKED,
    ) -> bool:
        row = {
            "id": order.charge_id,
            "owner": account.owner,
            "kind": kind,
            "subject": subject,
            "amount": order.amount,
            "currency": order.currency,
            "details": more,
            "provider": account.provider,
            "payment_ref": more.get("payment_ref"),
            "state": state,
            "tries": 0,
            "created_at": now,
            "due_at": now,
        }
        return add_if_absent(tx, self.table, self.personal.seal(tx, row))

    def find(self, tx: Connection, owner: str, charge_id: str) -> Row[Any] | None:
        """Return a charge of an owner; a provider may ask for any text."""
        if not _ID.fullmatch(charge_id):
            return None
        found = tx.execute(self._find, {"where_owner": owner, "id": charge_id}).first()
        return self.personal.open_first(tx, found)

    def list_of_subject(self, tx: Connection, owner: str, subject: str) -> list[Row[Any]]:
        """Return what was ever asked for a subject, oldest first."""
        key = {"where_owner": owner, "where_subject": subject}
        return self.personal.open_all(tx, tx.execute(self._of_subject, key))

    def find_payable(self, tx: Connection, owner: str, subject: str) -> Row[Any] | None:
        """Return the page of a subject that can be paid, or is about to."""
        charges = self.list_of_subject(tx, owner, subject)
        payable = (each for each in charges if each.kind == PAGE and each.state in (ASKED, OPEN))
        return next(payable, None)

    def list_due_owners(self, tx: Connection, now: datetime) -> list[str]:
        """Return the owners of charges that wait for a call now."""
        return list(tx.execute(self._due_owners, {"now": now}).scalars())

    def lease(self, tx: Connection, owner: str, limit: int, now: datetime) -> Sequence[Row[Any]]:
        """Lease the charges of an owner that are due; it counts as a try."""
        leased = self._leases.take(tx, limit, now, LEASE_TIME, where_owner=owner)
        return self.personal.open_all(tx, leased)

    def open_page(self, tx: Connection, leased: Row[Any], page: Page) -> bool:
        """Write the page of a leased charge; False if the lease was lost, or the charge ended."""
        values = {"state": OPEN, "ref": page.ref, "url": page.url}
        sealed = self.personal.seal(tx, values, leased._mapping)
        return self._leases.settle(tx, leased, sealed, self.table.c.state == ASKED)

    def await_outcome(self, tx: Connection, leased: Row[Any], report: Report) -> bool:
        """Leave a leased charge to its callback; False as for `open_page`."""
        values = {"state": OPEN, "ref": report.ref}
        return self._leases.settle(tx, leased, values, self.table.c.state == ASKED)

    def retry(
        self, tx: Connection, leased: Row[Any], reason: str, now: datetime, chance: float
    ) -> bool:
        """Put a leased charge off after a failed call."""
        delay = BACKOFF.compute_delay(leased.tries, chance)
        values = {"due_at": now + delay, "last_error": reason[:32]}
        return self._leases.settle(tx, leased, values, self.table.c.state == ASKED)

    def record(
        self,
        tx: Connection,
        charge: Row[Any],
        report: Report,
        now: datetime,
        reason: str | None = None,
    ) -> bool:
        """Write the outcome of a charge; False if it is known already, or none yet.

        The caller has locked the charge's subject.
        """
        if report.outcome is None:
            return False
        values = {"state": report.outcome, "ended_at": now, "details": {}, "url": None}
        for name, value in (("ref", report.ref), ("payment_ref", report.payment_ref)):
            if value is not None:
                values[name] = value
        if reason is not None:
            values["last_error"] = reason[:32]
        key = {"where_id": charge.id, "where_outcome": report.outcome}
        return tx.execute(self._end.values(values), key).rowcount == 1

    def erase(self, tx: Connection, subjects: Sequence[str]) -> None:
        """Delete the links of pages, which lead to a person's; one that is only asked for ends."""
        columns = self.table.c
        pages = update(self.table).where(columns.subject.in_(subjects), columns.kind == PAGE)
        tx.execute(pages.values(details={}, url=None))
        tx.execute(pages.where(columns.state == ASKED).values(state=EXPIRED))

    def read_callback(
        self, tx: Connection, account: Account, body: bytes, signature: str, now: datetime
    ) -> tuple[Row[Any], Report] | None:
        """Return the charge that a callback is about, and what it reports; None for no charge.

        Raises Invalid for one that the account's provider has not signed, about another kind of
        charge, or about other money.
        """
        try:
            report = choose_provider(account, Caller()).read_callback(account, body, signature, now)
        except CallbackRefused as refusal:
            raise Invalid(str(refusal), reason=MALFORMED) from None
        if report is None:
            return None
        charge = self.find(tx, account.owner, report.charge_id)
        if charge is None:
            return None
        if report.is_refund != (charge.kind == REFUND):
            raise Invalid("The callback is about another kind of charge.")
        if report.amount not in (None, charge.amount) or report.currency not in (
            None,
            charge.currency,
        ):
            raise Invalid("The callback is about another amount than the charge.")
        return charge, report


def generate_charge_id() -> str:
    """Return an id for a charge."""
    return str(uuid.uuid4())
