"""Sending the job of a transmitted order to its lab, as the dispatcher's carrier.

The job is written from the order at each attempt; the outbox holds the order's id alone. An order
that was cancelled, erased or deleted meanwhile is not sent.

Reasons of a failed attempt, besides those of chassis.events.courier: host_key (another one than
pinned), handshake (no common algorithm), login, secret (the file with the key or the password
cannot be read), missing (a folder), denied, full, conflict (a file of this name with other
content), server (another error of it), withdrawn.
"""

from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row

from chassis.errors import NotFound
from chassis.events.addresses import AttemptFailed
from chassis.events.carriers import WITHDRAWN, Carrier
from chassis.events.courier import AttemptResult, Courier, Delivery
from chassis.events.outbox import TEST, Event
from chassis.events.states import DEAD
from chassis.store.database import Database
from chassis.telemetry import log
from orders_svc.documents.orders import build_job
from orders_svc.notices.transport.bounded import BoundedCalls
from orders_svc.notices.transport.files import Drop, deliver_file, try_folder
from orders_svc.notices.transport.opening import use_drop
from orders_svc.rules.lab_status import LabStatus
from orders_svc.rules.transport.drops import name_job
from orders_svc.store.orders import get_submitted_order
from orders_svc.store.transport.drops import LAB_PREFIX, find_drop
from orders_svc.store.transport.jobs import read_job, record_attempt

DROP_SECONDS = 8.0  # for one attempt: connecting, logging in and writing the file
JOB_TYPE = "text/plain; charset=us-ascii"


def send_job(
    database: Database,
    courier: Courier,
    calls: BoundedCalls,
    endpoint: Row[Any],
    event: Row[Any] | Event,
    now: datetime,
    seconds: float = DROP_SECONDS,
) -> AttemptResult:
    """Make one attempt to send the job of an order; a test event tries the way to the lab."""
    lab_id = event.owner.removeprefix(LAB_PREFIX)
    name, content = "", event.body.encode()
    with database.read() as tx:
        drop = find_drop(tx, lab_id)
        if event.type != TEST:
            try:
                name, content = _write_job(tx, event.body)
            except NotFound:
                return AttemptResult(None, WITHDRAWN)
    if drop is None:
        return courier.deliver(_address_job(endpoint, event, name, content), now)
    folder = drop["out"]

    def put(opened: Drop) -> None:
        if event.type == TEST:
            try_folder(opened, folder)
        else:
            deliver_file(opened, folder, f"{name}.oma", content)

    try:
        use_drop(calls, lab_id, drop, seconds, put, private=courier.private)
    except AttemptFailed as failure:
        return AttemptResult(None, failure.reason)
    return AttemptResult(None)


def _write_job(tx: Connection, body: str) -> tuple[str, bytes]:
    """Return a job's name and text; raises NotFound if it is not to be sent any more."""
    job = read_job(body)
    order = get_submitted_order(tx, job.order_id)
    if order.lab_status == LabStatus.CANCELLED or order.erased_at is not None:
        raise NotFound("The order is not to be made.")
    return name_job(*job), build_job(tx, order).oma.encode("ascii", "replace")


def _address_job(
    endpoint: Row[Any], event: Row[Any] | Event, name: str, content: bytes
) -> Delivery:
    headers = dict(endpoint.headers)
    if name:
        headers["idempotency-key"] = name
    return Delivery(
        url=endpoint.url,
        headers=headers,
        secret=endpoint.secret,
        event_id=event.id,
        content_type=JOB_TYPE if name else "application/json",
        body=content,
    )


def record_result(
    tx: Connection, event: Row[Any], state: str, result: AttemptResult, now: datetime
) -> None:
    """Keep what became of a job, and tell when it was given up."""
    values = {
        "state": state,
        "attempts": event.attempts,
        "last_status": result.status,
        "last_error": result.error,
        "updated_at": now,
    }
    record_attempt(tx, event, values)
    if state == DEAD:
        log().error(
            "job not delivered",
            account=event.owner,
            event_id=event.id,
            reason=result.error,
            attempt=event.attempts,
        )


def build_carrier(database: Database, courier: Courier, seconds: float = DROP_SECONDS) -> Carrier:
    """Return what delivers to labs."""
    calls = BoundedCalls()

    def deliver(endpoint: Row[Any], event: Row[Any] | Event, now: datetime) -> AttemptResult:
        return send_job(database, courier, calls, endpoint, event, now, seconds)

    return Carrier(LAB_PREFIX, deliver, record_result)
