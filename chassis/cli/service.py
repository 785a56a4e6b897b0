"""A service's definition, and the command line that chassis makes of it.

Commands: serve, dispatch, migrate, load, health, accounts, events.
"""

import sys
import tomllib
from collections.abc import Callable, Collection, Iterable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager, nullcontext
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import click
import grpc
from grpc_health.v1 import health_pb2, health_pb2_grpc
from marshmallow import Schema, ValidationError
from sqlalchemy import Connection, MetaData, Table
from sqlalchemy.exc import ArgumentError

from chassis.cli.accounts import account_commands
from chassis.cli.events import event_commands, private_targets_option, run_dispatcher
from chassis.context import utc_now
from chassis.errors import Refusal
from chassis.events.outbox import Outbox
from chassis.server.accounts import Accounts, Authenticate
from chassis.server.idempotency import IdempotencyKeys
from chassis.server.server import (
    MAX_REQUEST_BYTES,
    Resources,
    RunningServer,
    catch_stop_signals,
    start_server,
    wait_until_stopped,
)
from chassis.store.database import Database
from chassis.store.migrations import is_current, migrate
from chassis.store.reference_cache import ReferenceCache, invalidate
from chassis.store.sqlite import hold_for_serving
from chassis.telemetry import configure, log
from chassis.validation import find_control_characters, flatten


def _no_background(_database: Database, _data_dir: Path) -> AbstractContextManager[None]:
    return nullcontext()


@dataclass(frozen=True)
class Service:
    """The definition of a service: what chassis needs to run it and to manage its store."""

    name: str
    listen: str
    metadata: MetaData
    accounts: Accounts
    idempotency_keys: IdempotencyKeys
    changes: Table
    outbox: Outbox
    migrations: Path
    reference: Schema
    load: Callable[[Connection, dict[str, Any]], None]
    servicers: Callable[[Resources], Iterable[object]]
    authenticate: Callable[[Resources], Authenticate] | None = None  # by default HTTP Basic
    open_rpcs: Collection[str] = ()  # "OrderService/CreateToken", or "DoorService" for all of it
    max_request_bytes: int = MAX_REQUEST_BYTES
    # Runs beside the dispatcher; raises ValueError for invalid settings.
    background: Callable[[Database, Path], AbstractContextManager[None]] = _no_background

    def start(
        self,
        database: Database,
        listen: str,
        public_url: str,
        now: Callable[[], datetime] = utc_now,
        *,
        reflection: bool = False,
    ) -> RunningServer:
        """Serve on `listen`; the caller stops the server."""
        resources = Resources(database, ReferenceCache(database, self.changes), public_url, now)
        if self.authenticate is None:
            authenticate = self.accounts.basic_authenticator(resources.cache)
        else:
            authenticate = self.authenticate(resources)
        return start_server(
            self.servicers(resources),
            database=database,
            idempotency_keys=self.idempotency_keys,
            authenticate=authenticate,
            open_rpcs=self.open_rpcs,
            max_request_bytes=self.max_request_bytes,
            reflection=reflection,
            listen=listen,
        )

    @property
    def module(self) -> str:
        """The module for `python -m`."""
        return f"{self.name}_svc"

    def ensure_current(self, database: Database) -> None:
        """Raise ClickException unless the schema of the store is current."""
        if not is_current(database, self.migrations):
            raise click.ClickException(
                f"The database is not at this version: run `python -m {self.module} migrate`."
            )


def command_line(service: Service) -> click.Group:
    """The commands of one service; without a command it serves."""
    serve = _serve_command(service)

    @click.group(invoke_without_command=True, help=f"The {service.name} service of Optigate.")
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
    @click.pass_context
    def cli(
        context: click.Context,
        data_dir: str,
        database_url: str | None,
        prepare: bool,
        log_dir: Path | None,
    ) -> None:
        default = f"sqlite:///{data_dir}/{service.name}.db"
        context.obj = context.with_resource(_open_database(database_url or default, prepare))
        if context.invoked_subcommand is None:
            with serve.make_context("serve", [], parent=context) as alone:
                serve.invoke(alone)

    for command in (
        serve,
        _dispatch_command(service),
        _migrate_command(service),
        _load_command(service),
        _health_command(service),
        account_commands(service.accounts, service.changes, service.ensure_current),
        event_commands(service.outbox, service.ensure_current),
    ):
        cli.add_command(command)
    return cli


def _serve_command(service: Service) -> click.Command:
    @click.command(help="Serve gRPC, and deliver events, until SIGTERM.")
    @click.option("--listen", envvar="LISTEN", default=service.listen, show_default=True)
    @click.option("--public-url", envvar="GATEWAY_PUBLIC_URL", default="http://127.0.0.1:8080")
    @click.option(
        "--dispatcher/--no-dispatcher",
        envvar="DISPATCHER",
        default=True,
        help="Whether this process delivers events (else run `dispatch`).  [default: on]",
    )
    @click.option(
        "--reflection/--no-reflection",
        envvar="REFLECTION",
        default=False,
        help="Whether the server describes its services to tools.  [default: off]",
    )
    @private_targets_option
    @click.pass_obj
    def serve(
        database: Database,
        listen: str,
        public_url: str,
        dispatcher: bool,
        reflection: bool,
        private: bool,
    ) -> None:
        service.ensure_current(database)
        _configure_log(service)
        click.get_current_context().with_resource(_serve_alone(database))
        try:
            running = service.start(database, listen, public_url.rstrip("/"), reflection=reflection)
        except RuntimeError as error:
            raise click.ClickException(f"Cannot listen on {listen}: {error}") from None
        stopped = catch_stop_signals()
        log().info("listening", address=listen)
        cleanups = service.idempotency_keys.delete_expired, service.outbox.delete_expired
        with _run_background(service, database, private) if dispatcher else nullcontext():
            wait_until_stopped(stopped, database, *cleanups)
            running.stop()
        log().info("stopped")

    return serve


def _dispatch_command(service: Service) -> click.Command:
    @click.command(help="Deliver events until SIGTERM, beside a `serve` with DISPATCHER=off.")
    @private_targets_option
    @click.pass_obj
    def dispatch(database: Database, private: bool) -> None:
        service.ensure_current(database)
        _configure_log(service)
        stopped = catch_stop_signals()
        with _run_background(service, database, private):
            log().info("dispatching")
            wait_until_stopped(stopped, database, service.outbox.delete_expired)
        log().info("stopped")

    return dispatch


@contextmanager
def _run_background(service: Service, database: Database, private: bool) -> Iterator[None]:
    """Run the dispatcher, and the service's own background work."""
    data_dir = Path(click.get_current_context().find_root().params["data_dir"])
    try:
        background = service.background(database, data_dir)
    except ValueError as error:
        raise click.ClickException(str(error)) from None
    with run_dispatcher(database, service.outbox, private), background:
        yield


def _migrate_command(service: Service) -> click.Command:
    @click.command("migrate", help="Upgrade the database to this version.")
    @click.pass_obj
    def migrate_(database: Database) -> None:
        migrate(database, service.migrations)

    return migrate_


def _load_command(service: Service) -> click.Command:
    @click.command(help="Load reference data from a TOML file; loading it again changes nothing.")
    @click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
    @click.pass_obj
    def load(database: Database, file: Path) -> None:
        service.ensure_current(database)
        with _report_faults(file):
            values = tomllib.loads(file.read_text("utf-8"))
            for fault in find_control_characters(values):
                raise ValidationError({fault.path: [fault.message]})
            reference: dict[str, Any] = service.reference.load(values)
            with database.write() as tx:
                service.load(tx, reference)
                invalidate(tx, service.changes)

    return load


def _health_command(service: Service) -> click.Command:
    @click.command(help="Exit 0 if the service at LISTEN is serving.")
    @click.option("--listen", envvar="LISTEN", default=service.listen, show_default=True)
    def health(listen: str) -> None:
        with grpc.insecure_channel(listen) as channel:
            stub = health_pb2_grpc.HealthStub(channel)
            try:
                response = stub.Check(health_pb2.HealthCheckRequest(), timeout=2)
            except grpc.RpcError as error:
                raise click.ClickException(f"{listen}: {error.code().name}") from None
        if response.status != health_pb2.HealthCheckResponse.SERVING:
            raise click.ClickException(f"{listen}: not serving")

    return health


def _configure_log(service: Service) -> None:
    """Log into the folder of --log-dir, else to standard output."""
    configure(service.name, folder=click.get_current_context().find_root().params["log_dir"])


@contextmanager
def _serve_alone(database: Database) -> Iterator[None]:
    """Be the only process that serves a SQLite file; wait for one that drains."""
    with ExitStack() as held:
        if database.is_sqlite:
            path = Path(database.url.database or "")
            try:
                held.enter_context(hold_for_serving(path))
            except BlockingIOError:
                raise click.ClickException(
                    f"Another process serves {path}. On SQLite a service is one process:"
                    " stop the other one, or use PostgreSQL for several."
                ) from None
        yield


class _open_database:
    """The database of one command; a refusal is printed and exits with code 1."""

    def __init__(self, url: str, prepare: bool) -> None:
        self.url, self.prepare = url, prepare

    def __enter__(self) -> Database:
        try:
            self.database = Database(self.url, prepare=self.prepare)
        except (ValueError, OSError, ArgumentError) as error:
            raise click.ClickException(f"DATABASE_URL: {error}") from None
        return self.database

    def __exit__(self, _kind: object, error: BaseException | None, _trace: object) -> None:
        self.database.close()
        if isinstance(error, Refusal):
            click.echo(f"Error: {error.message}", err=True)
            sys.exit(1)


@contextmanager
def _report_faults(file: Path) -> Iterator[None]:
    """Report the faults of a reference file with its name, and their tables and fields."""
    try:
        yield
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise click.ClickException(f"{file}: {error}") from None
    except ValidationError as error:
        faults = flatten(error.messages_dict)
        lines = (f"{file}: {fault.path}: {fault.message}" for fault in faults)
        raise click.ClickException("\n".join(lines)) from None
