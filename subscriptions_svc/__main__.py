"""`python -m subscriptions_svc` serves; `--help` lists the other commands."""

import os
import sys
from collections.abc import Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from datetime import datetime
from pathlib import Path

import click

from chassis.background import BackgroundLoop
from chassis.cli.service import Service, command_line
from chassis.server.server import Resources
from chassis.store.database import Database
from subscriptions_svc import reference
from subscriptions_svc.actions.advance_by_time import create_time_loop
from subscriptions_svc.documents.report import write_report
from subscriptions_svc.notices.channels import choose_channels
from subscriptions_svc.notices.postman import Postman
from subscriptions_svc.rpcs.shopper_service import ShopperService
from subscriptions_svc.rpcs.subscription_desk_service import SubscriptionDeskService
from subscriptions_svc.rpcs.subscription_service import SubscriptionService
from subscriptions_svc.store import tables
from subscriptions_svc.store.box_deliveries import find_wrong_counters
from subscriptions_svc.store.listing import find_wrong_totals

DAY = click.DateTime(["%Y-%m-%d"])


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
    postman = Postman(database, choose_channels(os.environ, data_dir))
    return _run_loops(postman.create_loop(), create_time_loop(database))


@contextmanager
def _run_loops(*loops: BackgroundLoop) -> Iterator[None]:
    with ExitStack() as stack:
        for loop in loops:
            stack.enter_context(loop)
        yield


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
    servicers=create_servicers,
    open_rpcs=["ShopperService"],
    background=run_in_background,
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


def build_commands() -> click.Group:
    """Return the commands that every service has, and this service's own."""
    group = command_line(SERVICE)
    group.add_command(report)
    group.add_command(check)
    return group


if __name__ == "__main__":
    build_commands()(prog_name="python -m subscriptions_svc")
