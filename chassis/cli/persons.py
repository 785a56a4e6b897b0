"""The commands about one person: export what is kept, and erase it."""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import click

from chassis.cli.invocation import Invocation
from chassis.cli.output.tables import json_option, print_result


def _options(command: Callable[..., None]) -> Callable[..., None]:
    """Add the options that name a person."""
    for option in (
        click.option("--owner", help="Only what is kept for this owner."),
        click.option("--nin", help="The identity number."),
        click.option("--person-ref", help="The owner's own reference, the same in all APIs."),
        click.option("--user-key", help="The key that a partner has for the person."),
        click.option("--phone", help="The phone number; digits are compared."),
        click.option("--email", help="The e-mail address; case does not matter."),
    ):
        command = option(command)
    return command


@click.group(help="Export or erase what is kept of one person.")
def persons() -> None:
    """The group `persons`."""


@persons.command(help="Write all that is kept of a person as JSON.")
@_options
@click.pass_obj
def export(run: Invocation, /, owner: str | None, **named: str | None) -> None:
    """Export a person."""
    import msgspec

    database, service = run.open_store(), run.service
    ids = _find(run, owner, named)
    with run.act():
        with database.stream() as tx:
            found = service.persons.export(tx, ids)
        with database.write() as tx:
            service.audit.record_change(tx)
    click.echo(msgspec.json.format(msgspec.json.encode(found)).decode())


@persons.command(help="Blank the personal fields of all that is kept of a person.")
@_options
@click.option("--include-open", is_flag=True, help="Also of what has not ended yet.")
@json_option
@click.pass_obj
def erase(
    run: Invocation, /, owner: str | None, include_open: bool, as_json: bool, **named: str | None
) -> None:
    """Erase a person."""
    from chassis.store.encryption.registry import register_key

    database = run.open_store()
    ids = _find(run, owner, named)
    register_key(database, run.service.keys)
    with run.act(), database.write(shred=True) as tx:
        run.service.persons.erase(tx, ids, datetime.now(UTC), include_open)
    database.shrink_log()
    print_result({"erased": len(ids)}, as_json, f"{len(ids)} erased")


def _find(run: Invocation, owner: str | None, named: dict[str, Any]) -> list[str]:
    from chassis.persons import find_person

    given = [(kind, value) for kind, value in named.items() if value is not None]
    if len(given) != 1:
        raise click.UsageError(
            "Name the person by one of --email, --phone, --user-key, --person-ref, --nin."
        )
    return find_person(run.open_store(), run.service.persons, *given[0], owner)
