"""What chassis needs to run the orders service."""

from contextlib import AbstractContextManager
from pathlib import Path

from chassis.cli.service import Service
from chassis.store.database import Database
from orders_svc import reference
from orders_svc.actions.advance_by_time import create_time_loop
from orders_svc.rpcs.callers import build_authenticate
from orders_svc.rpcs.servicers import build_servicers
from orders_svc.store import tables


def run_in_background(database: Database, _data_dir: Path) -> AbstractContextManager[object]:
    """Transmit orders whose window is over, beside the RPCs."""
    return create_time_loop(database)


SERVICE = Service(
    name="orders",
    metadata=tables.metadata,
    accounts=tables.accounts,
    idempotency_keys=tables.idempotency_keys,
    changes=tables.changes,
    outbox=tables.outbox,
    migrations=Path(__file__).parent / "migrations",
    reference=reference.REFERENCE,
    load=reference.load,
    servicers=build_servicers,
    authenticate=build_authenticate,
    background=run_in_background,
    open_rpcs=("OrderService/CreateToken", "DashboardService/LogIn"),
)
