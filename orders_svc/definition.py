"""What chassis needs to run the orders service."""

from pathlib import Path

from chassis.cli.service import Service
from orders_svc import reference
from orders_svc.rpcs.callers import build_authenticate
from orders_svc.rpcs.servicers import build_servicers
from orders_svc.store import personal, tables

SERVICE = Service(
    name="orders",
    metadata=tables.metadata,
    accounts=tables.accounts,
    idempotency_keys=tables.idempotency_keys,
    changes=tables.changes,
    keys=tables.keys,
    outbox=tables.outbox,
    migrations=Path(__file__).parent / "migrations",
    reference=reference.REFERENCE,
    load=reference.load,
    servicers=build_servicers,
    authenticate=build_authenticate,
    personal_tables=personal.TABLES,
    open_rpcs=("OrderService/CreateToken", "DashboardService/LogIn"),
)
