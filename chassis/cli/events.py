"""The commands about events and endpoints: inspect them, deliver events again."""

from datetime import UTC, datetime, timedelta
from urllib.parse import urlsplit

import click

from chassis.cli.invocation import Invocation
from chassis.cli.output.tables import json_option, print_result, print_rows
from chassis.cli.processes.serve import private_targets_option
from chassis.events.states import CANCELLED, DEAD, STATES

EVENT_COLUMNS = ("id", "age", "owner", "stream", "type", "state", "attempts", "last_answer")


@click.group(help="Inspect events and endpoints, and deliver events again.")
def events() -> None:
    """The group `events`."""


@events.command(
    "list",
    help="List events, newest first: "
    "id, age, owner, stream, type, state, attempts, last status or error.",
)
@click.option("--owner")
@click.option("--stream", help="Such as one session or one order.")
@click.option("--type")
@click.option("--state", type=click.Choice(STATES))
@click.option("--limit", "--most", "limit", type=click.IntRange(1), default=50, show_default=True)
@json_option
@click.pass_obj
def list_events(
    run: Invocation,
    limit: int,
    as_json: bool,
    owner: str | None,
    stream: str | None,
    type: str | None,
    state: str | None,
) -> None:
    """List events."""
    now = datetime.now(UTC)
    with run.open_store().read() as tx:
        rows = run.service.outbox.find(
            tx, limit, owner=owner, stream=stream, type=type, state=state
        )
        found = [
            (
                *(row.id, _format_age(now - row.created_at), row.owner, row.stream, row.type),
                *(row.state, row.attempts, row.last_status or row.last_error or None),
            )
            for row in rows
        ]
    print_rows(EVENT_COLUMNS, found, as_json)


@events.command(
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
@json_option
@click.pass_obj
def replay(
    run: Invocation, id: str | None, owner: str | None, states: tuple[str, ...], as_json: bool
) -> None:
    """Have events delivered again."""
    if (id is None) is (owner is None):
        raise click.UsageError("Pass the id of an event, or --owner.")
    now = datetime.now(UTC)
    with run.open_store().write() as tx:
        if id is not None:
            run.service.outbox.replay(tx, id, now)
            count = 1
        else:
            count = run.service.outbox.replay_all(tx, str(owner), states, now)
    print_result({"to_be_delivered": count}, as_json, f"{count} to be delivered")


@events.command(help="Send a signed sample to an owner's endpoint now, and print its answer.")
@click.argument("owner")
@private_targets_option
@json_option
@click.pass_obj
def test(run: Invocation, owner: str, private: bool, as_json: bool) -> None:
    """Send a sample; exits with 1 unless it is acknowledged."""
    from chassis.events.courier import Courier
    from chassis.events.dispatcher import address_event

    now, service, courier = datetime.now(UTC), run.service, Courier(private=private)
    database = run.open_store()
    with database.read() as tx:
        endpoint = service.outbox.endpoints.get(tx, owner)
    event = service.build_test_event(owner, now)
    carrier = service.carrier(database, courier) if service.carrier else None
    if carrier and owner.startswith(carrier.prefix):
        result = carrier.deliver(endpoint, event, now)
    else:
        result = courier.deliver(address_event(endpoint, event), now)
    answer = result.status or result.error or "delivered"
    told = {"id": event.id, "answer": answer, "is_delivered": not result.error}
    print_result(told, as_json, f"{event.id}\t{answer}")
    if result.error:
        raise click.exceptions.Exit(1)


@events.command(help="List owners, their URLs, and whether they are enabled.")
@json_option
@click.pass_obj
def endpoints(run: Invocation, as_json: bool) -> None:
    """List endpoints."""
    with run.open_store().read() as tx:
        rows = [
            (
                row.owner,
                urlsplit(row.url)._replace(query="").geturl(),
                f"disabled {row.disabled_at:%Y-%m-%d}" if row.disabled_at else "enabled",
            )
            for row in run.service.outbox.endpoints.all(tx)
        ]
    print_rows(("owner", "url", "state"), rows, as_json)


@events.command(help="Enable an endpoint that was disabled because it answered 410.")
@click.argument("owner")
@json_option
@click.pass_obj
def enable(run: Invocation, owner: str, as_json: bool) -> None:
    """Enable an endpoint."""
    with run.open_store().write() as tx:
        run.service.outbox.endpoints.enable(tx, owner)
    print_result({"owner": owner, "state": "enabled"}, as_json)


@events.command(help="Print the secret with which an owner verifies signatures.")
@click.argument("owner")
@json_option
@click.pass_obj
def secret(run: Invocation, owner: str, as_json: bool) -> None:
    """Print a secret."""
    with run.open_store().read() as tx:
        found = run.service.outbox.endpoints.get(tx, owner).secret
    print_result({"owner": owner, "secret": found}, as_json, found)


def _format_age(age: timedelta) -> str:
    """Format an age in its largest unit, such as 5m."""
    seconds = int(age.total_seconds())
    for size, unit in ((86400, "d"), (3600, "h"), (60, "m")):
        if seconds >= size:
            return f"{seconds // size}{unit}"
    return f"{seconds}s"
