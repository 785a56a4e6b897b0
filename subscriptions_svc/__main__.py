"""The command line: `python -m subscriptions_svc` serves, `--help` lists the other commands."""

import sys
from datetime import datetime
from pathlib import Path

import click

from chassis.cli.invocation import Invocation
from chassis.cli.main import command_line
from chassis.cli.output.progress import show_progress
from chassis.cli.output.tables import json_option, print_json

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


@cli.group(help="Payments of months: a provider's results, and statements.")
def payments() -> None:
    """The group `payments`."""


@payments.command(
    "import", help="Record a provider's results from CSV: all lines or none, each line once."
)
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@json_option
@click.pass_obj
def import_file(run: Invocation, file: Path, as_json: bool) -> None:
    """Import a file, and name the faults of its lines."""
    from chassis.context import utc_now
    from chassis.errors import Invalid
    from chassis.store.conflicts import perform
    from subscriptions_svc.actions.paying.import_payments import import_payments

    try:
        content = file.read_bytes()
        done = perform(run.open_store(), lambda tx: import_payments(tx, content, utc_now()))
    except Invalid as refusal:
        faults = [f"{fault.path}: {fault.message}" for fault in refusal.faults]
        raise click.ClickException("\n".join([f"{file}: nothing was imported.", *faults])) from None
    if as_json:
        print_json({"imported": done.imported, "skipped": done.skipped})
    else:
        click.echo(f"{done.imported} imported, {done.skipped} skipped")


@payments.command("statement", help="A merchant's statement of a month, on standard output.")
@click.option("--merchant", "merchant_id", required=True, help="Id of the merchant.")
@click.option("--month", type=click.DateTime(["%Y-%m"]), required=True, help="YYYY-MM.")
@click.option("--format", "form", type=click.Choice(["csv", "pdf"]), default="csv")
@click.pass_obj
def statement(run: Invocation, merchant_id: str, month: datetime, form: str) -> None:
    """Write a statement."""
    from chassis.errors import NotFound
    from subscriptions_svc.documents.paying.statements import export_statement

    try:
        with run.open_store().stream() as tx:
            document = export_statement(tx, merchant_id, f"{month:%Y-%m}", form)
    except NotFound as refusal:
        raise click.ClickException(refusal.message) from None
    sys.stdout.buffer.write(document)


@cli.command(help="Exit 0 when every counter matches the rows that it counts.")
@json_option
@click.pass_obj
def check(run: Invocation, as_json: bool) -> None:
    """Print the counters that do not match, and exit 1 if there are any."""
    from subscriptions_svc.store.box_deliveries import find_wrong_counters
    from subscriptions_svc.store.lists.listing import find_wrong_totals
    from subscriptions_svc.store.paying.payments import find_wrong_sums

    with run.open_store().stream() as tx, show_progress("check", 3) as report:
        report(0, "counters of boxes")
        counters = find_wrong_counters(tx)
        report(1, "totals of lists")
        totals = find_wrong_totals(tx)
        report(2, "sums of payments")
        sums = find_wrong_sums(tx)
        report(3, "")
    if as_json:
        found: dict[str, list[dict[str, object]]] = {
            "counters": [
                {"item": item, "year": year, "counted": counted, "ledger": delivered}
                for item, year, counted, delivered in counters
            ],
            "totals": [
                {"merchant": merchant, "store": store, "total": total, "rows": real}
                for merchant, store, total, real in totals
            ],
        }
        if sums:
            found["payments"] = [{"payment": each[0], "taken": each[1]} for each in sums]
        print_json(found)
        sys.exit(1 if counters or totals or sums else 0)
    for item_id, year, counted, delivered in counters:
        click.echo(f"item {item_id}, year {year}: counted {counted}, ledger {delivered}")
    for merchant_id, store_ref, total, real in totals:
        click.echo(f"merchant {merchant_id}, store {store_ref}: total {total}, there are {real}")
    for payment_id, taken, refunded, booked, returned in sums:
        click.echo(
            f"payment {payment_id}: taken {taken}, refunded {refunded}; ledger {booked}, {returned}"
        )
    if counters or totals or sums:
        sys.exit(1)
    click.echo("Every counter of boxes and every total of lists matches its rows.")


if __name__ == "__main__":
    cli(prog_name="python -m subscriptions_svc")
