"""`report deliveries`: the ledger of boxes as CSV; `check`: whether the counters agree with it.

The report has one line for each entry of the ledger, oldest first, under the header

    delivered_at,day,merchant_id,store_ref,subscription_id,subscription_reference,contract_number,
    item_reference,item_reference_uuid,item_name,eye,quantity,subscription_year,account,request_id

(in one line). `delivered_at` is UTC, `day` the merchant's. Text that a spreadsheet would take for
a formula has an apostrophe before it.
"""

import csv
import sys
from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime, timedelta
from typing import Any, TextIO
from zoneinfo import ZoneInfo

import click
from sqlalchemy import Connection, bindparam, select

from chassis.store.database import Database
from subscriptions_svc import boxes, listing
from subscriptions_svc.store import accounts, box_deliveries, cart_items, merchants, subscriptions
from subscriptions_svc.years import local_day

HEADER = (
    "delivered_at",
    "day",
    "merchant_id",
    "store_ref",
    "subscription_id",
    "subscription_reference",
    "contract_number",
    "item_reference",
    "item_reference_uuid",
    "item_name",
    "eye",
    "quantity",
    "subscription_year",
    "account",
    "request_id",
)
DAY = click.DateTime(["%Y-%m-%d"])
# Nothing was delivered before or will be after; days beyond have no instant in every zone.
EARLIEST, LATEST = date(1900, 1, 1), date(9000, 1, 1)
AT_ONCE = 1000  # rows that are in memory
# No zone is farther from UTC: what a local day holds is within.
FARTHEST = timedelta(days=1)
# What a formula begins with, also in its full width.
_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n", "\uff1d", "\uff0b", "\uff0d", "\uff20")
_DELIVERIES = (
    select(
        box_deliveries.c.delivered_at,
        box_deliveries.c.quantity,
        box_deliveries.c.year,
        box_deliveries.c.request_id,
        accounts.table.c.name.label("account"),
        merchants.c.id.label("merchant_id"),
        merchants.c.time_zone,
        subscriptions.c.store_ref,
        subscriptions.c.id.label("subscription_id"),
        subscriptions.c.reference.label("subscription_reference"),
        subscriptions.c.contract_number,
        cart_items.c.reference.label("item_reference"),
        cart_items.c.reference_uuid,
        cart_items.c.name.label("item_name"),
        cart_items.c.eye,
    )
    .select_from(box_deliveries)
    .join(accounts.table, accounts.table.c.id == box_deliveries.c.account_id)
    .join(cart_items, cart_items.c.id == box_deliveries.c.item_id)
    .join(subscriptions, subscriptions.c.id == box_deliveries.c.subscription_id)
    .join(merchants, merchants.c.id == subscriptions.c.merchant_id)
    .where(
        box_deliveries.c.delivered_at >= bindparam("since"),
        box_deliveries.c.delivered_at < bindparam("until"),
    )
    .order_by(box_deliveries.c.delivered_at, box_deliveries.c.id)
)


def deliveries(tx: Connection, first: date, last: date) -> Iterator[list[str]]:
    """The lines of the report from `first` to `last`, both days those of each merchant's zone."""
    first, last = max(first, EARLIEST), min(last, LATEST)
    between = {"since": _utc(first) - FARTHEST, "until": _utc(last) + 2 * FARTHEST}
    streamed = tx.execution_options(yield_per=AT_ONCE)
    for row in streamed.execute(_DELIVERIES, between):
        day = local_day(row.delivered_at, ZoneInfo(row.time_zone))
        if first <= day <= last:
            yield _line(row, day)


def _line(row: Any, day: date) -> list[str]:
    return [
        row.delivered_at.strftime("%Y-%m-%dT%H:%M:%SZ"),
        day.isoformat(),
        *(
            safe(text or "")
            for text in (
                row.merchant_id,
                row.store_ref,
                row.subscription_id,
                row.subscription_reference,
                row.contract_number,
                row.item_reference,
                row.reference_uuid,
                row.item_name,
                row.eye,
            )
        ),
        str(row.quantity),
        str(row.year),
        safe(row.account),
        safe(row.request_id),
    ]


def safe(text: str) -> str:
    """A text that no spreadsheet takes for a formula."""
    return f"'{text}" if text.lstrip(" ").startswith(_FORMULA) else text


def _utc(day: date) -> datetime:
    return datetime(day.year, day.month, day.day, tzinfo=UTC)


def write(tx: Connection, first: date, last: date, out: TextIO) -> None:
    """Write the report as CSV, line by line."""
    lines = csv.writer(out, lineterminator="\r\n")
    lines.writerow(HEADER)
    lines.writerows(deliveries(tx, first, last))


def commands(ensure_current: Callable[[Database], None]) -> list[click.Command]:
    """`report` and `check`, which first make sure of the version of the store."""

    @click.group(help="Reports as CSV on standard output.")
    @click.pass_obj
    def report(database: Database) -> None:
        ensure_current(database)

    @report.command("deliveries", help="Boxes handed over, one line for each entry of the ledger.")
    @click.option("--from", "first", type=DAY, required=True, help="First day.")
    @click.option("--to", "last", type=DAY, required=True, help="Last day, included.")
    @click.pass_obj
    def deliveries_(database: Database, first: datetime, last: datetime) -> None:
        if last < first:
            raise click.BadParameter("Must not be before --from.", param_hint="--to")
        with database.stream() as tx:
            write(tx, first.date(), last.date(), sys.stdout)

    @click.command(help="Exit 0 when every counter is what the rows say that it counts.")
    @click.pass_obj
    def check(database: Database) -> None:
        ensure_current(database)
        with database.stream() as tx:
            found, totals = boxes.disagreements(tx), listing.miscounted(tx)
        for item_id, year, counted, delivered in found:
            click.echo(f"item {item_id}, year {year}: counted {counted}, ledger {delivered}")
        for merchant_id, store_ref, total, real in totals:
            click.echo(
                f"merchant {merchant_id}, store {store_ref}: total {total}, there are {real}"
            )
        if found or totals:
            sys.exit(1)

    return [report, check]
