"""`python -m subscriptions_svc` serves; `--help` tells the rest."""

import os
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

import click

from chassis.cli.service import Service, command_line
from chassis.store.database import Database
from subscriptions_svc import reference
from subscriptions_svc.actions.advance_by_time import Clockwork
from subscriptions_svc.documents import report
from subscriptions_svc.notices.channels import ends
from subscriptions_svc.notices.postman import Postman
from subscriptions_svc.rpcs.subscription_service import serve
from subscriptions_svc.store import tables as store


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
    answers=store.answers,
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
