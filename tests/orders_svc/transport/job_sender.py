"""`python -m tests.orders_svc.transport.job_sender URL NOW ORDER` dies once the job is sent."""

import os
import signal
import sys
from dataclasses import replace
from datetime import datetime
from typing import Any

from chassis.events.courier import Courier
from chassis.events.dispatcher import Dispatcher
from chassis.store.database import Database
from orders_svc.actions.transport.send_job import build_carrier
from orders_svc.store import tables


def die(*_: Any) -> None:
    """End as `kill -9` does."""
    os.kill(os.getpid(), signal.SIGKILL)


if __name__ == "__main__":
    database, now = Database(sys.argv[1]), datetime.fromisoformat(sys.argv[2])
    courier = Courier(private=True)
    carrier = build_carrier(database, courier)

    def deliver(endpoint: Any, event: Any, at: datetime) -> Any:
        """Deliver, and die before the result is recorded; other tests may have left jobs, too."""
        result = carrier.deliver(endpoint, event, at)
        if event.stream == sys.argv[3]:
            die()
        return result

    dispatcher = Dispatcher(
        database,
        tables.outbox,
        courier,
        lambda: now,
        carrier=replace(carrier, deliver=deliver),
    )
    dispatcher.dispatch_due()
    dispatcher.wait_until_idle()
