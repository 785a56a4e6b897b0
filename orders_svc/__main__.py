"""The command line: `python -m orders_svc` serves, `--help` lists the other commands."""

from pathlib import Path

from chassis.cli.service import Service, command_line
from orders_svc import reference
from orders_svc.rpcs.callers import build_authenticate
from orders_svc.rpcs.servicers import build_servicers
from orders_svc.store import tables

SERVICE = Service(
    name="orders",
    listen="127.0.0.1:50052",
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
    open_rpcs=("OrderService/CreateToken", "DashboardService/LogIn"),
)

if __name__ == "__main__":
    command_line(SERVICE)(prog_name="python -m orders_svc")
