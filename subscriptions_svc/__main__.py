"""`python -m subscriptions_svc` serves; `--help` lists the other commands."""

import os
import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from datetime import datetime
from pathlib import Path

import click

from chassis.cli.service import Service, command_line
from chassis.context import utc_now
from chassis.server.server import RunningServer, start_server
from chassis.store.database import Database
from chassis.store.reference_cache import ReferenceCache
from protos import subscriptions_pb2 as pb
from protos import subscriptions_pb2_grpc as rpc
from subscriptions_svc import reference
from subscriptions_svc.actions.advance_by_time import Clockwork
from subscriptions_svc.documents.report import write_report
from subscriptions_svc.notices.channels import choose_channels
from subscriptions_svc.notices.postman import Postman
from subscriptions_svc.rpcs.shopper_service import OPEN_RPCS, ShopperService
from subscriptions_svc.rpcs.subscription_desk_service import SubscriptionDeskService
from subscriptions_svc.rpcs.subscription_service import SubscriptionService
from subscriptions_svc.store import tables
from subscriptions_svc.store.box_deliveries import find_wrong_counters
from subscriptions_svc.store.listing import find_wrong_totals

DAY = click.DateTime(["%Y-%m-%d"])


def serve(
    database: Database,
    listen: str,
    public_url: str,
    now: Callable[[], datetime] = utc_now,
) -> RunningServer:
    """Start the subscriptions service."""
    of = pb.DESCRIPTOR.services_by_name
    return start_server(
        [
            (
                SubscriptionService(database, now, public_url),
                rpc.add_SubscriptionServiceServicer_to_server,
                of["SubscriptionService"],
            ),
            (
                SubscriptionDeskService(database, now),
                rpc.add_SubscriptionDeskServiceServicer_to_server,
                of["SubscriptionDeskService"],
            ),
            (
                ShopperService(database, now),
                rpc.add_ShopperServiceServicer_to_server,
                of["ShopperService"],
            ),
        ],
        database=database,
        idempotency_keys=tables.idempotency_keys,
        authenticate=tables.accounts.basic_authenticator(ReferenceCache(database, tables.changes)),
        open_rpcs=OPEN_RPCS,
        listen=listen,
    )


def background(database: Database, data_dir: Path) -> AbstractContextManager[None]:
    """Send messages to shoppers and advance subscriptions by time, beside the RPCs."""
    channels = choose_channels(os.environ, data_dir)
    return _run_workers(Postman(database, channels), Clockwork(database))


@contextmanager
def _run_workers(*workers: Postman | Clockwork) -> Iterator[None]:
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
    metadata=tables.metadata,
    accounts=tables.accounts,
    idempotency_keys=tables.idempotency_keys,
    changes=tables.changes,
    outbox=tables.outbox,
    migrations=Path(__file__).parent / "migrations",
    reference=reference.REFERENCE,
    load=reference.load,
    start=serve,
    background=background,
)


@click.group(help="Reports as CSV on standard output.")
@click.pass_obj
def report(database: Database) -> None:
    """Require a store of this version."""
    SERVICE.ensure_current(database)


@report.command("deliveries", help="Boxes handed over, one line for each entry of the ledger.")
@click.option("--from", "first", type=DAY, required=True, help="First day.")
@click.option("--to", "last", type=DAY, required=True, help="Last day, included.")
@click.pass_obj
def report_deliveries(database: Database, first: datetime, last: datetime) -> None:
    """Write the report of box deliveries."""
    if last < first:
        raise click.BadParameter("Must not be before --from.", param_hint="--to")
    with database.stream() as tx:
        write_report(tx, first.date(), last.date(), sys.stdout)


@click.command(help="Exit 0 when every counter matches the rows that it counts.")
@click.pass_obj
def check(database: Database) -> None:
    """Print the counters that do not match, and exit 1 if there are any."""
    SERVICE.ensure_current(database)
    with database.stream() as tx:
        counters, totals = find_wrong_counters(tx), find_wrong_totals(tx)
    for item_id, year, counted, delivered in counters:
        click.echo(f"item {item_id}, year {year}: counted {counted}, ledger {delivered}")
    for merchant_id, store_ref, total, real in totals:
        click.echo(f"merchant {merchant_id}, store {store_ref}: total {total}, there are {real}")
    if counters or totals:
        sys.exit(1)


def commands() -> click.Group:
    """Return the commands of every service, and those of this one."""
    group = command_line(SERVICE)
    group.add_command(report)
    group.add_command(check)
    return group


if __name__ == "__main__":
    commands()(prog_name="python -m subscriptions_svc")
