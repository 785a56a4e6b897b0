"""Serves the metrics of a process that runs, where METRICS_LISTEN is set."""

import os
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import click

from chassis.cli.invocation import Invocation

if TYPE_CHECKING:
    from chassis.metrics.service import ServiceMetrics
    from chassis.store.database import Database

metrics_option: Callable[[Any], Any] = click.option(
    "--metrics-listen",
    envvar="METRICS_LISTEN",
    help="host:port of /metrics, /livez and /readyz; further workers count up from it."
    "  [default: none]",
)


def serve_metrics(
    run: Invocation, database: "Database", address: str | None, *, is_server: bool
) -> "ServiceMetrics | None":
    """Serve metrics and probes until the command ends; None without an address."""
    if not address:
        return None
    # The gateway's: it would have this process count in the files of the gateway's workers.
    os.environ.pop("PROMETHEUS_MULTIPROC_DIR", None)
    from chassis.metrics.listener import Listener, parse_address
    from chassis.metrics.service import ServiceMetrics
    from chassis.telemetry import log

    try:
        parsed = parse_address(address)
    except ValueError as error:
        raise click.ClickException(str(error)) from None
    metrics = ServiceMetrics(database, run.service.outbox, run.data_dir, is_server=is_server)
    try:
        listener = Listener(parsed, metrics.build_pages())
    except OSError as error:
        raise click.ClickException(f"METRICS_LISTEN: cannot listen on {address}: {error}") from None
    context = click.get_current_context()
    listener.start()
    context.call_on_close(listener.stop)
    context.with_resource(metrics.survey())
    log().info("metrics", address=listener.address)
    return metrics
