"""The command line of a service: serving, its store, accounts, events, audit, persons, keys."""

import os
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import click

from chassis.cli.accounts import accounts
from chassis.cli.audit import audit
from chassis.cli.days import Days
from chassis.cli.events import events
from chassis.cli.invocation import Invocation
from chassis.cli.keys import keys
from chassis.cli.output.progress import show_progress
from chassis.cli.output.tables import json_option, print_json, print_result
from chassis.cli.persons import persons
from chassis.cli.processes.serve import dispatch, serve_command
from chassis.cli.upkeep import backup, doctor, restore, retain
from chassis.settings.variables import read_secret

if TYPE_CHECKING:
    from sqlalchemy import Connection

LOAD_STEPS = 4


def command_line(name: str, listen: str) -> click.Group:
    """The commands of the service `name`, which serves on `listen`; without a command it serves."""
    serve = serve_command(listen)

    @click.group(invoke_without_command=True, help=f"The {name} service of Optigate.")
    @click.option("--data-dir", envvar="DATA_DIR", default="data", show_default=True)
    @click.option(
        "--database-url",
        envvar="DATABASE_URL",
        help="Default: the URL in the file DATABASE_URL_FILE, else SQLite in the data folder.",
    )
    @click.option(
        "--prepare/--no-prepare",
        envvar="DATABASE_PREPARE",
        default=True,
        help="Whether PostgreSQL prepares statements: off behind PgBouncer.  [default: on]",
    )
    @click.option(
        "--log-dir",
        envvar="LOG_DIR",
        type=click.Path(path_type=Path),  # one that cannot be used costs lines, and no start
        help="A folder for log files.  [default: lines go to standard output]",
    )
    @click.option(
        "--retain",
        envvar=f"RETAIN_{name.upper()}",
        type=Days(),
        help=f"Days for which personal data of {name} that ended are kept, such as 730d."
        "  [default: without end]",
    )
    @click.option(
        "--retain-audit",
        envvar="RETAIN_AUDIT",
        type=Days(),
        help="Days for which entries of the audit trail are kept.  [default: without end]",
    )
    @click.option(
        "--encryption-keys",
        envvar="ENCRYPTION_KEYS",
        type=click.Path(dir_okay=False, path_type=Path),
        help="A file with the keys of encryption at rest.  [default: off]",
    )
    @click.pass_context
    def cli(
        context: click.Context,
        data_dir: str,
        database_url: str | None,
        prepare: bool,
        log_dir: Path | None,
        retain: timedelta | None,
        retain_audit: timedelta | None,
        encryption_keys: Path | None,
    ) -> None:
        url = _read_url(database_url) or f"sqlite:///{data_dir}/{name}.db"
        folder = Path(data_dir)
        context.obj = Invocation(
            name, folder, url, prepare, log_dir, retain, retain_audit, encryption_keys
        )
        if context.invoked_subcommand is None:
            with serve.make_context("serve", [], parent=context) as alone:
                serve.invoke(alone)

    health = _health_command(listen)
    inspected = (accounts, events, audit, persons)
    upkeep = (backup, restore, retain, doctor, keys)
    for command in (serve, dispatch, migrate, load, health, *inspected, *upkeep):
        cli.add_command(command)
    return cli


def _read_url(given: str | None) -> str:
    """Return the URL that was given, as an option or in a file; "" for neither."""
    if given and given != os.environ.get("DATABASE_URL"):
        return given  # on the command line, which takes precedence
    try:
        return read_secret(os.environ, "DATABASE_URL")
    except ValueError as error:
        raise click.ClickException(str(error)) from None


@click.command(help="Upgrade the database to this version.")
@json_option
@click.pass_obj
def migrate(run: Invocation, as_json: bool) -> None:
    """Migrate the store, and say from which revision to which."""
    from chassis.store import migrations, versions

    database, folder = run.open_any_version(), run.service.migrations
    before = versions.read_state(database, run.name, folder)
    if before in (versions.NEWER, versions.FOREIGN):
        raise click.ClickException(str(run.describe_unfit(database)))
    was = "".join(versions.read_applied(database)) or None
    if before != versions.AHEAD:  # of which nothing is left to do
        pending = len(migrations.list_pending(database, folder))
        with show_progress(run.name, pending) as report:
            migrations.migrate(database, folder, report)
    head = "".join(versions.read_applied(database))
    told = "already" if was == head else f"was {was or 'empty'}"
    if as_json:
        print_json({"service": run.name, "revision": head, "before": was})
    else:
        click.echo(f"{run.name}: the schema is at {head}{' ' if was == head else ', '}{told}")


@click.command(
    help="Load reference data from a TOML file, and say how many rows changed; loading it again"
    " changes nothing."
)
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@json_option
@click.pass_obj
def load(run: Invocation, file: Path, as_json: bool) -> None:
    """Check the whole file, then write it."""
    from chassis.cli.reference.changes import count_changes, format_counts, take_snapshot
    from chassis.cli.reference.file import read_reference, report_faults

    tables = run.service.reference_tables
    with report_faults(file), show_progress(file.name, LOAD_STEPS) as report:
        report(0, "reading the file")
        reference = read_reference(file, run.service.reference)

        def write(tx: "Connection") -> dict[str, dict[str, int]]:
            report(1, "reading the store")
            before = take_snapshot(tx, tables)
            report(2, "writing")
            run.service.load(tx, reference)
            report(3, "comparing")
            return count_changes(before, take_snapshot(tx, tables))

        counted = run.change_reference(write)
        report(LOAD_STEPS, "")
    if as_json:
        print_json(counted)
        return
    for name, counts in counted.items():
        if any(counts.values()):
            click.echo(f"{name}: {format_counts(counts)}")


def _health_command(listen: str) -> click.Command:
    @click.command(help="Exit 0 if the service at LISTEN is serving.")
    @click.option("--listen", envvar="LISTEN", default=listen, show_default=True)
    @json_option
    def health(listen: str, as_json: bool) -> None:
        import grpc
        from grpc_health.v1 import health_pb2, health_pb2_grpc

        from chassis.cli.client import open_channel

        with open_channel(listen) as channel:
            stub = health_pb2_grpc.HealthStub(channel)
            try:
                response = stub.Check(health_pb2.HealthCheckRequest(), timeout=2)
            except grpc.RpcError as error:
                raise click.ClickException(f"{listen}: {error.code().name}") from None
        if response.status != health_pb2.HealthCheckResponse.SERVING:
            raise click.ClickException(f"{listen}: not serving")
        print_result({"address": listen, "health": "serving"}, as_json)

    return health
