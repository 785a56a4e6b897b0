"""The review page says whether the lab's system has received an order."""

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest
from sqlalchemy import insert, update

from chassis.events.outbox import Event
from orders_svc.store import tables
from orders_svc.store.transport.drops import put_transport
from orders_svc.store.transport.jobs import ORDER_JOB
from tests.browser import DESK, PHONE, Windows, save_picture
from tests.gateway.pages.dashboard import assert_readable, build_order, create_order, open_at
from tests.serving import Served

MOMENT = datetime(2026, 3, 1, 12, tzinfo=UTC)
AGAIN = "The lab's system has not received this order yet: {}. It is tried again."
NEVER = (
    "The lab's system has not received this order: {}. "
    "Call the lab, or whoever runs this site: they can send it again."
)


@pytest.fixture(scope="module")
def engine() -> str:
    """One engine: what the page shows is the same on both."""
    return "sqlite"


@pytest.fixture
def sent(orders: Served) -> Iterator[Any]:
    """Returns the id of a new order whose job is in a state, with this last error."""
    endpoint: dict[str, Any] = {
        "url": "file:///srv/labs/acme",
        "headers": {},
        "secret": None,
        "events": None,
        "format": None,
    }
    ids: list[str] = []

    def send(state: str, attempts: int = 0, reason: str | None = None) -> str:
        order_id = create_order(orders, build_order())
        ids.append(order_id)
        event = Event("lab:lab_123", order_id, ORDER_JOB, "{}")
        row = {"version": 1, "attempts": attempts, "last_error": reason, "updated_at": MOMENT}
        with orders.database.write() as tx:
            put_transport(tx, "lab_123", None, endpoint, MOMENT)
            tables.outbox.add(tx, event, MOMENT)
            of = tables.outbox.table.c
            tx.execute(update(tables.outbox.table).where(of.id == event.id).values(state=state))
            mine = {"order_id": order_id, "event_id": event.id, "state": state}
            tx.execute(insert(tables.job_deliveries).values(**mine, **row))
        return order_id

    yield send
    with orders.database.write() as tx:
        put_transport(tx, "lab_123", None, None, MOMENT)


@pytest.mark.parametrize(
    ("state", "attempts", "reason", "said"),
    [
        ("pending", 0, None, "The order is on its way to the lab's system."),
        ("pending", 2, "timeout", AGAIN.format("it did not answer in time")),
        ("pending", 3, "status", AGAIN.format("it answered with an error")),
        ("dead", 11, "host_key", NEVER.format("it does not prove who it is")),
        ("dead", 11, "full", NEVER.format("it has no space left")),
        ("declined", 1, "status", NEVER.format("it answered with an error")),
        ("cancelled", 1, "withdrawn", "The order was not sent to the lab's system."),
        ("delivered", 1, None, "Received by the lab's system 2026-03-01 12:00 UTC"),
    ],
)
def test_every_state_is_told(
    windows: Windows,
    site: str,
    sent: Any,
    state: str,
    attempts: int,
    reason: str | None,
    said: str,
) -> None:
    order_id = sent(state, attempts, reason)
    page = open_at(windows, site, f"/orders/{order_id}")
    assert page.get_by_text(said, exact=True).is_visible()
    if state != "delivered":
        role: Any = "alert" if state in ("dead", "declined") else "status"
        assert page.get_by_role(role).get_by_text(said).is_visible()
    assert_readable(page)


@pytest.mark.parametrize(
    ("size", "scheme"), [(DESK, "light"), (PHONE, "dark")], ids=["light desk", "dark phone"]
)
def test_it_can_be_read(
    windows: Windows, site: str, orders: Served, sent: Any, size: dict[str, int], scheme: Any
) -> None:
    for state, attempts, reason in (("dead", 11, "host_key"), ("delivered", 1, None)):
        order_id = sent(state, attempts, reason)
        one = tables.orders.c.id == order_id
        with orders.database.write() as tx:
            numbers = {"tray_number": "T-12", "tracking_number": "1Z999AA10123456784"}
            tx.execute(update(tables.orders).where(one).values(numbers))
        page = open_at(windows, site, f"/orders/{order_id}", size=size, color_scheme=scheme)
        assert page.get_by_text("Parcel 1Z999AA10123456784").is_visible()
        assert_readable(page)
        save_picture(page, f"orders-delivery-{state}-{size['width']}-{scheme}")
