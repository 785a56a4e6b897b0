"""Floors: what the pieces cost when they do nothing, under the same servers.

`python -m bench.floors rpc ADDRESS ENGINE` serves a null RPC;
`python -m bench.floors insert URL SECONDS WAY` inserts and commits in a loop.
"""

import json
import os
import secrets
import sqlite3
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from functools import cache
from typing import Any

import grpc
import psycopg
from flask import Flask, Response
from sqlalchemy import make_url, select

from bench.bodies import ORDER
from chassis.context import Account
from chassis.server.server import GRPC_OPTIONS, MAX_CONCURRENT_RPCS, THREADS
from chassis.store.database import Database
from orders_svc.rules.warnings.review import Review
from orders_svc.store import orders, tables

ANSWER = b'{"id":"ord_000000000000000000000000"}'
NULL_RPC = "/bench.Floor/Null"
RAW, CORE = "raw", "core"  # the ways to insert: the driver alone, or SQLAlchemy Core
COLUMNS = [column.name for column in tables.orders.c]


def create_app() -> Flask:
    """A Flask application with two null routes: one answers, one calls the null RPC first."""
    app = Flask(__name__, static_folder=None)

    @cache
    def call() -> Callable[..., bytes]:
        channel = grpc.insecure_channel(os.environ["BENCH_RPC"])
        return channel.unary_unary(NULL_RPC)

    @app.get("/null")
    def null() -> Response:
        return Response(ANSWER, 200, content_type="application/json")

    @app.get("/hop")
    def hop() -> Response:
        return Response(call()(b"", timeout=10), 200, content_type="application/json")

    return app


def serve(address: str, engine: str) -> None:
    """A server as chassis.server.server.start builds it, without accounts and without a store."""
    server = grpc.server(
        ThreadPoolExecutor(THREADS[engine == "sqlite"]),
        options=GRPC_OPTIONS,
        maximum_concurrent_rpcs=MAX_CONCURRENT_RPCS,
    )
    handler: Any = grpc.unary_unary_rpc_method_handler(lambda _request, _context: ANSWER)
    service, method = NULL_RPC[1:].split("/")
    server.add_generic_rpc_handlers(
        (grpc.method_handlers_generic_handler(service, {method: handler}),)
    )
    server.add_insecure_port(address)
    server.start()
    server.wait_for_termination()


def insert(url: str, seconds: float, way: str) -> dict[str, float]:
    """Insert orders one by one, each durable before the next; gives how many and at what cost."""
    database = Database(url)
    with database.read() as tx:
        ids = tables.accounts.ids(tx)
        user = tx.execute(select(tables.users.c.id)).scalars().first()
    assert user is not None
    account = Account(ids["demo-client"], "demo-client", "client")

    def core() -> None:
        with database.write() as tx:
            orders.add_order(tx, account, user, ORDER, Review([], {}), datetime.now(UTC))

    work = core if way == CORE else _raw(url, account.id, user)
    work()
    start, cpu = time.perf_counter(), time.process_time()
    count = 0
    while time.perf_counter() - start < seconds:
        work()
        count += 1
    spent = time.process_time() - cpu
    taken = time.perf_counter() - start
    database.close()
    return {"count": count, "seconds": taken, "cpu": spent}


def _raw(url: str, account: int, user: int) -> Callable[[], None]:
    """The same row through the driver alone."""
    parsed = make_url(url)
    execute: Callable[[str, list[Any]], Any]
    commit: Callable[[], Any]
    if parsed.get_backend_name() == "sqlite":
        files = sqlite3.connect(parsed.database or "", isolation_level=None)
        for pragma in ("journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON"):
            files.execute(f"PRAGMA {pragma}")
        execute, commit, mark = files.execute, files.commit, "?"
    else:
        server = psycopg.connect(
            parsed.set(drivername="postgresql").render_as_string(hide_password=False)
        )
        execute, commit, mark = server.execute, server.commit, "%s"
    marks = ", ".join([mark] * len(COLUMNS))
    statement = f"INSERT INTO orders ({', '.join(COLUMNS)}) VALUES ({marks})"

    def work() -> None:
        now = datetime.now(UTC).isoformat(" ")
        row = {
            "id": "ord_" + secrets.token_hex(12),
            "account_id": account,
            "user_id": user,
            "lab_id": ORDER["lab"],
            "account_number": ORDER["account_number"],
            "lab_status": "submitted",
            "document": json.dumps(ORDER),
            "created_at": now,
            "updated_at": now,
        }
        if mark == "?":
            execute("BEGIN IMMEDIATE", [])
        execute(statement, [row.get(name) for name in COLUMNS])
        commit()

    return work


if __name__ == "__main__":
    if sys.argv[1] == "rpc":
        serve(*sys.argv[2:])
    else:
        print(json.dumps(insert(sys.argv[2], float(sys.argv[3]), sys.argv[4])))
