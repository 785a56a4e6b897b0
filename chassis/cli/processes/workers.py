"""Several server processes of one service on PostgreSQL, and the process that starts them.

Each worker serves on an address of its own, over which a client balances, and on the shared LISTEN
(SO_REUSEPORT), where the kernel picks a worker for each connection: two connections often land on
the same one. Workers are started anew when they die, as programs of their own: gRPC does not
survive a fork. Their parent loads neither gRPC nor the store. It holds the port, so that no other
copy can join it, and the folder of sockets, so that none takes those over.
"""

import os
import shlex
import signal
import sys
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

import click

from chassis.cli.invocation import Invocation
from chassis.cli.processes.start import read_settings
from chassis.locks import hold_file, hold_port
from chassis.settings.workers import UNIX, list_sockets
from chassis.supervisor import Supervisor
from chassis.telemetry import log

HOLD_SECONDS = 15.0  # for a predecessor that drains


def list_own_addresses(
    name: str, data_dir: Path, count: int, first: str | None = None
) -> list[str]:
    """Return the workers' own addresses: ports that count up from the `first`, else sockets."""
    if first is None:
        return list_sockets(name, data_dir, count)
    host, _, port = first.rpartition(":")
    if not host or not port.isdecimal():
        raise click.BadParameter("Must be host:port.", param_hint="WORKER_LISTEN")
    return [f"{host}:{int(port) + n}" for n in range(count)]


def run_workers(
    run: Invocation,
    listen: str,
    count: int,
    first: str | None,
    *,
    public_url: str | None,
    dispatcher: bool,
    reflection: bool,
    one_core: bool,
    private: bool,
    own_address: str | None = None,
    metrics_listen: str | None = None,
    listen_socket: str | None = None,
) -> int:
    """Run `count` workers until SIGTERM; returns the exit code. The first one dispatches.

    They have sockets or ports of their own, and no `listen_socket`.
    Each has metrics of its own, on ports that count up from `metrics_listen`.
    """
    if run.is_sqlite:
        raise click.ClickException(
            f"WORKERS={count} needs PostgreSQL: on SQLite a service is one process."
        )
    addresses = list_own_addresses(run.name, run.data_dir, count, first)
    metrics = _list_metrics_addresses(metrics_listen, count)
    settings = read_settings([listen, *addresses], public_url, reflection)
    environment = {
        **os.environ,
        "DATA_DIR": str(run.data_dir),
        "DATABASE_URL": run.database_url,
        "DATABASE_PREPARE": str(run.prepare),
        "GATEWAY_PUBLIC_URL": settings.public_url,
        "REFLECTION": str(reflection),
        "ONE_CORE": str(one_core),
        "WEBHOOK_PRIVATE_TARGETS": str(private),
        "WORKERS": "1",
    }
    for name in ("DATABASE_URL_FILE", "LISTEN_SOCKET", "METRICS_LISTEN"):
        environment.pop(name, None)
    for name, kept in (
        (f"RETAIN_{run.name.upper()}", run.retain),
        ("RETAIN_AUDIT", run.retain_audit),
    ):
        if kept is not None:
            environment[name] = f"{kept.days}d"
    if run.log_dir:
        environment["LOG_DIR"] = str(run.log_dir)
    if run.encryption_keys:
        environment["ENCRYPTION_KEYS"] = str(run.encryption_keys)
    run.configure_log()
    with _hold(run, listen, addresses) as shared:
        commands = {
            f"worker {number}": _build_command(
                run.module, address, dispatcher and number == 1, metrics[number - 1]
            )
            for number, address in enumerate(addresses, 1)
        }
        supervisor = Supervisor(
            commands, {**environment, "LISTEN": shared}, say=log().info, warn=log().warning
        )
        for signal_number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(signal_number, lambda *_: supervisor.stop.set())
        return supervisor.run()


def _list_metrics_addresses(first: str | None, count: int) -> list[str]:
    """Return where each worker's metrics are; "" for none."""
    if not first:
        return [""] * count
    from chassis.metrics.listener import count_up

    try:
        return [count_up(first, number) for number in range(count)]
    except ValueError as error:
        raise click.ClickException(str(error)) from None


def _build_command(module: str, own_address: str, dispatcher: bool, metrics: str) -> str:
    words = [sys.executable, "-m", module, "serve", "--own-address", own_address]
    if metrics:
        words += ["--metrics-listen", metrics]
    return "exec " + shlex.join([*words, "--dispatcher" if dispatcher else "--no-dispatcher"])


@contextmanager
def _hold(run: Invocation, listen: str, addresses: Sequence[str]) -> Iterator[str]:
    """Hold every port, and the folder of sockets; yields the shared address."""
    with ExitStack() as held:
        ports = [address for address in addresses if not address.startswith(UNIX)]
        if len(ports) < len(addresses):
            try:
                held.enter_context(hold_file(run.data_dir / f"{run.name}.workers", HOLD_SECONDS))
            except BlockingIOError:
                raise click.ClickException(
                    f"Another copy has its workers' sockets in {run.data_dir}:"
                    " stop it, or set DATA_DIR to another folder."
                ) from None
        try:
            shared, *_ = [
                held.enter_context(hold_port(each, HOLD_SECONDS)) for each in [listen, *ports]
            ]
        except ValueError as error:
            raise click.ClickException(f"Workers share a port, but {error}.") from None
        except OSError as error:
            raise click.ClickException(f"Cannot listen on {listen}: {error}") from None
        yield shared
