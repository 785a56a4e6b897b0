"""The comparison: all contenders up at once, loaded one after the other, round by round."""

import json
import subprocess
import sys
import tempfile
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

import click

from bench.experiments import contenders
from bench.experiments.contenders import ROOT, Contender, Stores, running, stores, subscription_of
from bench.experiments.floors import CORE, NULL_RPC, RAW
from bench.report.measure import Rows, Sample, machine, sample
from bench.report.processes import Meter, resident
from bench.scenarios import works
from bench.scenarios.bodies import http_request
from demo.__main__ import prepare

POST_ORDER = "POST /v1/orders"
GET_ORDER = "GET /v1/orders/:id"
GET_SUBSCRIPTION = "GET /api/public/v1/subscriptions/:id"
DIRECT = "CreateOrder by gRPC directly"
NULL_ROUTE, HOP, NULL_CALL = "null Flask route", "null Flask route + null RPC", "null RPC"
INSERT = {RAW: "insert + commit, driver alone", CORE: "insert + commit, SQLAlchemy Core"}
FLOORS = (NULL_ROUTE, HOP, NULL_CALL, *INSERT.values())
OPTIGATE = "optigate"
PRODUCTS = (OPTIGATE, "fastapi", "smorest")
SHARE = 0.6  # of the slowest contender's throughput: the rate of the open loop
QUIET = 0.1  # of the machine's CPU time may go elsewhere without a word
SHORT = 0.5  # of the seconds: for reads and floors, which vary less


@dataclass
class Plan:
    """How much of it."""

    engines: tuple[str, ...] = contenders.ENGINES
    rounds: int = 5
    seconds: float = 3.5
    connections: int = 32
    warmup: float = 0.4


@dataclass
class Outcome:
    """What a run has shown."""

    machine: str = ""
    rows: Rows = field(default_factory=Rows)
    memory: dict[str, dict[str, dict[str, int]]] = field(default_factory=dict)  # bytes
    notes: list[str] = field(default_factory=list)
    broken: list[str] = field(default_factory=list)


Job = tuple[str, str, float, Callable[[float], Sample]]  # work, contender, share of the seconds


def compare(plan: Plan) -> Outcome:
    """Run it all; whatever was started has ended when this returns."""
    outcome = Outcome()
    with tempfile.TemporaryDirectory(prefix="optigate-bench-") as name:
        folder = Path(name)
        outcome.machine = machine(folder)
        click.echo(outcome.machine)
        for engine in plan.engines:
            with ExitStack() as stack:
                Comparison(plan, outcome, stack.enter_context(stores(engine, folder)), stack).run()
    if (foreign := outcome.rows.foreign()) > QUIET:
        outcome.notes.append(
            f"not a quiet machine: {foreign:.0%} of its CPU time went to other processes"
        )
    return outcome


class Comparison:
    """The rounds on one engine."""

    def __init__(self, plan: Plan, outcome: Outcome, make_store: Stores, stack: ExitStack) -> None:
        self.plan, self.outcome, self.stores, self.stack = plan, outcome, make_store, stack
        self.engine = make_store.engine
        self.roots: dict[str, dict[str, int]] = {}
        self.works: dict[str, list[works.Asking]] = {}
        self.jobs: list[Job] = []
        self.fields: dict[str, set[str]] = {}  # by what is read, as Optigate, the first, answers

    def run(self) -> None:
        """Start everything, do the rounds, check the promises."""
        for make in (contenders.optigate, contenders.fastapi, contenders.smorest):
            self._enter(make)
        self._floors()
        for number in range(self.plan.rounds):
            click.echo(f"{self.engine}: round {number + 1} of {self.plan.rounds}", err=True)
            self._round(number, self.jobs)
        self._open_loop()
        self.outcome.memory[self.engine] = {
            name: resident(roots) for name, roots in self.roots.items() if name in self.works
        }
        for name, every in self.works.items():
            faults = [fault for work in every for fault in work.broken()]
            self.outcome.broken += [f"{self.engine}, {name}: {fault}" for fault in faults]
        for work in self.outcome.rows.works(self.engine):
            for row in self.outcome.rows.of(self.engine, work):
                if row.errors:
                    what = f"{self.engine}, {row.contender}, {work}: {dict(row.errors)}"
                    told = self.outcome.broken if row.contender == OPTIGATE else self.outcome.notes
                    told.append(what)

    def _start(self, contender: Contender) -> None:
        self.roots[contender.name] = self.stack.enter_context(
            running(contender, self.stores.folder)
        )

    def _enter(self, make: Callable[[Stores], Contender]) -> None:
        contender = make(self.stores)
        self._start(contender)
        name, address = contender.name, contender.http
        assert address is not None
        self.outcome.notes += [
            f"{self.engine}, {name} does less work: it accepts {fault}"
            for fault in works.accepted_faults(address)
        ]
        self._add(POST_ORDER, name, works.create_orders(address))
        reads = {
            GET_SUBSCRIPTION: works.read_subscription(address, subscription_of(contender)),
            GET_ORDER: works.read_order(address),
        }
        for title, work in reads.items():
            self._add(title, name, work, SHORT)
            if missing := sorted(self.fields.setdefault(title, work.fields) - work.fields):
                self.outcome.notes.append(
                    f"{self.engine}, {name} does less work: {title} has no {', '.join(missing)}"
                )
        if "orders" in contender.grpc:
            self._add(DIRECT, name, works.grpc_create_orders(contender.grpc["orders"]))

    def _floors(self) -> None:
        rpc = contenders.null_rpc(self.engine)
        self._start(rpc)
        flask = contenders.null_flask(rpc.grpc["null"])
        self._start(flask)
        assert flask.http is not None
        both = {**self.roots[flask.name], **self.roots[rpc.name]}
        self.roots[HOP] = both
        get = [http_request("GET", path) for path in ("/null", "/hop")]
        self._add(NULL_ROUTE, flask.name, works.Reading(flask.http, get[0], 200), SHORT)
        self._add(HOP, HOP, works.Reading(flask.http, get[1], 200), SHORT)
        call = works.ReadingByGrpc(rpc.grpc["null"], NULL_RPC, {}, b"")
        self._add(NULL_CALL, rpc.name, call, SHORT)
        store = self.stores("floor")
        prepare("orders", store)
        for way, title in INSERT.items():
            self.jobs.append((title, title, SHORT, self._inserting(store, way)))

    def _add(self, title: str, name: str, work: works.Asking, share: float = 1.0) -> None:
        if name in PRODUCTS:
            self.works.setdefault(name, []).append(work)
        self.jobs.append((title, name, share, self._loading(name, work)))

    def _loading(
        self, name: str, work: works.Asking, rate: float | None = None
    ) -> Callable[[float], Sample]:
        def measured(seconds: float) -> Sample:
            return sample(
                work,
                {**self.roots[name], **self.stores.processes},
                connections=self.plan.connections,
                seconds=seconds,
                rate=rate,
                warmup=self.plan.warmup,
            )

        return measured

    def _inserting(self, store: str, way: str) -> Callable[[float], Sample]:
        def measured(seconds: float) -> Sample:
            meter = Meter(self.stores.processes)
            meter.begin()
            told = subprocess.run(
                [
                    sys.executable,
                    "-m",
                    "bench.experiments.floors",
                    "insert",
                    store,
                    str(seconds),
                    way,
                ],
                cwd=ROOT,
                check=True,
                capture_output=True,
            ).stdout
            meter.end()
            told = json.loads(told)
            cpu = {"loop": told["cpu"], **meter.cpu}
            each = {name: spent / told["count"] * 1e6 for name, spent in cpu.items()}
            return Sample(told["count"] / told["seconds"], {}, {}, each, 0.0)

        return measured

    def _round(self, number: int, jobs: list[Job]) -> None:
        """Each work in turn, each contender at it; who goes first changes with the round."""
        for title in dict.fromkeys(job[0] for job in jobs):
            of = [job for job in jobs if job[0] == title]
            turn = number % len(of)
            for _, name, share, measured in of[turn:] + of[:turn]:
                taken = measured(self.plan.seconds * share)
                self.outcome.rows.add(self.engine, title, name, taken)

    def _open_loop(self) -> None:
        """Latency at a rate that all of them can serve."""
        rows = self.outcome.rows.of(self.engine, POST_ORDER)
        rate = SHARE * min(row.throughput for row in rows)
        title = f"{POST_ORDER}, open loop at {rate:.0f}/s"
        jobs: list[Job] = [
            (title, row.contender, 1.0, self._loading(row.contender, work, rate))
            for row in rows
            for work in self.works[row.contender][:1]
        ]
        for number in range(min(self.plan.rounds, 3)):
            self._round(number, jobs)
