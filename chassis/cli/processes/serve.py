"""The commands that run: serve, in one process or in several, and dispatch."""

import gc
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from chassis.cli.invocation import Invocation
from chassis.cli.processes.listening import find_socket, refuse_address
from chassis.cli.processes.metrics import metrics_option, serve_metrics
from chassis.cli.processes.traces import start_traces
from chassis.settings.variables import DEFAULT_PUBLIC_URL

if TYPE_CHECKING:
    from chassis.metrics.service import ServiceMetrics
    from chassis.store.database import Database

private_targets_option: Callable[[Any], Any] = click.option(
    "--private-targets/--public-targets",
    "private",
    envvar="WEBHOOK_PRIVATE_TARGETS",
    default=False,
    help="Whether events may be sent to private addresses and this machine.  [default: off]",
)


def serve_command(listen: str) -> click.Command:
    """The command `serve` of a service that listens on `listen` by default."""

    @click.command(help="Serve gRPC, and deliver events, until SIGTERM.")
    @click.option("--listen", envvar="LISTEN", default=listen, show_default=True)
    @click.option(
        "--listen-socket",
        envvar="LISTEN_SOCKET",
        type=click.Path(),
        help="A Unix socket to serve on as well; not with several workers.",
    )
    @click.option(
        "--public-url",
        envvar="GATEWAY_PUBLIC_URL",
        help=f"The beginning of links.  [default: {DEFAULT_PUBLIC_URL}, of a local service]",
    )
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
    @click.option(
        "--one-core/--any-core",
        envvar="ONE_CORE",
        default=True,
        help="Whether a busy process keeps to one core, which it chooses.  [default: on]",
    )
    @click.option(
        "--workers",
        envvar="WORKERS",
        type=click.IntRange(1),
        default=1,
        show_default=True,
        help="Server processes; more than one need PostgreSQL.",
    )
    @click.option(
        "--worker-listen",
        envvar="WORKER_LISTEN",
        help="The first worker's own host:port; the others count up from it.  "
        "[default: sockets in the data folder]",
    )
    @metrics_option
    @click.option("--own-address", hidden=True)  # of a worker
    @private_targets_option
    @click.pass_obj
    def serve(
        run: Invocation,
        /,
        listen: str,
        workers: int,
        worker_listen: str | None,
        **options: Any,
    ) -> None:
        if workers == 1:
            with _refuse_for_good() if options["own_address"] else nullcontext():
                _serve(run, listen, **options)
            return
        from chassis.cli.processes.workers import run_workers

        sys.exit(run_workers(run, listen, workers, worker_listen, **options))

    return serve


class _RefusedForGood(click.ClickException):
    """Another start would be refused, too: a supervisor does not try it."""

    exit_code = os.EX_CONFIG


@contextmanager
def _refuse_for_good() -> Iterator[None]:
    """Tell the parent of a worker that another start would be refused, too."""
    try:
        yield
    except click.ClickException as error:
        raise _RefusedForGood(error.format_message()) from None


def _serve(
    run: Invocation,
    listen: str,
    *,
    public_url: str | None,
    dispatcher: bool,
    reflection: bool,
    one_core: bool,
    private: bool,
    own_address: str | None,
    listen_socket: str | None,
    metrics_listen: str | None,
) -> None:
    from chassis.cli.processes.start import find_demo_data, read_settings
    from chassis.server.cores import keep_to_one_core
    from chassis.server.server import ListenError, catch_stop_signals, wait_until_stopped
    from chassis.telemetry import log

    addresses = [address for address in (listen, own_address) if address]
    start_traces(run.name)
    database, service = run.open_store(), run.service
    settings = read_settings(
        addresses, public_url, reflection, lambda: find_demo_data(database, service)
    )
    _prepare(run, database)
    click.get_current_context().with_resource(_serve_alone(database))
    metrics = serve_metrics(run, database, metrics_listen, is_server=True)
    try:
        running = service.start(
            database,
            listen,
            settings.public_url,
            reflection=reflection,
            own_address=own_address,
            socket=find_socket(listen_socket) if listen_socket else None,
            certificates=settings.load_certificates(),
            observe_call=metrics.observe_call if metrics else None,
            observe_lookup=metrics.observe_lookup if metrics else None,
        )
    except ListenError as error:
        raise refuse_address(str(error), listen, listen_socket) from None
    if metrics:
        metrics.watch_server(running)
    gc.collect()
    gc.freeze()  # what is loaded now stays: no collection stops all calls to walk through it
    stopped = catch_stop_signals()
    log().info("listening", address=own_address or listen)
    cleanups = service.idempotency_keys.delete_expired, service.outbox.delete_expired
    with (
        _run_background(run, database, private, metrics) if dispatcher else nullcontext(),
        (one_core and keep_to_one_core()) or nullcontext(),
    ):
        wait_until_stopped(stopped, database, *cleanups, jobs=run.build_jobs(database).values())
        running.stop()
    log().info("stopped")


@click.command(help="Deliver events until SIGTERM, beside a `serve` with DISPATCHER=off.")
@private_targets_option
@metrics_option
@click.pass_obj
def dispatch(run: Invocation, private: bool, metrics_listen: str | None) -> None:
    """Deliver events, and do the service's own background work."""
    from chassis.server.server import catch_stop_signals, wait_until_stopped
    from chassis.telemetry import log

    start_traces(run.name)
    database = run.open_store()
    _prepare(run, database)
    metrics = serve_metrics(run, database, metrics_listen, is_server=False)
    stopped = catch_stop_signals()
    with _run_background(run, database, private, metrics):
        log().info("dispatching")
        jobs = run.build_jobs(database).values()
        wait_until_stopped(stopped, database, run.service.outbox.delete_expired, jobs=jobs)
        if metrics:
            metrics.is_stopping = True
    log().info("stopped")


def _prepare(run: Invocation, database: "Database") -> None:
    """Prepare the log, the data folder and the encryption key of a process that runs."""
    from chassis.locks import close_folder
    from chassis.store.encryption.registry import register_key
    from chassis.telemetry import log

    run.configure_log()
    register_key(database, run.service.keys)
    if warning := close_folder(run.data_dir):
        log().warning(warning)


@contextmanager
def _run_background(
    run: Invocation, database: "Database", private: bool, metrics: "ServiceMetrics | None"
) -> Iterator[None]:
    """Run the dispatcher, and the service's own background work."""
    from chassis.events.courier import Courier
    from chassis.events.dispatcher import Dispatcher

    service, courier = run.service, Courier(private=private)
    try:
        background = service.background(database, run.data_dir, courier)
    except ValueError as error:
        raise click.ClickException(str(error)) from None
    carrier = service.carrier(database, courier) if service.carrier else None
    dispatcher = Dispatcher(database, service.outbox, courier, carrier=carrier)
    if metrics:
        metrics.watch_dispatcher(dispatcher)
    dispatcher.start()
    try:
        with background:
            yield
    finally:
        dispatcher.stop()


@contextmanager
def _serve_alone(database: "Database") -> Iterator[None]:
    """Be the only process that serves a SQLite file; wait for one that drains."""
    from chassis.store.sqlite import hold_for_serving

    with ExitStack() as held:
        if database.is_sqlite:
            path = Path(database.url.database or "")
            try:
                held.enter_context(hold_for_serving(path))
            except BlockingIOError:
                raise _RefusedForGood(
                    f"Another process serves {path}. On SQLite a service is one process:"
                    " stop the other one, or use PostgreSQL for several."
                ) from None
        yield
