"""`python -m bench traces`: what traces cost, off and on, in microseconds of one process's CPU.

`GET /v1/me` goes through the gateway, its channel and the orders service, which are one process
here, in short blocks that take turns: without the hooks for traces, with them while traces are off,
and with traces on, whose spans go nowhere. The figure is the least of the blocks of each.
"""

import os
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from time import process_time
from typing import Any
from unittest.mock import patch

import click
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter, SpanExportResult

from bench.experiments.contenders import prepare_store
from bench.scenarios.bodies import DEMO_CALLERS
from chassis.spans import recording
from chassis.spans.start import start, stop
from chassis.store.database import Database
from gateway.channel import channel as channels
from gateway.channel.channel import Channel
from gateway.rates import policies

BLOCKS = 300
REQUESTS = 20  # in a block
BARE, OFF, ON = "no hooks", "off", "on"
MICROSECONDS = 1e6
HOOKS: dict[str, Callable[[], object]] = {
    "get_recorder": recording.get_recorder,
    "record": lambda: recording.record("transaction"),
    "get_traceparent": recording.get_traceparent,
    "inject": recording.inject,
}


class _Nowhere(SpanExporter):
    """Takes spans and drops them."""

    def export(self, _spans: Sequence[ReadableSpan]) -> SpanExportResult:
        return SpanExportResult.SUCCESS


@click.command(help="The cost of traces per request, off and on, in one process.")
@click.option(
    "--share", type=float, default=1.0, help="Fraction of the usual number of repetitions."
)
def traces(share: float) -> None:
    # Of the environment: a block says when traces are on.
    limits = map(policies.name_variable, policies.DEFAULTS)
    settings = {"OTEL_SDK_DISABLED": "true", "OTEL_TRACES_SAMPLER": "always_on"}
    with (
        tempfile.TemporaryDirectory(prefix="optigate-bench-") as name,
        patch.dict(
            os.environ, {**settings, **dict.fromkeys(limits, policies.OFF), "LOG_DIR": name}
        ),
        _serve_orders(Path(name)) as address,
        _open_gateways(address) as works,
    ):
        best = _measure(works, max(int(BLOCKS * share), 2))
    bare = best[BARE]
    click.echo("GET /v1/me, gateway and service, microseconds of CPU:")
    for each, took in best.items():
        click.echo(f"  {each:16}{took:8.1f}  {took / bare:7.3f} times")
    for each, hook in HOOKS.items():
        click.echo(f"  {each:16}{_time(hook, max(int(200_000 * share), 1000)):8.3f}  off, one call")


def _measure(works: dict[str, Callable[[], Any]], blocks: int) -> dict[str, float]:
    """Return the least cost of a request, by its way."""
    best = dict.fromkeys(works, float("inf"))
    turns = list(works.items())
    for number in range(blocks):
        turns = turns[1:] + turns[:1] if number % 2 else turns[::-1]  # each follows each other
        for name, work in turns:
            with _switch(name):
                work()
                began = process_time()
                for _ in range(REQUESTS):
                    work()
                took = (process_time() - began) / REQUESTS * MICROSECONDS
            best[name] = min(best[name], took)
    return best


@contextmanager
def _switch(name: str) -> Iterator[None]:
    """Take the hooks out of the service, or turn traces on, for a block."""
    if name == BARE:
        with patch("chassis.server.interceptor.begin_span", lambda *_: None):
            yield
    elif name == ON:
        start("bench", {}, BatchSpanProcessor(_Nowhere()))
        yield
        stop()
    else:
        yield


@contextmanager
def _open_gateways(address: str) -> Iterator[dict[str, Callable[[], Any]]]:
    from gateway import create_app

    off = create_app({"ORDERS_ADDR": address})
    with patch.object(channels, "_call_with", _call_bare):
        bare = create_app({"ORDERS_ADDR": address})
    start("bench", {}, BatchSpanProcessor(_Nowhere()))
    on = create_app({"ORDERS_ADDR": address})
    stop()
    apps = {BARE: bare, OFF: off, ON: on}
    try:
        yield {name: _build_get(app) for name, app in apps.items()}
    finally:
        for app in apps.values():
            app.extensions["backends"].close()


def _call_bare(channel: Channel, method: str, response_type: Any, request: Any, **more: Any) -> Any:
    return channel.unary(method, request, response_type, **more)


def _build_get(app: Any) -> Callable[[], Any]:
    caller = DEMO_CALLERS["orders"]
    headers = {"Authorization": caller.basic, "User-Email": caller.user_email}
    get = partial(app.test_client().get, "/v1/me", headers=headers)
    answer = get()
    if answer.status_code != 200:
        raise click.ClickException(f"/v1/me: {answer.status_code}")
    return get


@contextmanager
def _serve_orders(folder: Path) -> Iterator[str]:
    from orders_svc.definition import SERVICE

    url = f"sqlite:///{folder}/orders.db"
    prepare_store("orders", url)
    server = SERVICE.start(Database(url), "127.0.0.1:0", "http://127.0.0.1:8080")
    try:
        yield f"127.0.0.1:{server.port}"
    finally:
        server.stop(0)


def _time(hook: Callable[[], object], times: int) -> float:
    """Return the microseconds of one call."""
    best = float("inf")
    for _ in range(5):
        began = process_time()
        for _ in range(times):
            hook()
        best = min(best, (process_time() - began) / times * MICROSECONDS)
    return best


COMMANDS = [traces]
