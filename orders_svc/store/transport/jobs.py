"""Deliveries of jobs: an event for the lab in the transaction of the transmission, and its state.

The event holds the order's id and version; the job is written when it is sent.
"""

from collections.abc import Mapping
from datetime import datetime
from typing import Any, NamedTuple

import msgspec
from sqlalchemy import Connection, Row, RowMapping, bindparam, insert, update

from chassis.events.outbox import Event
from chassis.events.states import CANCELLED, PENDING
from chassis.store.prepared import Prepared
from orders_svc.store.tables import job_deliveries, orders, outbox
from orders_svc.store.transport.drops import name_owner

ORDER_JOB = "order.job"
_ADD = Prepared(insert(job_deliveries))
_RECORD = update(job_deliveries).where(
    job_deliveries.c.order_id == bindparam("where_order_id"),
    job_deliveries.c.event_id == bindparam("where_event_id"),
)


class Job(NamedTuple):
    """Which order a job is written from."""

    order_id: str
    version: int


class JobDelivery(NamedTuple):
    """Where the delivery of an order's job stands; `state` is one of chassis.events.states."""

    state: str
    attempts: int
    last_status: int | None
    last_error: str | None
    updated_at: datetime


def add_job(tx: Connection, order: Mapping[str, Any] | RowMapping, now: datetime) -> None:
    """Have the job of an order that is transmitted sent to its lab, if the lab wants it."""
    job = Job(order["id"], order.get("version", 1))
    body = msgspec.json.encode(job._asdict()).decode()
    event = Event(name_owner(order["lab_id"]), job.order_id, ORDER_JOB, body)
    if outbox.add(tx, event, now) is None:
        return
    row = {"event_id": event.id, "state": PENDING, "attempts": 0, "updated_at": now}
    _ADD.execute(tx, row | job._asdict())


def read_job(body: str) -> Job:
    """Return the job of an event."""
    return Job(**msgspec.json.decode(body))


def record_attempt(tx: Connection, event: Any, values: Mapping[str, Any]) -> None:
    """Keep what became of a job's event."""
    key = {"where_order_id": event.stream, "where_event_id": event.id}
    tx.execute(_RECORD, {**values, **key})


def join_job(query: Any) -> Any:
    """Add the delivery of an order's job to a query on orders, for `read_job_delivery`."""
    job, event = job_deliveries.c, outbox.table.c
    return (
        query.add_columns(
            job.state.label("job_state"),
            job.attempts.label("job_attempts"),
            job.last_status.label("job_status"),
            job.last_error.label("job_error"),
            job.updated_at.label("job_updated_at"),
            event.state.label("job_event_state"),
        )
        .outerjoin(job_deliveries, job.order_id == orders.c.id)
        .outerjoin(outbox.table, event.id == job.event_id)
    )


def read_job_delivery(row: Row[Any]) -> JobDelivery | None:
    """Return where the delivery of an order's job stands; None if no lab is sent one.

    The event itself knows better as long as it is kept: it may be replayed or cancelled.
    """
    if row.job_state is None:
        return None
    lost = CANCELLED if row.job_state == PENDING else row.job_state
    state = row.job_event_state or lost
    last = row.job_status, row.job_error
    return JobDelivery(state, row.job_attempts, *last, row.job_updated_at)
