"""`python -m sessions_svc` serves; `--help` tells the rest."""

from pathlib import Path

from chassis.cli.service import Service, command_line
from sessions_svc import reference
from sessions_svc.rpcs.session_service import serve
from sessions_svc.store import tables as store

SERVICE = Service(
    name="sessions",
    listen="127.0.0.1:50051",
    metadata=store.metadata,
    accounts=store.accounts,
    answers=store.answers,
    changes=store.changes,
    outbox=store.outbox,
    migrations=Path(__file__).parent / "migrations",
    reference=reference.REFERENCE,
    load=reference.load,
    start=serve,
)

if __name__ == "__main__":
    command_line(SERVICE)(prog_name="python -m sessions_svc")
