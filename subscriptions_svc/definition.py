"""What chassis needs to run the subscriptions service."""

import os
from collections.abc import Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from pathlib import Path

from chassis.background import BackgroundLoop
from chassis.cli.service import Service
from chassis.server.server import Resources
from chassis.store.database import Database
from subscriptions_svc import reference
from subscriptions_svc.actions.advance_by_time import create_time_loop
from subscriptions_svc.notices.channels import choose_channels
from subscriptions_svc.notices.postman import Postman
from subscriptions_svc.rpcs.shopper_service import ShopperService
from subscriptions_svc.rpcs.subscription_desk_service import SubscriptionDeskService
from subscriptions_svc.rpcs.subscription_service import SubscriptionService
from subscriptions_svc.store import personal, tables


def create_servicers(resources: Resources) -> list[object]:
    """Return the gRPC services of this process."""
    database, now = resources.database, resources.now
    return [
        SubscriptionService(database, now, resources.public_url),
        SubscriptionDeskService(database, now),
        ShopperService(database, now),
    ]


def run_in_background(database: Database, data_dir: Path) -> AbstractContextManager[None]:
    """Send messages to shoppers and advance subscriptions by time, beside the RPCs."""
    postman = Postman(database, choose_channels(os.environ, data_dir, database.keyring))
    return _run_loops(postman.create_loop(), create_time_loop(database))


@contextmanager
def _run_loops(*loops: BackgroundLoop) -> Iterator[None]:
    with ExitStack() as stack:
        for loop in loops:
            stack.enter_context(loop)
        yield


SERVICE = Service(
    name="subscriptions",
    metadata=tables.metadata,
    accounts=tables.accounts,
    idempotency_keys=tables.idempotency_keys,
    changes=tables.changes,
    keys=tables.keys,
    outbox=tables.outbox,
    migrations=Path(__file__).parent / "migrations",
    reference=reference.REFERENCE,
    load=reference.load,
    servicers=create_servicers,
    personal_tables=personal.TABLES,
    sealed_folders=["messages"],
    open_rpcs=["ShopperService"],
    background=run_in_background,
)
