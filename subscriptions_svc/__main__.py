"""`python -m subscriptions_svc` serves; `--help` tells the rest."""

import os
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

from chassis.command import Service, command_line
from chassis.database import Database
from subscriptions_svc import reference, store
from subscriptions_svc.messages_ends import ends
from subscriptions_svc.messages_postman import Postman
from subscriptions_svc.service import serve


def background(database: Database, data_dir: Path) -> AbstractContextManager[None]:
    """What works beside the RPCs: whoever sends messages to shoppers."""
    return _working(Postman(database, ends(os.environ, data_dir)))


@contextmanager
def _working(postman: Postman) -> Iterator[None]:
    postman.start()
    try:
        yield
    finally:
        postman.stop()


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

if __name__ == "__main__":
    command_line(SERVICE)(prog_name="python -m subscriptions_svc")
