"""Clients for the tests of the channel, and the gunicorn that one of them lives in."""

import http.client
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from tests.gateway.channel.callers import Caller, InGunicorn, OnThreads, Referee
from tests.gateway.channel.peers import PATIENCE_SECONDS

Connect = Callable[..., Caller]


@pytest.fixture(scope="session")
def worker() -> Iterator[int]:
    """The port of a gunicorn with one worker of the gateway's kind."""
    root = Path(__file__).parents[3]
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port: int = listener.getsockname()[1]
        command = [sys.executable, "-m", "gunicorn", "--config", "python:gateway.gunicorn_conf"]
        command += ["--workers", "1", "--bind", f"fd://{listener.fileno()}"]
        command += ["--log-level", "warning", "tests.gateway.channel.worker:app"]
        process = subprocess.Popen(command, cwd=root, pass_fds=[listener.fileno()])
    try:
        _await_answer(port)
        yield port
    finally:
        process.terminate()
        try:
            process.wait(PATIENCE_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _await_answer(port: int) -> None:
    asked = '{"id": "0", "do": "states", "target": "127.0.0.1:1", "options": {}}'
    until = time.monotonic() + 3 * PATIENCE_SECONDS
    while time.monotonic() < until:
        with suppress(OSError, http.client.HTTPException):
            connection = http.client.HTTPConnection("127.0.0.1", port, timeout=PATIENCE_SECONDS)
            try:
                connection.request("POST", "/", asked)
                assert connection.getresponse().status == 200
                return
            finally:
                connection.close()
        time.sleep(0.1)
    raise AssertionError("gunicorn did not start")


def _connector(kind: str, request: pytest.FixtureRequest) -> tuple[Connect, list[Caller]]:
    clients: dict[str, Any] = {"grpc": Referee, "threads": OnThreads}
    if kind == "gunicorn":
        clients[kind] = partial(InGunicorn, request.getfixturevalue("worker"))
    made: list[Caller] = []

    def connect(target: str, **options: Any) -> Caller:
        made.append(clients[kind](target, **options))
        return made[-1]

    return connect, made


@pytest.fixture(params=["grpc", "threads", "gunicorn"])
def connect_any(request: pytest.FixtureRequest) -> Iterator[Connect]:
    """A client by each of the three."""
    connect, made = _connector(request.param, request)
    yield connect
    for each in made:
        each.close()


@pytest.fixture(params=["threads", "gunicorn"])
def connect(request: pytest.FixtureRequest) -> Iterator[Connect]:
    """A client by the channel, on threads and in a gunicorn."""
    connect, made = _connector(request.param, request)
    yield connect
    for each in made:
        each.close()
