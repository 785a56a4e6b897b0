"""The command line of a service: serve, dispatch, migrate, load, health, accounts, events, keys."""

from pathlib import Path

import click

from chassis.cli.accounts import accounts
from chassis.cli.events import events
from chassis.cli.invocation import Invocation
from chassis.cli.keys import keys
from chassis.cli.serve import dispatch, serve_command


def command_line(name: str, listen: str) -> click.Group:
    """The commands of the service `name`, which serves on `listen`; without a command it serves."""
    serve = serve_command(listen)

    @click.group(invoke_without_command=True, help=f"The {name} service of Optigate.")
    @click.option("--data-dir", envvar="DATA_DIR", default="data", show_default=True)
    @click.option(
        "--database-url", envvar="DATABASE_URL", help="Default: SQLite in the data folder."
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
        type=click.Path(file_okay=False, path_type=Path),
        help="A folder for log files.  [default: lines go to standard output]",
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
        encryption_keys: Path | None,
    ) -> None:
        url = database_url or f"sqlite:///{data_dir}/{name}.db"
        context.obj = Invocation(name, Path(data_dir), url, prepare, log_dir, encryption_keys)
        if context.invoked_subcommand is None:
            with serve.make_context("serve", [], parent=context) as alone:
                serve.invoke(alone)

    health = _health_command(listen)
    for command in (serve, dispatch, migrate, load, health, accounts, events, keys):
        cli.add_command(command)
    return cli


@click.command(help="Upgrade the database to this version.")
@click.pass_obj
def migrate(run: Invocation) -> None:
    """Migrate the store."""
    from chassis.store import migrations

    migrations.migrate(run.open_any_version(), run.service.migrations)


@click.command(help="Load reference data from a TOML file; loading it again changes nothing.")
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.pass_obj
def load(run: Invocation, file: Path) -> None:
    """Check the whole file, then write it."""
    from chassis.cli.reference_file import read_reference, report_faults

    with report_faults(file):
        reference = read_reference(file, run.service.reference)
        with run.change_reference() as tx:
            run.service.load(tx, reference)


def _health_command(listen: str) -> click.Command:
    @click.command(help="Exit 0 if the service at LISTEN is serving.")
    @click.option("--listen", envvar="LISTEN", default=listen, show_default=True)
    def health(listen: str) -> None:
        import grpc
        from grpc_health.v1 import health_pb2, health_pb2_grpc

        with grpc.insecure_channel(listen) as channel:
            stub = health_pb2_grpc.HealthStub(channel)
            try:
                response = stub.Check(health_pb2.HealthCheckRequest(), timeout=2)
            except grpc.RpcError as error:
                raise click.ClickException(f"{listen}: {error.code().name}") from None
        if response.status != health_pb2.HealthCheckResponse.SERVING:
            raise click.ClickException(f"{listen}: not serving")

    return health
