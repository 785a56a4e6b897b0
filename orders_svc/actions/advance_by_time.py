"""What time alone does to orders: one whose window is over is transmitted to its lab.

Any number of processes may do it at once. Each statement locks the rows that it moves and skips
those locked by others, and the event leaves in its transaction, so that nothing happens twice.
"""

from collections.abc import Callable
from datetime import datetime

from chassis.background import BackgroundLoop
from chassis.context import utc_now
from chassis.store.database import Database
from orders_svc.documents.events import ORDER_SUBMITTED, build_event
from orders_svc.rules.life.history import SYSTEM, Event
from orders_svc.store.life.history import add_entry
from orders_svc.store.life.transmissions import has_due, transmit_due
from orders_svc.store.tables import accounts, outbox
from orders_svc.store.transport.drops import list_reached_labs
from orders_svc.store.transport.jobs import add_job

POLL_SECONDS = 2.0
BATCH_ROWS = 200  # orders transmitted in one transaction


def advance_by_time(database: Database, now: datetime, batch: int = BATCH_ROWS) -> int:
    """Transmit every order that is due at `now`, a batch at a time; returns how many were."""
    total = 0
    while True:
        with database.read(single=True) as tx:
            if not has_due(tx, now):
                return total
        with database.write() as tx:
            rows = transmit_due(tx, now, batch)
            names = {row.account_id: accounts.name(tx, row.account_id) for row in rows}
            reached = list_reached_labs(tx, {row.lab_id for row in rows})
            for row in rows:
                add_entry(tx, row, Event.TRANSMITTED, SYSTEM, now)
                event = build_event(names[row.account_id], ORDER_SUBMITTED, row._mapping, now)
                outbox.add(tx, event, now)
                if row.lab_id in reached:
                    add_job(tx, row._mapping, now)
        total += len(rows)
        if len(rows) < batch:
            return total


def create_time_loop(
    database: Database, now: Callable[[], datetime] = utc_now, seconds: float = POLL_SECONDS
) -> BackgroundLoop:
    """Return a loop that transmits orders at intervals."""
    return BackgroundLoop("advance by time", lambda: advance_by_time(database, now()), seconds)
