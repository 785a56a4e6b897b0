"""A merchant's endpoint, and the forms that it receives."""

from datetime import UTC, datetime
from typing import Any

from chassis.events.courier import Courier
from chassis.events.dispatcher import Dispatcher
from chassis.store.database import Database
from protos.subscriptions_pb2 import Subscription
from subscriptions_svc import reference
from subscriptions_svc.store import tables as store
from tests.chassis.events.receiver import Receiver
from tests.serving import Served

NOON = datetime(2026, 3, 1, 12, 0, 0, 651_999, tzinfo=UTC)
WRITTEN = "2026-03-01 13:00:00.651999000 CET +01:00"
MERCHANT = {"id": "tienda_moderna", "name": "Tienda Moderna", "store_refs": ["tienda_moderna"]}


def load(database: Database, merchant: dict[str, Any]) -> None:
    with database.write() as tx:
        reference.load(tx, reference.REFERENCE.load({"merchants": [merchant]}))


def listen(served: Served, partner: Receiver, **more: Any) -> None:
    load(served.database, {**MERCHANT, "endpoint": {"url": partner.url, **more}})


def deliver(served: Served, now: datetime | None = None) -> None:
    """Deliver everything that is due."""
    courier = Courier(private=True)
    at_work = Dispatcher(
        served.database, store.outbox, courier, now=lambda: now or datetime.now(UTC)
    )
    while at_work.dispatch_due():
        at_work.wait_until_idle()


def load_form(made: Subscription, name: str, event_id: str, *more: tuple[str, str]) -> Any:
    return [
        ("charset", "UTF-8"),
        ("utf", "√"),
        ("event", name),
        ("event_id", event_id),
        ("order_ref", made.id),
        ("order_ref_1", made.reference),
        *more,
    ]


def list_names(forms: list[Any]) -> list[str]:
    return [dict(each)["event"] for each in forms]
