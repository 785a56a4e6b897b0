"""The metrics of one process of a service: of its calls, its store and its events."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from time import monotonic
from typing import Any

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Histogram,
    ProcessCollector,
    disable_created_metrics,
)

from chassis.audit.recorder import Recorder
from chassis.background import BackgroundLoop
from chassis.context import utc_now
from chassis.events.backlog import Backlog, measure_backlog
from chassis.events.dispatcher import OUTCOMES, Dispatcher
from chassis.events.outbox import Outbox
from chassis.metrics.listener import Pages
from chassis.metrics.queues import Queue, measure_queues
from chassis.metrics.readings import (
    CALL_BUCKETS,
    LOST_LINES,
    Reading,
    Readings,
    Values,
    build_certificate_reading,
    build_disk_reading,
    build_pages,
    read_one,
)
from chassis.server.server import THREADS, RunningServer
from chassis.store.database import MAX_CONNECTIONS, Database
from chassis.telemetry import count_lost_lines

WAIT_BUCKETS = (0.0001, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0)
WRITER_BUCKETS = (1, 2, 4, 8, 16, 32)
SURVEY_SECONDS = 15.0
SURVEY_SHARE = 0.05  # of the time at most, however long a survey takes


class ServiceMetrics:
    """What one process counts; `observe_...` are what the other rooms call."""

    def __init__(
        self, database: Database, outbox: Outbox, data_dir: Path, *, is_server: bool
    ) -> None:
        """A server is ready when its server says so; another process when it reads the store."""
        disable_created_metrics()  # type: ignore[no-untyped-call]
        self.database = database
        self.outbox = outbox
        self.is_server = is_server
        self.server: RunningServer | None = None
        self.is_stopping = False
        self.registry = registry = CollectorRegistry()
        ProcessCollector(registry=registry)
        self._count_calls()
        self._count_writes()
        self._count_deliveries()
        self._count_lookups()
        registry.register(Readings(*self._list_readings(), build_disk_reading(data_dir)))
        self._backlog: Mapping[str, Backlog] = {}
        self._queues: Mapping[str, Queue] = {}
        self._surveyed = False  # whether the last survey could read the store
        self._loop = BackgroundLoop("survey", self._survey, SURVEY_SECONDS)

    # What is counted as it happens: the children of known labels are kept, since looking one up
    # by its labels costs more than counting.

    def _count_calls(self) -> None:
        calls = Counter(
            "optigate_rpc_calls", "Calls that ended.", ["rpc", "code"], registry=self.registry
        )
        seconds = Histogram(
            "optigate_rpc_seconds",
            "Time of calls in the service, without the wait for a thread.",
            ["rpc"],
            buckets=CALL_BUCKETS,
            registry=self.registry,
        )
        kept: dict[tuple[str, str], tuple[Counter, Histogram]] = {}

        def observe(rpc: str, code: str, took: float) -> None:
            if (children := kept.get((rpc, code))) is None:
                children = kept[rpc, code] = calls.labels(rpc, code), seconds.labels(rpc)
            children[0].inc()
            children[1].observe(took)

        self.observe_call = observe

    def _count_writes(self) -> None:
        if not self.database.is_sqlite:
            return
        waits = Histogram(
            "optigate_store_write_wait_seconds",
            "How long writers of SQLite waited for their turn.",
            buckets=WAIT_BUCKETS,
            registry=self.registry,
        )
        writers = Histogram(
            "optigate_store_commit_writers",
            "Writers that shared one commit of SQLite.",
            buckets=WRITER_BUCKETS,
            registry=self.registry,
        )
        self.database.observe_writes(waits.observe, writers.observe)

    def _count_deliveries(self) -> None:
        deliveries = Counter(
            "optigate_event_deliveries",
            "Attempts to deliver an event, by outcome.",
            ["outcome"],
            registry=self.registry,
        )
        seconds = Histogram(
            "optigate_event_delivery_seconds",
            "Time of attempts to deliver an event.",
            buckets=CALL_BUCKETS,
            registry=self.registry,
        )

        kept = {outcome: deliveries.labels(outcome) for outcome in OUTCOMES}

        def observe(outcome: str, took: float) -> None:
            kept[outcome].inc()
            seconds.observe(took)

        self.observe_delivery = observe

    def _count_lookups(self) -> None:
        lookups = Counter(
            "optigate_reference_lookups",
            "Lookups of reference data and accounts in the cache of this process.",
            ["result"],
            registry=self.registry,
        )
        hit, miss = lookups.labels("hit"), lookups.labels("miss")

        def observe(is_hit: bool) -> None:
            (hit if is_hit else miss).inc()

        self.observe_lookup = observe

    # What is read at a scrape, or surveyed now and then.

    def _list_readings(self) -> Iterator[Reading]:
        yield Reading(
            "optigate_ready",
            "1 while this process takes calls, or can deliver events.",
            read_one(lambda: not self.find_trouble()),
        )
        yield Reading(
            "optigate_log_lines_lost", LOST_LINES, read_one(count_lost_lines), is_counter=True
        )
        yield build_certificate_reading()
        yield Reading(
            "optigate_store_connections",
            "Connections of the pool, by what they do; max is what it may have.",
            self._read_pool,
            ("state",),
        )
        yield Reading(
            "optigate_store_writers_waiting",
            "Writers of SQLite that wait for their turn.",
            read_one(lambda: self.database.waiting_writers),
        )
        yield Reading(
            "optigate_events_pending",
            "Events of the store that are not delivered yet, by class of their owners.",
            lambda: [((name,), found.events) for name, found in self._backlog.items()],
            ("owners",),
        )
        yield Reading(
            "optigate_events_oldest_seconds",
            "Age of the oldest event that is not delivered yet, by class of its owner.",
            self._read_ages,
            ("owners",),
        )
        yield Reading(
            "optigate_work_pending",
            "Messages to people and calls to payment providers that are not done yet, by table.",
            lambda: [((name,), found.waiting) for name, found in self._queues.items()],
            ("queue",),
        )
        yield Reading(
            "optigate_work_oldest_seconds",
            "Age of the oldest message or call to a payment provider that is not done yet.",
            self._read_queue_ages,
            ("queue",),
        )

    def _read_pool(self) -> Values:
        pool: Any = self.database.engine.pool  # a QueuePool on both engines
        at_hand = len(self.database.at_hand)
        used, idle = pool.checkedout() - at_hand, pool.checkedin() + at_hand
        return [(("used",), max(0, used)), (("idle",), idle), (("max",), MAX_CONNECTIONS)]

    def _read_ages(self) -> Values:
        now = utc_now()
        return [((name,), _find_age(found.oldest, now)) for name, found in self._backlog.items()]

    def _read_queue_ages(self) -> Values:
        now = utc_now()
        return [((name,), _find_age(found.oldest, now)) for name, found in self._queues.items()]

    def _survey(self) -> None:
        began = monotonic()
        self._surveyed = False
        with self.database.read() as tx:
            self._backlog = measure_backlog(tx, self.outbox)
            self._queues = measure_queues(tx, self.outbox.table.metadata)
        self._surveyed = True
        self._loop.seconds = max(SURVEY_SECONDS, (monotonic() - began) / SURVEY_SHARE)

    # What it belongs to.

    def build_pages(self) -> Pages:
        """Return the pages of this process."""
        return build_pages(self.registry, self.find_trouble)

    def find_trouble(self) -> str:
        """Return why this process is not ready, or ""."""
        if self.server is not None:
            return self.server.find_trouble()
        if self.is_stopping:
            return "draining"
        return "" if self._surveyed and not self.is_server else "not ready"

    def watch_server(self, server: RunningServer) -> None:
        """Add the metrics of a server that runs, which says from now on whether this is ready."""
        self.server, calls = server, server.interceptor
        recorders = [each for each in server.loops if isinstance(each, Recorder)]
        self.registry.register(
            Readings(
                Reading(
                    "optigate_rpc_calls_in_flight",
                    "Calls at work or waiting for a thread.",
                    read_one(lambda: calls.admitted),
                ),
                Reading(
                    "optigate_rpc_calls_waiting",
                    "Calls that wait for a thread.",
                    read_one(lambda: max(0, calls.admitted - THREADS)),
                ),
                Reading(
                    "optigate_rpc_calls_refused",
                    "Calls refused because too many were at work or waited.",
                    read_one(lambda: calls.refused),
                    is_counter=True,
                ),
                Reading(
                    "optigate_audit_entries_dropped",
                    "Entries of reads and refusals that the audit trail lost.",
                    read_one(lambda: sum(each.dropped for each in recorders)),
                    is_counter=True,
                ),
            )
        )

    def watch_dispatcher(self, dispatcher: Dispatcher) -> None:
        """Add the metrics of a dispatcher, and count its deliveries."""
        dispatcher.observe = self.observe_delivery
        self.registry.register(
            Readings(
                Reading(
                    "optigate_event_deliveries_in_flight",
                    "Deliveries that run.",
                    read_one(dispatcher.count_running),
                )
            )
        )

    @contextmanager
    def survey(self) -> Iterator[None]:
        """Look at the backlog in the background, until the end of the block."""
        with self._loop:
            yield


def _find_age(oldest: datetime | None, now: datetime) -> float:
    return max(0.0, (now - oldest).total_seconds()) if oldest else 0.0
