"""What a load changed: the rows of reference data before and after it, compared by their keys."""

from collections.abc import Collection, Mapping
from hashlib import blake2b
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sqlalchemy import Connection, Table

MAX_COMPARED_ROWS = 200_000  # of a table; more are counted alone
DIGEST_BYTES = 16

# The digest of each row by its key, or how many rows there are where they are too many.
Rows = dict[object, bytes] | int


def take_snapshot(tx: "Connection", tables: "Collection[Table]") -> dict[str, Rows]:
    """Return the rows of each table."""
    return {table.name: _read_rows(tx, table) for table in tables}


def count_changes(
    before: Mapping[str, Rows], after: Mapping[str, Rows]
) -> dict[str, dict[str, int]]:
    """Return how many rows of each table were added, changed, removed, and stay as they were.

    Of a table with too many rows it is their number before and after.
    """
    return {name: _compare(before[name], after[name]) for name in before}


def format_counts(counts: Mapping[str, int]) -> str:
    """Return counts in words, such as `1 added, 2 unchanged`."""
    return ", ".join(f"{count} {kind}" for kind, count in counts.items() if count) or "none"


def _read_rows(tx: "Connection", table: "Table") -> Rows:
    from sqlalchemy import func, select

    count: int = tx.execute(select(func.count()).select_from(table)).scalar_one()
    if count > MAX_COMPARED_ROWS:
        return count
    key = [table.c.keys().index(column.key) for column in table.primary_key]
    return {
        tuple(row[index] for index in key): blake2b(
            repr(tuple(row)).encode(), digest_size=DIGEST_BYTES
        ).digest()
        for row in tx.execute(select(table))
    }


def _compare(before: Rows, after: Rows) -> dict[str, int]:
    if isinstance(before, int) or isinstance(after, int):
        sizes = [each if isinstance(each, int) else len(each) for each in (before, after)]
        return dict(zip(("before", "now"), sizes, strict=True))
    common = before.keys() & after.keys()
    changed = sum(before[key] != after[key] for key in common)
    return {
        "added": len(after) - len(common),
        "changed": changed,
        "removed": len(before) - len(common),
        "unchanged": len(common) - changed,
    }
