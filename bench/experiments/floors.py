"""Floors: what the pieces cost when they do nothing, under the same servers.

`python -m bench.experiments.floors rpc ADDRESS ENGINE STORE` serves a null RPC, and two that read
and insert one order without a rule, an account or a log;
`python -m bench.experiments.floors insert URL SECONDS WAY` inserts and commits in a loop.
"""

import json
import os
import secrets
import sqlite3
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import nullcontext
from functools import cache, partial
from typing import Any

import grpc
import psycopg
from flask import Flask, Response
from google.protobuf.empty_pb2 import Empty
from sqlalchemy import make_url

from bench.experiments.service_code import OrderStore
from chassis.server.cores import keep_to_one_core
from chassis.server.server import GRPC_OPTIONS, MAX_CONCURRENT_RPCS, THREADS
from chassis.store.database import Database
from gateway.channel.channel import Channel

ANSWER = b'{"id":"ord_000000000000000000000000"}'
NULL_RPC, READ_RPC, INSERT_RPC = "/bench.Floor/Null", "/bench.Floor/Read", "/bench.Floor/Insert"
# Routes that call an RPC over the gateway's channel.
STACK_ROUTES = {"/stack/null": NULL_RPC, "/stack/read": READ_RPC, "/stack/insert": INSERT_RPC}
RPC_SECONDS = 10.0
DRIVER, CORE = "driver", "core"  # the ways to insert: the driver alone, or SQLAlchemy Core


def create_app() -> Flask:
    """Return an application with null routes: one answers, the others make a call first."""
    app = Flask(__name__, static_folder=None)

    @cache
    def open_call() -> Callable[..., bytes]:
        channel = grpc.insecure_channel(os.environ["BENCH_RPC"])
        return channel.unary_unary(NULL_RPC)

    @app.get("/null")
    def answer() -> Response:
        return Response(ANSWER, 200, content_type="application/json")

    @app.get("/hop")
    def hop() -> Response:
        answer = open_call()(b"", timeout=RPC_SECONDS)
        return Response(answer, 200, content_type="application/json")

    @cache
    def open_channel() -> Channel:
        return Channel(os.environ["BENCH_RPC"])

    def call(method: str) -> Response:
        open_channel().unary(method, b"", Empty, timeout=RPC_SECONDS)
        return Response(ANSWER, 200, content_type="application/json")

    for path, method in STACK_ROUTES.items():
        app.add_url_rule(path, path, partial(call, method))
    return app


def serve(address: str, engine: str, url: str) -> None:
    """Serve the RPCs as a service's server does, without accounts."""
    store = OrderStore(Database(url))
    store.insert()
    works: dict[str, Callable[[], object]] = {
        NULL_RPC: lambda: None,
        READ_RPC: store.read,
        INSERT_RPC: store.insert,
    }
    server = grpc.server(
        ThreadPoolExecutor(THREADS),
        options=GRPC_OPTIONS,
        maximum_concurrent_rpcs=MAX_CONCURRENT_RPCS,
    )
    handlers: dict[str, Any] = {
        name.rpartition("/")[2]: grpc.unary_unary_rpc_method_handler(partial(_answer, work))
        for name, work in works.items()
    }
    service = NULL_RPC[1:].partition("/")[0]
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(service, handlers),))
    server.add_insecure_port(address)
    server.start()
    with keep_to_one_core() or nullcontext():
        server.wait_for_termination()


def _answer(work: Callable[[], object], _request: bytes, _context: grpc.ServicerContext) -> bytes:
    work()
    return b""


def insert(url: str, seconds: float, way: str) -> dict[str, float]:
    """Insert orders one by one, each durable before the next; return how many, at what cost."""
    database = Database(url)
    store = OrderStore(database)
    store.insert()  # a warm-up, and the pattern of the driver's rows
    work = store.insert if way == CORE else _insert_by_driver(url)
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


def _insert_by_driver(url: str) -> Callable[[], None]:
    """Return a function that repeats a row of `orders` under a new id, by the driver alone."""
    parsed = make_url(url)
    connection: Any
    if parsed.get_backend_name() == "sqlite":
        connection = sqlite3.connect(parsed.database or "", isolation_level=None)
        for pragma in ("journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON"):
            connection.execute(f"PRAGMA {pragma}")
        begin, mark = "BEGIN IMMEDIATE", "?"
    else:
        plain = parsed.set(drivername="postgresql").render_as_string(hide_password=False)
        connection, begin, mark = psycopg.connect(plain), "", "%s"
    found = connection.execute("SELECT * FROM orders LIMIT 1")
    names = [column[0] for column in found.description]
    row = [json.dumps(value) if isinstance(value, dict) else value for value in found.fetchone()]
    connection.commit()
    id_at = names.index("id")
    marks = ", ".join([mark] * len(names))
    statement = f"INSERT INTO orders ({', '.join(names)}) VALUES ({marks})"

    def work() -> None:
        row[id_at] = "ord_" + secrets.token_hex(12)
        if begin:
            connection.execute(begin)
        connection.execute(statement, row)
        connection.commit()

    return work


if __name__ == "__main__":
    if sys.argv[1] == "rpc":
        serve(*sys.argv[2:])
    else:
        print(json.dumps(insert(sys.argv[2], float(sys.argv[3]), sys.argv[4])))
