"""The report of box deliveries as CSV.

It has one line for each entry of the ledger, oldest first, under the header

    delivered_at,day,merchant_id,store_ref,subscription_id,subscription_reference,contract_number,
    item_reference,item_reference_uuid,item_name,eye,quantity,subscription_year,account,request_id,
    outcome

(in one line). `delivered_at` is UTC, `day` is local to the merchant. A text that a spreadsheet
would take for a formula is prefixed with an apostrophe.
"""

import csv
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from typing import Any, TextIO
from zoneinfo import ZoneInfo

from sqlalchemy import Connection

from subscriptions_svc.rules.years import to_local_day
from subscriptions_svc.store.box_deliveries import stream_ledger

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
    "outcome",
)
# Bounds of all days: beyond them, a day has no instant in some zones.
FIRST_DAY, LAST_DAY = date(1900, 1, 1), date(9000, 1, 1)
# No zone is farther from UTC, so a local day lies within.
MAX_UTC_OFFSET = timedelta(days=1)
# Characters that a formula begins with, including their full-width forms.
_FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r", "\n", "\uff1d", "\uff0b", "\uff0d", "\uff20")


def write_report(tx: Connection, first: date, last: date, out: TextIO) -> None:
    """Write the report from `first` to `last` as CSV, line by line."""
    lines = csv.writer(out, lineterminator="\r\n")
    lines.writerow(HEADER)
    lines.writerows(iterate_lines(tx, first, last))


def iterate_lines(tx: Connection, first: date, last: date) -> Iterator[list[str]]:
    """Yield the lines of the report from `first` to `last`, days of each merchant's zone."""
    first, last = max(first, FIRST_DAY), min(last, LAST_DAY)
    since, until = _to_utc(first) - MAX_UTC_OFFSET, _to_utc(last) + 2 * MAX_UTC_OFFSET
    for row in stream_ledger(tx, since, until):
        day = to_local_day(row.delivered_at, ZoneInfo(row.time_zone))
        if first <= day <= last:
            yield _build_line(row, day)


def _build_line(row: Any, day: date) -> list[str]:
    return [
        row.delivered_at.strftime("%Y-%m-%dT%H:%M:%SZ"),
        day.isoformat(),
        *(
            escape_formula(text or "")
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
        escape_formula(row.account),
        escape_formula(row.request_id),
        row.outcome,
    ]


def escape_formula(text: str) -> str:
    """Return a text that no spreadsheet takes for a formula."""
    return f"'{text}" if text.lstrip(" ").startswith(_FORMULA_STARTS) else text


def _to_utc(day: date) -> datetime:
    return datetime(day.year, day.month, day.day, tzinfo=UTC)
