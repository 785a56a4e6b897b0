"""The commands `optigate new partner`, `lab` and `merchant`: they ask, or take options."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from chassis.cli.invocation import Invocation
from chassis.cli.output.tables import json_option, print_result
from optigate.new import texts

if TYPE_CHECKING:
    from sqlalchemy import Connection


@dataclass(frozen=True)
class Target:
    """Where a file goes, and the store that it is loaded into."""

    out: Path | None
    replaces: bool
    loads: bool
    data_dir: str
    database_url: str | None
    as_json: bool


def _target_options(service: str) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Add the options about the file and the store."""
    variable = f"{service.upper()}_DATABASE_URL"
    options = (
        click.option("--out", type=click.Path(dir_okay=False, path_type=Path),
                     help="The file to write.  [default: its name, in this folder]"),
        click.option("--replace", "replaces", is_flag=True, help="Replace an existing file."),
        click.option("--load/--no-load", "loads", default=True, show_default=True,
                     help="Whether the file is loaded, and its account added."),
        click.option("--data-dir", envvar="DATA_DIR", default="data", show_default=True),
        click.option("--database-url", envvar=variable,
                     help=f"Also {variable}.  [default: SQLite in the data folder]"),
        json_option,
    )  # fmt: skip

    def add(command: Callable[..., None]) -> Callable[..., None]:
        for option in reversed(options):
            command = option(command)
        return command

    return add


@click.group(help="Write the commented file of a partner, a lab or a merchant, and load it.")
def new() -> None:
    """The group `new`."""


@new.command(help="A partner of online vision tests, and its account.")
@click.option("--account", prompt="Name of its account", help="The name of its account.")
@click.option("--store", "stores", multiple=True, help="The id of a store; may be repeated.")
@click.option("--endpoint", help="The URL that its events are sent to.")
@_target_options("sessions")
@click.pass_context
def partner(
    context: click.Context,
    /,
    account: str,
    stores: tuple[str, ...],
    endpoint: str | None,
    **target: Any,
) -> None:
    """Write and load a partner."""
    values = {
        "account": texts.quote(account),
        "stores": texts.list_stores(stores),
        "endpoint": texts.describe_endpoint(account, endpoint),
    }
    _create(context, "sessions", texts.PARTNER, values, account, account, Target(**target))


@new.command(help="A lens lab with its settings and a catalog to begin with.")
@click.option("--id", "id_", prompt="Id of the lab", help="Its id in orders, such as lab_123.")
@click.option("--name", prompt="Name of the lab", help="Its name for people.")
@_target_options("orders")
@click.pass_context
def lab(context: click.Context, /, id_: str, name: str, **target: Any) -> None:
    """Write and load a lab."""
    values = {"id": texts.quote(id_), "name": texts.quote(name), "lab": texts.escape(id_)}
    _create(context, "orders", texts.LAB, values, id_, None, Target(**target))


@new.command(help="A merchant of subscriptions, and the account that acts for it.")
@click.option("--id", "id_", prompt="Id of the merchant", help="Its id in subscriptions.")
@click.option("--name", prompt="Name of the shop", help="Its name for shoppers.")
@click.option(
    "--account", prompt="Name of its account", help="The name of the account that acts for it."
)
@click.option(
    "--store", "stores", multiple=True, default=("main",), show_default=True,
    help="The reference of a store; may be repeated.",
)  # fmt: skip
@click.option("--country", default="ES", show_default=True)
@click.option("--currency", default="EUR", show_default=True)
@click.option("--locale", default="es-ES", show_default=True)
@click.option("--time-zone", default="Europe/Madrid", show_default=True)
@click.option("--endpoint", help="The URL that its events are sent to.")
@_target_options("subscriptions")
@click.pass_context
def merchant(
    context: click.Context,
    /,
    id_: str,
    account: str,
    stores: tuple[str, ...],
    endpoint: str | None,
    **options: Any,
) -> None:
    """Write and load a merchant."""
    names = ("name", "country", "currency", "locale", "time_zone")
    values = {
        **{name: texts.quote(options.pop(name)) for name in names},
        "id": texts.quote(id_),
        "account": texts.quote(account),
        "stores": ", ".join(map(texts.quote, stores)),
        "endpoint": texts.describe_endpoint(id_, endpoint),
    }
    _create(context, "subscriptions", texts.MERCHANT, values, id_, account, Target(**options))


def _create(
    context: click.Context,
    service: str,
    template: str,
    values: dict[str, str],
    name: str,
    account: str | None,
    target: Target,
) -> None:
    """Write the file once it is known to be valid, and load it with its account."""
    from chassis.cli.reference.file import read_text, report_faults

    url = target.database_url or f"sqlite:///{target.data_dir}/{service}.db"
    run = Invocation(service, Path(target.data_dir), url, prepare=True, log_dir=None)
    for each in (context.parent, context.find_root()):
        if each:
            each.obj = run  # whose audit trail names the command
    file = target.out or Path(re.sub(r"[^\w.-]", "_", name) + ".toml")
    text = template.format(file=texts.escape(str(file)), **values)
    secret = None
    with report_faults(file):
        reference = read_text(text, run.service.reference)
        written: list[Path] = []  # by an attempt that was rolled back

        def write() -> None:
            _write(file, text, target.replaces or bool(written))
            written.append(file)

        def fill(tx: "Connection") -> str | None:
            added = _load(run, tx, reference, account)
            write()  # the last step, which undoes the others if it fails
            return added

        if target.loads:
            secret = run.change_reference(fill)
        else:
            write()
    done = ", and loaded into " + service if target.loads else ""
    lines = [f"{file}: written{done}"]
    if secret:
        lines.append(f"{account}: its secret, which is not shown again: {secret}")
    shown = {"account": account, "secret": secret} if secret else {}
    print_result({"file": file, "is_loaded": target.loads, **shown}, target.as_json, *lines)


def _write(file: Path, text: str, replaces: bool) -> None:
    try:
        with file.open("w" if replaces else "x", encoding="utf-8") as opened:
            opened.write(text)
    except FileExistsError:
        raise click.ClickException(f"{file} exists: use --replace, or --out.") from None
    except OSError as error:
        raise click.ClickException(f"{file}: {error.strerror}") from None


def _load(
    run: Invocation, tx: "Connection", reference: dict[str, Any], account: str | None
) -> str | None:
    """Load a file; returns the secret of an account that is new."""
    from chassis.settings.roles import CLIENT

    accounts, secret = run.service.accounts, None
    if account is not None and account not in accounts.ids(tx):
        secret = accounts.add(tx, account, CLIENT)
    run.service.load(tx, reference)
    return secret
