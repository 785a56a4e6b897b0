"""The commands about events and endpoints: inspect them, deliver events again."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import urlsplit

import click

from chassis.events.courier import Courier
from chassis.events.dispatcher import Dispatcher
from chassis.events.endpoints import Endpoints
from chassis.events.outbox import CANCELLED, DEAD, STATES, Outbox
from chassis.store.database import Database

private_targets_option: Callable[[Any], Any] = click.option(
    "--private-targets/--public-targets",
    "private",
    envvar="WEBHOOK_PRIVATE_TARGETS",
    default=False,
    help="Whether events may be sent to private addresses and this machine.  [default: off]",
)


@contextmanager
def run_dispatcher(database: Database, outbox: Outbox, private: bool) -> Iterator[None]:
    """Run a dispatcher."""
    dispatcher = Dispatcher(database, outbox, Courier(private=private))
    dispatcher.start()
    try:
        yield
    finally:
        dispatcher.stop()


def event_commands(outbox: Outbox, ensure_current: Callable[[Database], None]) -> click.Group:
    """The group `events`."""

    @click.group("events", help="Inspect events and endpoints, and deliver events again.")
    @click.pass_obj
    def group(database: Database) -> None:
        ensure_current(database)

    group.add_command(_list_command(outbox))
    group.add_command(_replay_command(outbox))
    for command in _endpoint_commands(outbox.endpoints):
        group.add_command(command)
    return group


def _list_command(outbox: Outbox) -> click.Command:
    @click.command(
        "list",
        help="List events, newest first: "
        "id, age, owner, stream, type, state, attempts, last status or error.",
    )
    @click.option("--owner")
    @click.option("--stream", help="Such as one session or one order.")
    @click.option("--type")
    @click.option("--state", type=click.Choice(STATES))
    @click.option(
        "--limit", "--most", "limit", type=click.IntRange(1), default=50, show_default=True
    )
    @click.pass_obj
    def list_(
        database: Database,
        limit: int,
        owner: str | None,
        stream: str | None,
        type: str | None,
        state: str | None,
    ) -> None:
        now = datetime.now(UTC)
        with database.read() as tx:
            rows = outbox.find(tx, limit, owner=owner, stream=stream, type=type, state=state)
            for row in rows:
                last = row.last_status or row.last_error or "-"
                columns = (
                    row.id,
                    _format_age(now - row.created_at),
                    row.owner,
                    row.stream,
                    row.type,
                )
                click.echo("\t".join(map(str, (*columns, row.state, row.attempts, last))))

    return list_


def _replay_command(outbox: Outbox) -> click.Command:
    @click.command(
        help="Deliver an event again under the same id, or an owner's events in some states."
    )
    @click.argument("id", required=False)
    @click.option("--owner")
    @click.option(
        "--state",
        "states",
        type=click.Choice(STATES),
        multiple=True,
        default=(DEAD, CANCELLED),
        show_default=True,
        help="With --owner; may be repeated.",
    )
    @click.pass_obj
    def replay(
        database: Database, id: str | None, owner: str | None, states: tuple[str, ...]
    ) -> None:
        if (id is None) is (owner is None):
            raise click.UsageError("Pass the id of an event, or --owner.")
        now = datetime.now(UTC)
        with database.write() as tx:
            if id is not None:
                outbox.replay(tx, id, now)
                count = 1
            else:
                count = outbox.replay_all(tx, str(owner), states, now)
        click.echo(f"{count} to be delivered")

    return replay


def _endpoint_commands(endpoints: Endpoints) -> tuple[click.Command, ...]:
    @click.command("endpoints", help="List owners, their URLs, and whether they are enabled.")
    @click.pass_obj
    def list_(database: Database) -> None:
        with database.read() as tx:
            for row in endpoints.all(tx):
                url = urlsplit(row.url)._replace(query="").geturl()
                ended = f"disabled {row.disabled_at:%Y-%m-%d}" if row.disabled_at else "enabled"
                click.echo(f"{row.owner}\t{url}\t{ended}")

    @click.command(help="Enable an endpoint that was disabled because it answered 410.")
    @click.argument("owner")
    @click.pass_obj
    def enable(database: Database, owner: str) -> None:
        with database.write() as tx:
            endpoints.enable(tx, owner)

    @click.command(help="Print the secret with which an owner verifies signatures.")
    @click.argument("owner")
    @click.pass_obj
    def secret(database: Database, owner: str) -> None:
        with database.read() as tx:
            click.echo(endpoints.get(tx, owner).secret)

    return list_, enable, secret


def _format_age(age: timedelta) -> str:
    """Format an age in its largest unit, such as 5m."""
    seconds = int(age.total_seconds())
    for size, unit in ((86400, "d"), (3600, "h"), (60, "m")):
        if seconds >= size:
            return f"{seconds // size}{unit}"
    return f"{seconds}s"
