"""What a service counts, on both engines."""

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path
from typing import Any

import grpc
import pytest

from chassis.context import Call
from chassis.events.backlog import Backlog, measure_backlog
from chassis.metrics.service import ServiceMetrics
from chassis.server.server import THREADS
from chassis.store.database import Database
from protos.orders_pb2 import WhoAmIRequest
from tests.chassis.events.outboxes import START, Box, wait_until
from tests.chassis.events.receiver import Receiver, answer_status
from tests.serving import Clock, Served, get_definition

RPC = "/optigate.orders.v1.OrderService/"


@pytest.fixture
def metrics(stored: Database, tmp_path: Path) -> ServiceMetrics:
    """Metrics of the store of this module."""
    return ServiceMetrics(stored, get_definition("orders").outbox, tmp_path, is_server=False)


def read(metrics: ServiceMetrics, name: str, **labels: str) -> float | None:
    """A value as a scrape would show it."""
    return metrics.registry.get_sample_value(name, labels)


@pytest.fixture
def served(
    store_url: Callable[[str, str], str], engine: str, tmp_path: Path
) -> Iterator[tuple[Served, ServiceMetrics]]:
    """The orders service with metrics."""
    database, service = Database(store_url("orders", engine)), get_definition("orders")
    measured = ServiceMetrics(database, service.outbox, tmp_path, is_server=True)
    running = service.start(
        database,
        "127.0.0.1:0",
        "http://127.0.0.1:8080",
        observe_call=measured.observe_call,
        observe_lookup=measured.observe_lookup,
    )
    assert measured.find_trouble() == "not ready"  # the server has not been told of yet
    measured.watch_server(running)
    channel = grpc.insecure_channel(f"127.0.0.1:{running.port}")
    yield Served("orders", running, database, Clock(), channel), measured
    channel.close()
    running.stop(0)
    assert measured.find_trouble() == "draining"


def test_calls_by_rpc_and_code(served: tuple[Served, ServiceMetrics]) -> None:
    orders, metrics = served
    assert metrics.find_trouble() == ""
    for _ in range(3):
        orders.call("WhoAmI", WhoAmIRequest())
    orders.refusal("WhoAmI", WhoAmIRequest(), who="", authorization="Basic eDp5")
    rpc = f"{RPC}WhoAmI"
    assert read(metrics, "optigate_rpc_calls_total", rpc=rpc, code="OK") == 3
    assert read(metrics, "optigate_rpc_calls_total", rpc=rpc, code="UNAUTHENTICATED") == 1
    assert read(metrics, "optigate_rpc_seconds_count", rpc=rpc) == 4
    assert read(metrics, "optigate_rpc_seconds_bucket", rpc=rpc, le="+Inf") == 4
    # It counts until the answer is on its way, which the caller may have by then.
    wait_until(lambda: read(metrics, "optigate_rpc_calls_in_flight") == 0)
    hits, misses = (
        read(metrics, "optigate_reference_lookups_total", result=result)
        for result in ("hit", "miss")
    )
    assert hits
    assert misses
    orders.call("WhoAmI", WhoAmIRequest())
    assert (read(metrics, "optigate_reference_lookups_total", result="hit") or 0) > hits
    assert read(metrics, "optigate_reference_lookups_total", result="miss") == misses


def test_calls_in_flight_waiting_and_refused(served: tuple[Served, ServiceMetrics]) -> None:
    orders, metrics = served
    interceptor = orders.running.interceptor
    interceptor.max_calls, held = THREADS + 2, threading.Event()

    def hold(_call: Call) -> None:
        held.wait(60)

    interceptor.authenticate = hold
    call: Any = orders.channel.unary_unary(f"{RPC}WhoAmI", WhoAmIRequest.SerializeToString)
    calls = [call.future(WhoAmIRequest(), timeout=60) for _ in range(THREADS + 5)]
    wait_until(lambda: sum(each.done() for each in calls) == 3)
    assert read(metrics, "optigate_rpc_calls_in_flight") == THREADS + 2
    assert read(metrics, "optigate_rpc_calls_waiting") == 2
    assert read(metrics, "optigate_rpc_calls_refused_total") == 3
    held.set()
    wait_until(lambda: all(each.done() for each in calls))
    wait_until(lambda: read(metrics, "optigate_rpc_calls_in_flight") == 0)


def test_writers_and_commits(
    stored: Database, metrics: ServiceMetrics, engine: str, box: Box
) -> None:
    box.put("writers")
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda n: box.add("writers", f"s{n}"), range(40)))
    waits = read(metrics, "optigate_store_write_wait_seconds_count")
    writers = read(metrics, "optigate_store_commit_writers_sum")
    if engine == "postgresql":
        assert (waits, writers) == (None, None)
    else:
        assert waits == writers == 41
    assert read(metrics, "optigate_store_writers_waiting") == 0
    assert read(metrics, "optigate_store_connections", state="max") == 16
    assert read(metrics, "optigate_store_connections", state="used") in (0, 1)


def test_the_backlog_by_class_of_owner(stored: Database, box: Box, partner: Receiver) -> None:
    def measure() -> dict[str, Backlog]:
        with stored.read() as tx:
            return dict(measure_backlog(tx, box.outbox))

    nothing = Backlog(0, None)
    assert measure() == {"healthy": nothing, "failing": nothing}
    for owner in ("good", "bad"):
        box.put(owner, url=f"{partner.url}/{owner}")
    partner.at["/events/bad"] = answer_status(500)
    box.add("bad")
    box.deliver()
    box.add("bad", "s2")
    box.move_on(minutes=1)
    box.add("good")
    box.add("good", "s2")
    later = START + timedelta(minutes=1)
    assert measure() == {"healthy": Backlog(2, later), "failing": Backlog(2, START)}
    partner.at["/events/bad"] = answer_status(200)
    box.move_on(hours=1)
    box.deliver()
    assert measure() == {"healthy": nothing, "failing": nothing}


def test_a_survey_shows_the_backlog_and_says_whether_the_store_can_be_read(
    stored: Database, box: Box, metrics: ServiceMetrics
) -> None:
    assert metrics.find_trouble() == "not ready"
    assert read(metrics, "optigate_events_pending", owners="healthy") is None
    box.put("survey")
    box.add("survey")
    metrics._survey()
    assert metrics.find_trouble() == ""
    assert read(metrics, "optigate_events_pending", owners="healthy") == 1
    assert read(metrics, "optigate_events_pending", owners="failing") == 0
    assert (read(metrics, "optigate_events_oldest_seconds", owners="healthy") or 0) > 3600
    assert read(metrics, "optigate_events_oldest_seconds", owners="failing") == 0


def test_deliveries_by_outcome(box: Box, partner: Receiver, metrics: ServiceMetrics) -> None:
    box.put("partner", url=partner.url)
    dispatcher = box.dispatcher()
    metrics.watch_dispatcher(dispatcher)
    for status in (200, 500, 501, 410):
        partner.at["/events"] = answer_status(status)
        box.add("partner", f"s{status}")
        dispatcher.dispatch_due()
        dispatcher.wait_until_idle()
    counts = {
        outcome: read(metrics, "optigate_event_deliveries_total", outcome=outcome)
        for outcome in ("delivered", "retry", "declined", "cancelled", "dead")
    }
    assert counts == {"delivered": 1, "retry": 1, "declined": 1, "cancelled": 1, "dead": 0}
    assert read(metrics, "optigate_event_delivery_seconds_count") == 4
    assert read(metrics, "optigate_event_deliveries_in_flight") == 0
