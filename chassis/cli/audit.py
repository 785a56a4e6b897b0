"""The commands about the audit trail: list, export, verify."""

import sys
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import click

from chassis.cli.invocation import Invocation
from chassis.cli.output.progress import show_progress
from chassis.cli.tables import json_option, print_json, print_rows

if TYPE_CHECKING:
    from sqlalchemy import Row

    from chassis.audit.verification import Verification

MOMENT = click.DateTime(["%Y-%m-%d", "%Y-%m-%dT%H:%M:%S", "%Y-%m-%dT%H:%M:%SZ"])
COLUMNS = ("at", "account", "actor", "rpc", "outcome", "request_id", "ids")
_UNITS = {"m": "minutes", "h": "hours", "d": "days"}


class Since(click.ParamType[datetime]):
    """A moment in UTC, or how long ago it was."""

    name = "moment"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> datetime:
        """Return the moment."""
        if isinstance(value, datetime):
            return value
        number, unit = value[:-1], value[-1:]
        if unit in _UNITS and number.isascii() and number.isdecimal() and len(number) < 6:
            return datetime.now(UTC) - timedelta(**{_UNITS[unit]: int(number)})
        moment: datetime = MOMENT.convert(value, param, ctx)
        return moment.replace(tzinfo=UTC)


def _filters(command: Callable[..., None]) -> Callable[..., None]:
    """Add the options that choose entries."""
    since = "A day or moment in UTC, or 90m, 24h or 7d ago."
    for option in (
        click.option("--id", "id_", help="Of what was read or changed, such as an order."),
        click.option("--account", help="The name of the calling account."),
        click.option("--since", type=Since(), help=since),
    ):
        command = option(command)
    return command


@click.group(help="Read and verify the audit trail: who did what, and to which rows.")
def audit() -> None:
    """The group `audit`."""


@audit.command(
    "list",
    help="List entries, newest first: "
    "moment, account, actor, RPC, outcome, request id, what was read or changed.",
)
@_filters
@click.option("--limit", type=click.IntRange(1, 10_000), default=50, show_default=True)
@json_option
@click.pass_obj
def list_entries(run: Invocation, /, limit: int, as_json: bool, **filters: Any) -> None:
    """List entries."""
    from chassis.audit.trail import decode_ids

    with run.open_store().read() as tx:
        rows = [
            (
                *(f"{row.at:%Y-%m-%dT%H:%M:%S}Z", row.account or None, row.actor or None, row.rpc),
                *(row.outcome, row.request_id or None, " ".join(decode_ids(row)) or None),
            )
            for row in run.service.audit.find(tx, limit=limit, **filters)
        ]
    print_rows(COLUMNS, rows, as_json)


@audit.command(help="Write entries as JSON lines, oldest first.")
@_filters
@click.pass_obj
def export(run: Invocation, /, **filters: Any) -> None:
    """Export entries."""
    with run.open_store().stream() as tx:
        for row in run.service.audit.stream(tx, **filters):
            click.echo(_format_json(row))


def _format_json(row: "Row[Any]") -> str:
    import msgspec

    from chassis.audit.trail import decode_ids

    return msgspec.json.encode({**row._mapping, "ids": decode_ids(row)}).decode()


@audit.command(
    help="Exit 0 when every seal matches its entries; else name the breaks, and exit 1."
    " Prints the newest digest, and the entries that are not sealed yet."
)
@click.option("--digest", help="A digest noted earlier, elsewhere: it must be one of the chain.")
@json_option
@click.pass_obj
def verify(run: Invocation, digest: str | None, as_json: bool) -> None:
    """Verify the chain of seals."""
    from chassis.audit.verification import verify

    trail = run.service.audit
    with run.open_store().stream() as tx, show_progress("seals", trail.count_seals(tx)) as report:
        found = verify(tx, trail, digest, report)
    if as_json:
        print_json(_describe(found))
    else:
        _print_found(found)
    if found.breaks or not found.has_digest:
        sys.exit(1)


def _describe(found: "Verification") -> dict[str, object]:
    head = found.head
    return {
        "is_whole": not found.breaks and found.has_digest,
        "seals": found.seals,
        "entries": found.entries,
        "deleted_seals": found.deleted_seals,
        "newest": None if head is None else {"seal": head.number, "digest": head.digest},
        "unsealed_entries": found.tail_entries,
        "unsealed_since": found.tail_since and f"{found.tail_since:%Y-%m-%dT%H:%M:%S}Z",
        "breaks": found.breaks,
        "break_count": found.break_count,
        "has_digest": found.has_digest,
    }


def _print_found(found: "Verification") -> None:
    click.echo(f"{found.seals} seals cover {found.entries} entries")
    if found.deleted_seals:
        click.echo(
            f"the entries of the first {found.deleted_seals} seals were deleted by retention"
        )
    if found.head is not None:
        click.echo(f"newest: seal {found.head.number}, {found.head.digest}")
    if found.tail:
        first, last = found.tail
        click.echo(
            f"not sealed yet: {found.tail_entries} entries, numbers {first} to {last},"
            f" since {found.tail_since:%Y-%m-%dT%H:%M:%S}Z"
        )
    for text in found.breaks:
        click.echo(f"BREAK: {text}")
    if found.break_count > len(found.breaks):
        click.echo(f"BREAK: {found.break_count - len(found.breaks)} more")
    if not found.has_digest:
        click.echo("BREAK: no seal has the digest that you noted: the chain was cut or rewritten")
