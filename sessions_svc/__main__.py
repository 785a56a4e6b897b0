"""Command line of the sessions service; `python -m sessions_svc` alone serves."""

from pathlib import Path

from chassis.cli.service import Service, command_line
from sessions_svc import reference
from sessions_svc.rpcs.session_service import serve
from sessions_svc.store import tables

SERVICE = Service(
    name="sessions",
    listen="127.0.0.1:50051",
    metadata=tables.metadata,
    accounts=tables.accounts,
    idempotency_keys=tables.idempotency_keys,
    changes=tables.changes,
    outbox=tables.outbox,
    migrations=Path(__file__).parent / "migrations",
    reference=reference.REFERENCE,
    load=reference.load,
    start=serve,
)

if __name__ == "__main__":
    command_line(SERVICE)(prog_name="python -m sessions_svc")
