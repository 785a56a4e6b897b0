"""`optigate status`: what the four processes and their stores say of themselves."""

import json
import os
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from typing import Any

import click

HEADERS = ("process", "address", "health", "schema", "waiting", "oldest_seconds", "given_up")
ADDRESSES = {
    "sessions": "127.0.0.1:50051",
    "orders": "127.0.0.1:50052",
    "subscriptions": "127.0.0.1:50053",
}
# What is asked of a gateway that listens on all addresses; compared with.
EVERY_ADDRESS = {"": "127.0.0.1", "0.0.0.0": "127.0.0.1", "[::]": "[::1]"}  # nosec B104
READY = "ready"
GOOD = {"health": ("serving", READY), "schema": ("current", "ahead", "-")}
TIMEOUT_SECONDS = 3


@click.command(
    help="Report health, schema and events to deliver of the gateway and the services, by the"
    " environment of `make run`. The exit code is 0 if all serve a current schema."
)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
@click.option("--data-dir", envvar="DATA_DIR", default="data", show_default=True)
def status(as_json: bool, data_dir: str) -> None:
    """Ask each process and each store."""
    from chassis.settings.version import find_version

    with ThreadPoolExecutor(len(ADDRESSES) + 1) as pool:
        asked = [pool.submit(_ask_service, name, data_dir) for name in ADDRESSES]
        gateway = pool.submit(_report_gateway)
        found = [each.result() for each in (*asked, gateway)]
    if as_json:
        report = {each.pop("process"): each for each in found}
        click.echo(json.dumps({"version": find_version(), "processes": report}, indent=2))
        found = [*report.values()]
    else:
        click.echo(f"optigate {find_version()}")
        for line in _format_table(found):
            click.echo(line)
    sys.exit(0 if all(_is_good(each) for each in found) else 1)


def _is_good(found: dict[str, Any]) -> bool:
    return all(found[key] in values for key, values in GOOD.items())


def _format_table(found: list[dict[str, Any]]) -> Iterator[str]:
    """Yield aligned lines with headers."""
    titles = tuple(name.replace("_", " ") for name in HEADERS)
    rows = [titles, *(tuple(_format_cell(each[name]) for name in HEADERS) for each in found)]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        yield "  ".join(map(str.ljust, row, widths)).rstrip()


def _format_cell(value: object) -> str:
    return "-" if value is None else str(value)


def _ask_service(name: str, data_dir: str) -> dict[str, Any]:
    """Return what a service and its store say."""
    address = os.environ.get(f"{name.upper()}_LISTEN", ADDRESSES[name])
    said = dict.fromkeys(HEADERS) | {"process": name, "address": address}
    return {**said, "health": _ask_health(address), **_ask_store(name, data_dir)}


def _ask_health(address: str) -> str:
    """Return the health of a service: serving, not serving, or a word of gRPC for why not."""
    import grpc
    from grpc_health.v1 import health_pb2, health_pb2_grpc

    from chassis.cli.client import open_channel

    try:
        with open_channel(address) as channel:
            stub = health_pb2_grpc.HealthStub(channel)
            answer = stub.Check(health_pb2.HealthCheckRequest(), timeout=TIMEOUT_SECONDS)
    except grpc.RpcError as error:
        return str(error.code().name).lower()
    except click.ClickException:
        return "plaintext is not allowed"
    is_serving = answer.status == health_pb2.HealthCheckResponse.SERVING
    return "serving" if is_serving else "not serving"


def _ask_store(name: str, data_dir: str) -> dict[str, Any]:
    """Return the schema of a store, and the events that wait in its outbox."""
    from importlib import import_module

    from sqlalchemy.exc import DBAPIError, SQLAlchemyError

    from chassis.cli.stores import find_missing_file
    from chassis.errors import Refusal
    from chassis.settings.variables import read_secret
    from chassis.store.database import Database
    from chassis.store.versions import USABLE, read_state

    try:
        url = read_secret(os.environ, f"{name.upper()}_DATABASE_URL")
        url = url or f"sqlite:///{data_dir}/{name}.db"
        if find_missing_file(url):
            return {"schema": "no store"}
        database = Database(url)
    except (ValueError, OSError, SQLAlchemyError):
        return {"schema": "no such database"}
    service = import_module(f"{name}_svc.definition").SERVICE
    try:
        state = read_state(database, name, service.migrations)
        return {"schema": state, **(_count_events(database, service) if state in USABLE else {})}
    except (Refusal, DBAPIError):
        return {"schema": "cannot be read"}
    finally:
        database.close()


def _count_events(database: Any, service: Any) -> dict[str, Any]:
    from sqlalchemy import func, select

    from chassis.events.states import DEAD, PENDING

    table = service.outbox.table
    waiting = select(func.count(), func.min(table.c.created_at)).where(table.c.state == PENDING)
    given_up = select(func.count()).where(table.c.state == DEAD)
    with database.read() as tx:
        count, oldest = tx.execute(waiting).one()
        dead = tx.execute(given_up).scalar_one()
    age = round((datetime.now(UTC) - oldest).total_seconds()) if oldest else None
    return {"waiting": count, "oldest_seconds": age, "given_up": dead}


def _report_gateway() -> dict[str, Any]:
    bind = os.environ.get("GATEWAY_BIND", "127.0.0.1:8080")
    said = dict.fromkeys(HEADERS) | {"process": "gateway", "address": bind, "schema": "-"}
    return {**said, "health": ask_gateway(bind)}


def ask_gateway(bind: str) -> str:
    """Return what the gateway says of itself: ready, which services fail, or no answer."""
    import http.client
    import ssl
    import urllib.error
    import urllib.request

    host, _, port = bind.rpartition(":")
    scheme = "https" if os.environ.get("GATEWAY_TLS_CERT") else "http"
    # Whatever name its certificate is for: this machine is asked.
    context = ssl._create_unverified_context()  # nosec B323
    try:
        url = f"{scheme}://{EVERY_ADDRESS.get(host, host)}:{port}/readyz"
        urllib.request.urlopen(url, timeout=TIMEOUT_SECONDS, context=context).close()  # nosec B310
    except urllib.error.HTTPError as error:
        with error:
            return _list_failing(error.read())
    except (OSError, ValueError, http.client.HTTPException):
        return "no answer"
    return READY


def _list_failing(body: bytes) -> str:
    """Return which services fail, from the answer of /readyz."""
    try:
        services = json.loads(body)["services"]
    except (ValueError, KeyError, TypeError):
        return "not ready"
    return "failing: " + ", ".join(name for name, state in services.items() if state != "ok")
