"""`python -m subscriptions_svc` serves; `--help` tells the rest."""

import os
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

import click

from chassis.cli.service import Service, command_line
from chassis.store.database import Database
from subscriptions_svc import reference, report, store
from subscriptions_svc.clockwork import Clockwork
from subscriptions_svc.messages_ends import ends
from subscriptions_svc.messages_postman import Postman
from subscriptions_svc.service import serve


def background(database: Database, data_dir: Path) -> AbstractContextManager[None]:
    """What works beside the RPCs: who sends messages to shoppers, and what time alone does."""
    return _working(Postman(database, ends(os.environ, data_dir)), Clockwork(database))


@contextmanager
def _working(*workers: Postman | Clockwork) -> Iterator[None]:
    for worker in workers:
        worker.start()
    try:
        yield
    finally:
        for worker in workers:
            worker.stop()


SERVICE = Service(
    name="subscriptions",
    listen="127.0.0.1:50053",
    metadata=store.metadata,
    accounts=store.accounts,
    idempotency_keys=store.idempotency_keys,
    changes=store.changes,
    outbox=store.outbox,
    migrations=Path(__file__).parent / "migrations",
    reference=reference.REFERENCE,
    load=reference.load,
    start=serve,
    background=background,
)


def commands() -> click.Group:
    """What every service has, and this one's reports."""
    group = command_line(SERVICE)
    for command in report.commands(SERVICE.ensure_current):
        group.add_command(command)
    return group


if __name__ == "__main__":
    commands()(prog_name="python -m subscriptions_svc")
