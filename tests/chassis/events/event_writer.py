"""`python -m tests.chassis.events.event_writer URL OWNER`: a process that is killed while it works.

It delivers the events of a store, and adds one after the other; of each it
writes the id to standard error when its transaction is committed.
"""

import sys
from datetime import UTC, datetime

from chassis.events.courier import Courier
from chassis.events.dispatcher import Dispatcher
from chassis.events.outbox import Event
from chassis.store.database import Database
from orders_svc.store import tables

if __name__ == "__main__":
    database, owner = Database(sys.argv[1]), sys.argv[2]
    Dispatcher(database, tables.outbox, Courier(private=True)).start()
    for number in range(1_000_000):
        event = Event(owner, f"s{number % 10}", "thing.moved", str(number))
        with database.write() as tx:
            tables.outbox.add(tx, event, datetime.now(UTC))
        sys.stderr.write(f"{event.id}\n")
