"""What a worker counts: refusals, calls in flight, circuits, lost lines."""

import socket
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

from flask import Flask

from chassis.telemetry import count_lost_lines
from gateway import create_app
from gateway.metrics.instruments import Instruments
from gateway.rates.policies import Policy
from tests.chassis.events.outboxes import wait_until
from tests.gateway.front import DEAD
from tests.serving import SERVICES, build_basic


@contextmanager
def counting(**settings: Any) -> Iterator[tuple[Flask, Instruments]]:
    """A gateway with metrics before dead services, or those of the settings."""
    addresses = {f"{name.upper()}_ADDR": DEAD for name in SERVICES}
    app = create_app({**addresses, "METRICS": True, **settings})
    try:
        yield app, app.extensions["instruments"]
    finally:
        app.extensions["metrics"].stop()
        app.extensions["backends"].close()


def read(instruments: Instruments, name: str, **labels: str) -> float | None:
    return instruments.registry.get_sample_value(name, labels)


def test_requests_beyond_a_limit() -> None:
    policies = {"anonymous": Policy("anonymous", 2, 60)}
    with counting(LIMITS=policies) as (app, instruments):
        client = app.test_client()
        codes = [client.get("/v1/orders").status_code for _ in range(5)]
        assert codes.count(429) == 3
        assert read(instruments, "optigate_rate_limit_refusals_total", policy="anonymous") == 3


def test_no_metrics_nothing_counted() -> None:
    app = create_app({f"{name.upper()}_ADDR": DEAD for name in SERVICES})
    assert "metrics" not in app.extensions
    assert app.extensions["backends"].channels["orders"].observe_refusal is None
    app.extensions["backends"].close()


def test_calls_in_flight_and_beyond_the_bulkhead() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:  # accepts, and says nothing
        address = f"127.0.0.1:{silent.getsockname()[1]}"
        with counting(ORDERS_ADDR=address, MAX_WAITING=2) as (app, instruments):
            begin = threading.Barrier(5)

            def ask(_: int) -> int:
                begin.wait()
                headers = {"Authorization": build_basic("a")}
                return app.test_client().get("/v1/orders/1", headers=headers).status_code

            with ThreadPoolExecutor(5) as pool:
                codes = pool.map(ask, range(5))
                channel = app.extensions["backends"].channels["orders"]
                wait_until(lambda: channel.count_waiting() == 2)
                instruments.publish()
                in_flight = read(instruments, "optigate_gateway_calls_in_flight", service="orders")
                assert in_flight == 2
                assert set(codes) <= {503, 504}
            instruments.publish()
            assert read(instruments, "optigate_gateway_calls_in_flight", service="orders") == 0
            assert read(instruments, "optigate_gateway_calls_refused_total", service="orders") == 3


def test_the_state_of_each_circuit() -> None:
    with counting() as (app, instruments):
        app.test_client().get("/v1/orders/1", headers={"Authorization": build_basic("a")})
        (address,) = app.extensions["backends"].channels["orders"]._addresses
        instruments.publish()
        values = {"service": "orders", "state": "failing"}
        assert read(instruments, "optigate_gateway_addresses", **values) == 1
        address.is_open = True
        instruments.publish()
        assert read(instruments, "optigate_gateway_addresses", **values) == 0
        values["state"] = "hung"
        assert read(instruments, "optigate_gateway_addresses", **values) == 1
        address.is_open = False


def test_methods_that_callers_invent_are_one_label() -> None:
    with counting() as (app, instruments):
        for number in range(50):
            app.test_client().open("/nothing", method=f"X{number}")
        labels = {"route": "none", "method": "other", "status": "404"}
        assert read(instruments, "optigate_http_requests_total", **labels) == 50
        assert not [key for key in instruments._kept if key[1].startswith("X")]


def test_lost_lines_are_counted_once() -> None:
    with counting() as (_, instruments):
        for _ in range(3):
            instruments.publish()
        lost = read(instruments, "optigate_log_lines_lost_total")
        assert lost == count_lost_lines()
