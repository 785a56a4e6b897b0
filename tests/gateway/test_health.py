"""Liveness and readiness of the gateway, and its work without one of its services."""

import json
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from flask.testing import FlaskClient

from gateway import create_app
from tests.chassis.logs import capture_log
from tests.chassis.probe import Probe, probe
from tests.gateway.channel.peers import Link, peer, wait_for
from tests.gateway.front import CALLER, DEAD, GET, POST, TYPES, front, read_faults
from tests.serving import SERVICES, Served

SQLITE = pytest.mark.parametrize("engine", ["sqlite"], indirect=True)
TOO_LATE_TEXT = (
    "The service took too long. Whether a write was made is unknown: "
    "repeat it with the same Idempotency-Key."
)


@pytest.fixture(scope="module")
def slow(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Probe]:
    """A subscriptions service that does what a test wants."""
    with probe(tmp_path_factory.mktemp("slow")) as running:
        yield running


@SQLITE
def test_it_works(http: FlaskClient) -> None:
    ready = http.get("/readyz")
    assert (ready.status_code, ready.content_type) == (200, "application/json")
    assert ready.get_json() == {"status": "ok", "services": dict.fromkeys(SERVICES, "ok")}
    alive = http.get("/livez")
    assert (alive.status_code, alive.get_json()) == (200, {"status": "ok"})


@SQLITE
def test_one_live_service_is_served_and_the_others_are_named(orders: Served) -> None:
    with front(orders=orders.address) as client:
        ready = client.get("/readyz")
        assert (ready.status_code, ready.get_json()) == (
            503,
            {
                "status": "failing",
                "services": {
                    "sessions": "unreachable",
                    "orders": "ok",
                    "subscriptions": "unreachable",
                },
            },
        )
        assert client.get("/livez").status_code == 200
        assert client.get(GET["orders"], headers=CALLER["orders"]).status_code == 200
        for name in ("sessions", "subscriptions"):
            refused = client.post(POST[name], data=b"{}", headers=CALLER[name])
            assert (refused.status_code, refused.content_type) == (503, TYPES[name])


def test_a_service_that_drains_is_not_ready(start: Callable[[str, str], Served]) -> None:
    served = start("orders", "sqlite")
    with front(orders=served.address) as client:
        assert client.get("/readyz").get_json()["services"]["orders"] == "ok"
        served.running.health.enter_graceful_shutdown()
        assert client.get("/readyz").get_json()["services"]["orders"] == "not serving"


def test_a_service_that_comes_back_is_found(tmp_path: Path) -> None:
    (tmp_path / "second").mkdir()
    with probe(tmp_path) as first:
        address = first.address
        with front(subscriptions=address) as client:
            caller = {"Authorization": "Basic c29tZWJvZHk6c29tZWJvZHktc2VjcmV0"}
            assert client.get(GET["subscriptions"], headers=caller).status_code == 200
            first.running.stop(0)
            assert client.get(GET["subscriptions"], headers=caller).status_code == 503
            with probe(tmp_path / "second", address):
                pause = threading.Event()
                statuses: list[int] = []
                while len(statuses) < 30 and statuses[-1:] != [200]:
                    pause.wait(0.1)
                    statuses.append(client.get(GET["subscriptions"], headers=caller).status_code)
            assert statuses[-1] == 200


def test_who_is_ready_again_takes_calls(tmp_path: Path) -> None:
    (tmp_path / "second").mkdir()
    with probe(tmp_path) as first, front(subscriptions=first.address) as client:
        caller = {"Authorization": "Basic c29tZWJvZHk6c29tZWJvZHktc2VjcmV0"}
        assert client.get(GET["subscriptions"], headers=caller).status_code == 200
        first.running.stop(0)
        while client.get(GET["subscriptions"], headers=caller).status_code != 503:
            pass
        with probe(tmp_path / "second", first.address):
            pause = threading.Event()
            while client.get("/readyz").get_json()["services"]["subscriptions"] != "ok":
                pause.wait(0.01)
            assert client.get(GET["subscriptions"], headers=caller).status_code == 200


def test_readiness_does_not_wait_for_a_service_that_is_at_work(slow: Probe) -> None:
    go = threading.Event()
    slow.servicer.act = lambda: go.wait(5)
    caller = {"Authorization": "Basic c29tZWJvZHk6c29tZWJvZHktc2VjcmV0"}
    with front(subscriptions=slow.address) as client:
        threads = [
            threading.Thread(
                target=lambda: client.application.test_client().get(
                    GET["subscriptions"], headers=caller
                )
            )
            for _ in range(8)
        ]
        for thread in threads:
            thread.start()
        assert client.get("/readyz").get_json()["services"]["subscriptions"] == "ok"
        go.set()
        for thread in threads:
            thread.join()


def silent(link: Link) -> None:
    """A process that is frozen: it connected, and answers nothing."""
    link.greet()
    link.drain()


def test_a_service_is_ready_while_one_of_its_addresses_answers(slow: Probe) -> None:
    with peer(silent) as frozen:
        with front(subscriptions=f"{frozen.target},{slow.address},{DEAD}") as client:
            probes = client.application.extensions["backends"].probes["subscriptions"]
            client.get("/readyz")
            wait_for(lambda: list(probes.states().values()) == ["ready", "ready", "failing"])
            states = [client.get("/readyz").get_json()["services"] for _ in range(6)]
            assert [each["subscriptions"] for each in states] == ["ok"] * 6
        with front(subscriptions=f"{frozen.target},{DEAD}") as client:
            state = client.get("/readyz").get_json()["services"]["subscriptions"]
            assert state == "unreachable"


def test_of_addresses_that_drain_and_serve_one_is_enough(
    start: Callable[[str, str], Served], slow: Probe
) -> None:
    draining = start("subscriptions", "sqlite")
    draining.running.health.enter_graceful_shutdown()
    with front(subscriptions=f"{draining.address},{slow.address}") as client:
        probes = client.application.extensions["backends"].probes["subscriptions"]
        client.get("/readyz")
        wait_for(lambda: list(probes.states().values()) == ["ready", "ready"])
        states = [client.get("/readyz").get_json()["services"] for _ in range(4)]
    assert [each["subscriptions"] for each in states] == ["ok"] * 4


def test_an_address_where_calls_hang_makes_no_service_ready(slow: Probe) -> None:
    """Its health answers all the same, from a pool of its own."""
    go = threading.Event()
    slow.servicer.act = lambda: go.wait(5)
    with front(subscriptions=f"{slow.address},{DEAD}", RPC_TIMEOUT=0.1) as client:
        channel = client.application.extensions["backends"].channels["subscriptions"]
        while list(channel.states().values()) != ["hung", "failing"]:
            client.get(GET["subscriptions"])
        assert client.get("/readyz").get_json()["services"]["subscriptions"] == "unreachable"
    go.set()


def test_a_service_that_takes_too_long_is_a_504(slow: Probe) -> None:
    go = threading.Event()
    slow.servicer.act = lambda: go.wait(2)
    with front(subscriptions=slow.address, RPC_TIMEOUT=0.2) as client, capture_log() as lines:
        late = client.get(GET["subscriptions"], headers={"X-Request-Id": "late-1"})
        go.set()
    assert (late.status_code, late.content_type) == (504, "application/json")
    assert read_faults("subscriptions", late) == [(None, TOO_LATE_TEXT)]
    front_line = next(line for line in lines() if line["event"] == "request")
    assert (front_line["status"], front_line["reason"]) == (504, "DEADLINE_EXCEEDED")


def test_a_service_that_crashes_is_a_500_with_an_id(slow: Probe) -> None:
    def crash() -> None:
        raise KeyError("Ada Canary")

    slow.servicer.act = crash
    with front(subscriptions=slow.address) as client, capture_log() as lines:
        broken = client.get(GET["subscriptions"], headers={"X-Request-Id": "crash-1"})
    assert broken.status_code == 500
    assert read_faults("subscriptions", broken) == [
        (None, "Something went wrong; the request id is crash-1.")
    ]
    assert [line["request_id"] for line in lines()] == ["crash-1", "crash-1"]
    assert "Canary" not in json.dumps(lines()) + broken.text


def test_a_gateway_that_crashes_shows_an_id(monkeypatch: Any) -> None:
    def crash() -> None:
        raise KeyError("Ada Canary")

    with front() as client, capture_log() as lines:
        monkeypatch.setattr("gateway.backends.backends", crash)
        for name in SERVICES:
            broken = client.post(POST[name], data=b"{}", headers={"X-Request-Id": "crash-2"})
            assert (broken.status_code, broken.content_type) == (500, TYPES[name])
            said = "Something went wrong; the request id is crash-2."
            assert read_faults(name, broken) == [(None, said)]
            assert "Canary" not in broken.text
    crashes = [line for line in lines() if line["event"] == "crash"]
    assert {(line["error"], line["request_id"]) for line in crashes} == {("KeyError", "crash-2")}
    assert "Canary" not in json.dumps(lines())


@pytest.mark.parametrize("seconds", ["soon", "", "10s"])
def test_a_timeout_that_is_no_number_stops_the_start(monkeypatch: Any, seconds: str) -> None:
    monkeypatch.setenv("GATEWAY_RPC_TIMEOUT", seconds)
    with pytest.raises(SystemExit, match="GATEWAY_RPC_TIMEOUT must be a number of seconds"):
        create_app()


def test_addresses_come_from_the_environment(monkeypatch: Any) -> None:
    monkeypatch.setenv("GATEWAY_ORDERS_ADDR", "orders.example:1")
    monkeypatch.setenv("GRPC_PLAINTEXT", "allow")
    behind = create_app().extensions["backends"]
    assert behind.addresses == {
        "sessions": "127.0.0.1:50051",
        "orders": "orders.example:1",
        "subscriptions": "127.0.0.1:50053",
    }
