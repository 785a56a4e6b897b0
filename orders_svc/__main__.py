"""`python -m orders_svc` serves; `--help` tells the rest."""

from pathlib import Path

from chassis.cli.service import Service, command_line
from orders_svc import reference, store
from orders_svc.service import serve

SERVICE = Service(
    name="orders",
    listen="127.0.0.1:50052",
    metadata=store.metadata,
    accounts=store.accounts,
    idempotency_keys=store.idempotency_keys,
    changes=store.changes,
    outbox=store.outbox,
    migrations=Path(__file__).parent / "migrations",
    reference=reference.REFERENCE,
    load=reference.load,
    start=serve,
)

if __name__ == "__main__":
    command_line(SERVICE)(prog_name="python -m orders_svc")
