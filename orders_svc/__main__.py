"""The command line: `python -m orders_svc` serves, `--help` lists the other commands."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from chassis.cli.invocation import Invocation
from chassis.cli.main import command_line
from chassis.cli.output.tables import json_option, print_result, print_rows

if TYPE_CHECKING:
    from sqlalchemy import Connection

cli = command_line("orders", "127.0.0.1:50052")
public_url_option = click.option(
    "--public-url", envvar="GATEWAY_PUBLIC_URL", required=True, help="The beginning of the link."
)


@cli.group(help="Manage the people who log in to the dashboard.")
def users() -> None:
    """The group `users`."""


@users.command("add", help="Add a user and print the link with which they set their password.")
@click.argument("email")
@click.option("--account", required=True, help="The client that they belong to.")
@click.option(
    "--lab",
    "labs",
    multiple=True,
    metavar="LAB=ACCOUNT_NUMBER",
    help="A lab that they order from; may be repeated.",
)
@click.option(
    "--hash-file",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="A file with the hash of their password, as `users hash` prints it, instead of a link.",
)
@click.option("--public-url", envvar="GATEWAY_PUBLIC_URL", help="The beginning of the link.")
@json_option
@click.pass_obj
def add_user(
    run: Invocation,
    email: str,
    account: str,
    labs: tuple[str, ...],
    hash_file: Path | None,
    public_url: str | None,
    as_json: bool,
) -> None:
    """Add a user."""
    from chassis.errors import AlreadyExists
    from orders_svc import reference
    from orders_svc.store.access.users import find_user

    if hash_file is None and not public_url:
        raise click.UsageError("Set GATEWAY_PUBLIC_URL: the link begins with it.")
    pairs = [each.partition("=") for each in labs]
    user: dict[str, Any] = {
        "email": email,
        "account": account,
        "labs": [{"lab": lab, "account_number": number} for lab, _, number in pairs],
    }
    if hash_file:
        user["password_hash"] = _read_hash(hash_file)

    def invite(tx: "Connection") -> str | None:
        if find_user(tx, email):
            raise AlreadyExists("A user has this e-mail address.")
        reference.load(tx, reference.REFERENCE.load({"users": [user]}))
        return None if hash_file else _invite(tx, email, str(public_url))

    with _report_faults():
        link = run.change_reference(invite)
    told = {"email": email, "account": account, "link": link}
    print_result(told, as_json, link or f"{email} added")


@users.command(
    help="Take a user's password and sessions away, enable a disabled one again, and print the "
    "link with which they set another password."
)
@click.argument("email")
@public_url_option
@json_option
@click.pass_obj
def reset(run: Invocation, email: str, public_url: str, as_json: bool) -> None:
    """Invite a user again."""
    with _report_faults():
        link = run.change_reference(lambda tx: _invite(tx, email, public_url))
    print_result({"email": email, "link": link}, as_json, link)


@users.command(help="Disable a user: sessions end, and nobody can log in or order in their name.")
@click.argument("email")
@json_option
@click.pass_obj
def disable(run: Invocation, email: str, as_json: bool) -> None:
    """Disable a user."""
    from orders_svc.store.access.invitations import disable_user
    from orders_svc.store.access.users import get_user

    run.change_reference(lambda tx: disable_user(tx, get_user(tx, email).id, datetime.now(UTC)))
    print_result({"email": email, "state": "disabled"}, as_json)


@users.command("list", help="List e-mail addresses, clients, and whether they can log in.")
@json_option
@click.pass_obj
def list_(run: Invocation, as_json: bool) -> None:
    """List users."""
    from orders_svc.store.access.users import NO_PASSWORD, list_users

    with run.open_store().read() as tx:
        rows = []
        for row in list_users(tx):
            state = "invited" if row.password_hash == NO_PASSWORD else "live"
            if row.disabled_at:
                state = f"disabled {row.disabled_at:%Y-%m-%d}"
            rows.append((row.email, row.account, state))
    print_rows(("email", "account", "state"), rows, as_json)


@users.command("hash", help="Ask for a password and print its hash, for a file or `users add`.")
@click.password_option(prompt="Password")
def print_hash(password: str) -> None:
    """Print the hash of a password."""
    from marshmallow import ValidationError

    from orders_svc.rules.credentials.passwords import check_password
    from orders_svc.store.access.users import hash_password

    try:
        check_password(password)
    except ValidationError as error:
        raise click.ClickException(f"The password: {error.messages[0]}") from None
    click.echo(hash_password(password))


def _invite(tx: "Connection", email: str, public_url: str) -> str:
    """Return the link of a new invitation; raises NotFound, and ValueError for a bad URL."""
    from chassis.settings.variables import check_public_url
    from orders_svc.store.access.invitations import invite_user
    from orders_svc.store.access.users import get_user

    token = invite_user(tx, get_user(tx, email).id, datetime.now(UTC))
    return f"{check_public_url(public_url)}/orders/invitations/{token}"


def _read_hash(file: Path) -> str:
    from chassis.settings.variables import read_secret_file

    try:
        return read_secret_file(file, "--hash-file")
    except ValueError as error:
        raise click.ClickException(str(error)) from None


@contextmanager
def _report_faults() -> Iterator[None]:
    """Report invalid values by the names of their options."""
    from marshmallow import ValidationError

    from chassis.validation import flatten

    try:
        yield
    except ValidationError as error:
        faults = flatten(error.messages_dict)
        lines = (f"{each.path.removeprefix('users.0.')}: {each.message}" for each in faults)
        raise click.ClickException("\n".join(lines)) from None
    except ValueError as error:
        raise click.ClickException(str(error)) from None


if __name__ == "__main__":
    cli(prog_name="python -m orders_svc")
