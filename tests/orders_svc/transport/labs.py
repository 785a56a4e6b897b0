"""Labs that receive jobs: their drops, deliveries at a moment, and what clients see of them."""

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from sqlalchemy import select

from chassis.events.courier import Courier
from chassis.events.dispatcher import Dispatcher
from orders_svc.actions.transport.read_status_files import StatusReader
from orders_svc.actions.transport.send_job import build_carrier
from orders_svc.reference import NO_CHOICE, LabSchema
from orders_svc.rules.transport.drops import DropSchema, write_address
from orders_svc.store import tables
from orders_svc.store.transport.drops import LAB_PREFIX, put_transport
from protos import orders_pb2 as pb
from tests.orders_svc.bodies import Body
from tests.orders_svc.life import add_lab
from tests.orders_svc.rpcs.test_get_order import create_order, fetch_order
from tests.serving import Served

HEAD = "order_id,lab_status,tray_number,invoice_number,tracking_number,lab_word,time\n"
NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)


@dataclass
class Lab:
    """A lab of the optician, and the moment at which its jobs are sent."""

    orders: Served
    where: Body
    order: Body
    now: datetime = NOON

    @property
    def id(self) -> str:
        """Its id."""
        return str(self.where["lab"])

    @property
    def owner(self) -> str:
        """The outbox's name for it."""
        return LAB_PREFIX + self.id

    def connect(self, drop: Mapping[str, Any] | None = None, **endpoint: Any) -> None:
        """Load how it receives its jobs: by a drop, or by an endpoint, or not at all."""
        known = DropSchema().load(dict(drop)) if drop else None
        found: Any = None
        if known:
            found = {"url": write_address(known), "headers": {}, **NO_CHOICE}
        elif endpoint:
            found = LabSchema().fields["endpoint"].deserialize(endpoint)
        with self.orders.database.write() as tx:
            put_transport(tx, self.id, known, found, self.now)

    def submit(self, **changes: Any) -> str:
        """Submit an order to it, and return its id."""
        with self.orders.clock.at(self.now):
            return create_order(self.orders, {**self.order, **self.where, **changes})

    def deliver(self, seconds: float = 5) -> None:
        """Deliver everything that is due at this moment."""
        dispatcher = self.start_dispatcher(seconds)
        while dispatcher.dispatch_due():
            dispatcher.wait_until_idle()

    def start_dispatcher(self, seconds: float = 5) -> Dispatcher:
        """Return a dispatcher at this moment, without jitter; its thread is not started."""
        database, courier = self.orders.database, Courier(private=True, timeout=seconds)
        carrier = build_carrier(database, courier, seconds)
        moment = self.read_now
        return Dispatcher(database, tables.outbox, courier, moment, lambda: 0.5, carrier=carrier)

    def read_now(self) -> datetime:
        """The moment."""
        return self.now

    def move_on(self, **spans: float) -> None:
        """Advance the clock."""
        self.now += timedelta(**spans)

    def list_events(self) -> list[Any]:
        """Its rows in the outbox, oldest first."""
        with self.orders.database.read() as tx:
            return list(reversed(tables.outbox.find(tx, 100, owner=self.owner)))

    def tell(self, order_id: str) -> tuple[str, int, str]:
        """State, attempts and reason of a job, as its client sees them."""
        told = fetch_order(self.orders, order_id).job_delivery
        return told.state, told.attempts, told.reason

    def read_status(self, reader: StatusReader | None = None, seconds: float = 5) -> None:
        """Read its status files when they are due, and 6 seconds later again."""
        reader = reader or self.start_reader(seconds)
        self.move_on(minutes=11)
        for _ in range(2):
            while reader.read_due():
                reader.wait_until_idle()
            self.move_on(seconds=6)

    def start_reader(self, seconds: float = 5) -> StatusReader:
        """Return a reader at this moment; its thread is not started."""
        return StatusReader(self.orders.database, private=True, now=self.read_now, seconds=seconds)

    def find_poll(self) -> Any:
        """What is known of the last reading of its drop."""
        with self.orders.database.read() as tx:
            one = tables.status_polls.c.lab_id == self.id
            return tx.execute(select(tables.status_polls).where(one)).first()


def build_lab(orders: Served, order: Body, unique: str, minutes: int = 0) -> Lab:
    """Return a new lab with the demo's catalog and a window."""
    return Lab(orders, add_lab(orders, unique, minutes), order)


def make_folder(root: Path) -> dict[str, Any]:
    """Return a drop in a local folder that is there."""
    for name in ("out", "in"):
        (root / name).mkdir(parents=True, exist_ok=True)
    return {"folder": str(root)}


def fetch_job(orders: Served, order_id: str) -> bytes:
    """The job of an order, as the API returns it."""
    text: str = orders.call("GetOrderJob", pb.GetOrderJobRequest(order_id=order_id)).oma
    return text.encode()


def list_files(folder: Path) -> list[str]:
    """The names in a folder, hidden ones too; none if it is not there."""
    with suppress(FileNotFoundError):
        return sorted(each.name for each in folder.iterdir())
    return []


def put(folder: Path, text: str | bytes, name: str = "status.csv") -> Path:
    """Put a file into the lab's folder."""
    path = folder / "in" / name
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    return path


def read_report(folder: Path) -> str:
    """The report beside the one file that failed."""
    (name,) = [each for each in list_files(folder / "failed") if each.endswith(".txt")]
    return (folder / "failed" / name).read_text()


def list_kinds(folder: Path) -> dict[str, int]:
    """How many files are where."""
    return {each: len(list_files(folder / each)) for each in ("in", "done", "failed")}
