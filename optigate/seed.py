"""The command `optigate seed`: a first account of each API, for `docker compose up`."""

import secrets
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import click

from chassis.cli.invocation import Invocation
from chassis.cli.output.tables import json_option, print_json

if TYPE_CHECKING:
    from sqlalchemy import Connection

SECRET_BYTES = 32


@dataclass(frozen=True)
class First:
    """The first account of a service, and what it may do."""

    service: str
    account: str
    write_reference: Callable[[], str]


def _write_partner() -> str:
    from optigate.new.texts import NO_ENDPOINT, PARTNER, list_stores, quote

    return PARTNER.format(
        file="partner.toml",
        account=quote("first-partner"),
        stores=list_stores(["main"]),
        endpoint=NO_ENDPOINT.format(owner="first-partner"),
    )


def _write_lab() -> str:
    from optigate.new.texts import LAB, quote

    lab = LAB.format(file="lab.toml", id=quote("first-lab"), name=quote("Lab"), lab="first-lab")
    return f'{lab}\n[[clients]]\naccount = "first-client"\n'


def _write_merchant() -> str:
    from optigate.new.texts import MERCHANT, NO_ENDPOINT, quote

    quoted = {
        "id": "first-shop",
        "name": "Shop",
        "stores": "main",
        "country": "ES",
        "currency": "EUR",
        "locale": "es-ES",
        "time_zone": "Europe/Madrid",
        "account": "first-merchant",
    }
    return MERCHANT.format(
        file="merchant.toml",
        endpoint=NO_ENDPOINT.format(owner="first-shop"),
        **{name: quote(value) for name, value in quoted.items()},
    )


FIRST = (
    First("sessions", "first-partner", _write_partner),
    First("orders", "first-client", _write_lab),
    First("subscriptions", "first-merchant", _write_merchant),
)
secrets_option = click.option(
    "--secrets",
    "folder",
    type=click.Path(file_okay=False, path_type=Path),
    default=Path("secrets"),
    show_default=True,
    help="The folder with a file for the secret of each account.",
)


@click.command(
    help="Add a first partner, client and merchant to the stores that have no account yet, by the"
    " environment of `make run`; their secrets are written to files. Run it again, and nothing"
    " changes."
)
@secrets_option
@click.option("--data-dir", envvar="DATA_DIR", default="data", show_default=True)
@json_option
@click.pass_context
def seed(context: click.Context, folder: Path, data_dir: str, as_json: bool) -> None:
    """Add what is missing, service by service."""
    done = {}
    for first in FIRST:
        run = Invocation(
            first.service, Path(data_dir), _find_url(first.service, data_dir), True, None
        )
        for each in (context, context.find_root()):
            each.obj = run  # whose audit trail names the command
        done[first.service] = _add(run, first, folder)
        if not as_json:
            click.echo(f"{first.service}: {done[first.service]}")
    if as_json:
        print_json(done)


def _find_url(service: str, data_dir: str) -> str:
    import os

    from chassis.settings.variables import read_secret

    try:
        given = read_secret(os.environ, f"{service.upper()}_DATABASE_URL")
    except ValueError as error:
        raise click.ClickException(str(error)) from None
    return given or f"sqlite:///{data_dir}/{service}.db"


def _add(run: Invocation, first: First, folder: Path) -> str:
    """Add an account to a store that has none; returns what was done."""
    from chassis.cli.reference.file import read_text, report_faults
    from chassis.settings.roles import CLIENT

    accounts = run.service.accounts
    with run.open_store().read() as tx:
        names = accounts.ids(tx)
    if names:
        return f"{first.account} is there" if first.account in names else "has accounts"
    with report_faults(Path(f"{first.account}.toml")):
        reference = read_text(first.write_reference(), run.service.reference)
        # Before the account: a secret that no file has would be lost.
        secret = _keep_secret(folder / first.account)

        def fill(tx: "Connection") -> None:
            accounts.add(tx, first.account, CLIENT, secret)
            run.service.load(tx, reference)

        run.change_reference(fill)
    return f"{first.account} added, its secret is in {folder / first.account}"


def _keep_secret(file: Path) -> str:
    """Return the secret of a file, which is written where there is none; its owner's alone."""
    try:
        file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        if file.exists() and (known := file.read_text().strip()):
            return known
        file.touch(0o600)
        file.write_text(secret := secrets.token_urlsafe(SECRET_BYTES))
    except OSError as error:
        raise click.ClickException(f"{file}: {error.strerror}") from None
    return secret
