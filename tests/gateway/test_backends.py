"""The calls that the gateway retries while a service is unavailable."""

import subprocess
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from chassis.errors import Busy, Overloaded, Refusal
from tests.chassis.probe import Probe, probe
from tests.gateway.front import GET, POST, front
from tests.serving import build_basic

ROOT = Path(__file__).parents[2]
CALLER = {"Authorization": build_basic("somebody")}
KEY = {"Idempotency-Key": "k"}


@pytest.fixture(scope="module")
def stand_in(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Probe]:
    """A subscriptions service that does what a test wants."""
    with probe(tmp_path_factory.mktemp("probe")) as running:
        yield running


@pytest.fixture
def client(stand_in: Probe) -> Iterator[FlaskClient]:
    """A client of a gateway in front of it, with new channels."""
    with front(subscriptions=stand_in.address) as made:
        yield made


# As a server that is going away refuses: a service of ours that is full says OVERLOADED.
SERVICE_AWAY = Overloaded("Not now.", reason="AWAY")


def refuse_calls(stand_in: Probe, times: int, refusal: Refusal) -> list[int]:
    """Make the service refuse the next calls; return a list that grows by one with each."""
    calls: list[int] = []

    def act() -> None:
        calls.append(1)
        if len(calls) <= times:
            raise refusal

    stand_in.servicer.act = act
    return calls


def test_a_read_is_repeated(stand_in: Probe, client: FlaskClient) -> None:
    calls = refuse_calls(stand_in, 2, SERVICE_AWAY)
    assert client.get(GET["subscriptions"], headers=CALLER).status_code == 200
    assert len(calls) == 3


def test_a_write_with_a_key_is_repeated(stand_in: Probe, client: FlaskClient) -> None:
    calls = refuse_calls(stand_in, 1, SERVICE_AWAY)
    assert client.post(POST["subscriptions"], headers={**CALLER, **KEY}).status_code == 201
    assert len(calls) == 2


def test_a_write_without_a_key_is_never_repeated(stand_in: Probe, client: FlaskClient) -> None:
    calls = refuse_calls(stand_in, 1, Overloaded("Not now."))
    refused = client.post(POST["subscriptions"], headers=CALLER)
    assert (refused.status_code, refused.headers["Retry-After"]) == (503, "1")
    assert refused.get_json() == {"errors": [{"code": "overloaded", "title": "Not now."}]}
    assert len(calls) == 1


def test_repeating_ends(stand_in: Probe, client: FlaskClient) -> None:
    calls = refuse_calls(stand_in, 99, SERVICE_AWAY)
    assert client.get(GET["subscriptions"], headers=CALLER).status_code == 503
    assert len(calls) == 4


def test_other_refusals_are_not_repeated(stand_in: Probe, client: FlaskClient) -> None:
    calls = refuse_calls(stand_in, 1, Busy("Somebody is at it."))
    refused = client.get(GET["subscriptions"], headers=CALLER)
    assert (refused.status_code, refused.headers["Retry-After"]) == (409, "1")
    assert len(calls) == 1


def test_a_service_that_is_full_is_not_asked_again(stand_in: Probe, client: FlaskClient) -> None:
    calls = refuse_calls(stand_in, 1, Overloaded("Not now."))
    assert client.get(GET["subscriptions"], headers=CALLER).status_code == 503
    assert len(calls) == 1


def test_no_channel_is_opened_before_its_first_use(stand_in: Probe) -> None:
    with front(subscriptions=stand_in.address) as client:
        channels = client.application.extensions["backends"].channels
        stand_in.servicer.act = lambda: None
        assert channels["subscriptions"].states() == {}
        client.get(GET["subscriptions"], headers=CALLER)
        assert channels["subscriptions"].states() == {stand_in.address: "ready"}
        assert channels["orders"].states() == {}


def test_more_than_the_bulkhead_takes_are_refused_at_once(stand_in: Probe) -> None:
    go, arrived = threading.Event(), threading.Semaphore(0)

    def act() -> None:
        arrived.release()
        go.wait(60)

    stand_in.servicer.act = act
    settings = {"MAX_WAITING": 2, "RPC_TIMEOUT": 60.0}
    with front(subscriptions=stand_in.address, **settings) as client, ThreadPoolExecutor(2) as pool:
        app = client.application

        def get() -> TestResponse:
            return app.test_client().get(GET["subscriptions"], headers=CALLER)

        waiting = [pool.submit(get) for _ in range(2)]
        try:
            assert arrived.acquire(timeout=60)
            assert arrived.acquire(timeout=60)
            refused = get()
            assert (refused.status_code, refused.headers["Retry-After"]) == (503, "1")
            assert app.test_client().get("/livez").status_code == 200
        finally:
            go.set()
            stand_in.servicer.act = lambda: None
        assert [each.result().status_code for each in waiting] == [200, 200]


def test_the_gateway_loads_no_grpc() -> None:
    """One call of grpc's client that waits would stop the worker's loop."""
    script = (
        "import sys, gateway; gateway.create_app();"
        "print(sorted(name for name in sys.modules if name.split('.')[0] == 'grpc'))"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True, cwd=ROOT
    )
    assert done.stdout == "[]\n"
