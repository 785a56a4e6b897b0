"""The command line: `python -m subscriptions_svc` serves, `--help` lists the other commands."""

import sys
from datetime import datetime

import click

from chassis.cli.invocation import Invocation
from chassis.cli.main import command_line
from chassis.cli.output.progress import show_progress
from chassis.cli.tables import json_option, print_json

DAY = click.DateTime(["%Y-%m-%d"])

cli = command_line("subscriptions", "127.0.0.1:50053")


@cli.group(help="Reports as CSV on standard output.")
def report() -> None:
    """The group `report`."""


@report.command("deliveries", help="Boxes handed over, one line for each entry of the ledger.")
@click.option("--from", "first", type=DAY, required=True, help="First day.")
@click.option("--to", "last", type=DAY, required=True, help="Last day, included.")
@click.pass_obj
def report_deliveries(run: Invocation, first: datetime, last: datetime) -> None:
    """Write the report of box deliveries."""
    from subscriptions_svc.documents.report import write_report

    if last < first:
        raise click.BadParameter("Must not be before --from.", param_hint="--to")
    with run.open_store().stream() as tx:
        write_report(tx, first.date(), last.date(), sys.stdout)


@cli.command(help="Exit 0 when every counter matches the rows that it counts.")
@json_option
@click.pass_obj
def check(run: Invocation, as_json: bool) -> None:
    """Print the counters that do not match, and exit 1 if there are any."""
    from subscriptions_svc.store.box_deliveries import find_wrong_counters
    from subscriptions_svc.store.lists.listing import find_wrong_totals

    with run.open_store().stream() as tx, show_progress("check", 2) as report:
        report(0, "counters of boxes")
        counters = find_wrong_counters(tx)
        report(1, "totals of lists")
        totals = find_wrong_totals(tx)
        report(2, "")
    if as_json:
        found = {
            "counters": [
                {"item": item, "year": year, "counted": counted, "ledger": delivered}
                for item, year, counted, delivered in counters
            ],
            "totals": [
                {"merchant": merchant, "store": store, "total": total, "rows": real}
                for merchant, store, total, real in totals
            ],
        }
        print_json(found)
        sys.exit(1 if counters or totals else 0)
    for item_id, year, counted, delivered in counters:
        click.echo(f"item {item_id}, year {year}: counted {counted}, ledger {delivered}")
    for merchant_id, store_ref, total, real in totals:
        click.echo(f"merchant {merchant_id}, store {store_ref}: total {total}, there are {real}")
    if counters or totals:
        sys.exit(1)
    click.echo("Every counter of boxes and every total of lists matches its rows.")


if __name__ == "__main__":
    cli(prog_name="python -m subscriptions_svc")
