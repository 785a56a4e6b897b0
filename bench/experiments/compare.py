"""The comparison: all contenders up at once, loaded one after the other, round by round."""

import json
import sys
import tempfile
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import click

from bench.experiments import contenders
from bench.experiments.contenders import PRODUCTS, Stores, find_subscription, open_stores
from bench.experiments.floors import CORE, DRIVER, INSERT_RPC, NULL_RPC, STACK_ROUTES
from bench.experiments.launcher import Contender, run_command, run_contender, run_contenders
from bench.load.sockets import Address
from bench.report.measure import Sample, describe_machine, take_sample
from bench.report.outcome import (
    CORE_INSERT,
    DIRECT,
    DRIVER_INSERT,
    GET_ORDER,
    GET_SUBSCRIPTION,
    HOP,
    INSERT_CALL,
    NULL_CALL,
    NULL_ROUTE,
    OPTIGATE,
    POST_ORDER,
    STACK_HOP,
    STACK_INSERT,
    STACK_READ,
    Megabytes,
    Memory,
    Outcome,
)
from bench.report.processes import Meter, read_memory
from bench.scenarios import orders
from bench.scenarios.bodies import build_http_request
from bench.scenarios.scenario import HttpScenario, ReadOverGrpc, ReadOverHttp
from bench.scenarios.subscriptions import read_subscription

MAX_FOREIGN_SHARE = 0.1  # of the machine's CPU time may go elsewhere without a note
SHORT_SHARE = 0.5  # of the seconds: for reads and floors, which vary less
MAX_OPEN_ROUNDS = 3
MEGABYTE, MICROSECOND = 1e6, 1e6
SQLITE_ONLY = ("fastapi-1",)


@dataclass
class Plan:
    """How much is measured."""

    engines: tuple[str, ...] = contenders.ENGINES
    rounds: int = 5
    seconds: float = 3.5
    connections: int = 32
    rate: float = 200.0  # of the open loop
    warmup: float = 0.4
    contenders: tuple[str, ...] = tuple(PRODUCTS)
    starts_once: bool = False  # and does not start each once more alone, to measure its memory


@dataclass(frozen=True)
class Job:
    """One kind of request to one contender."""

    work: str
    contender: str
    share: float  # of the plan's seconds
    measure: Callable[[float], Sample]  # of seconds


def compare(plan: Plan) -> Outcome:
    """Run it all; whatever was started has ended when this returns."""
    outcome = Outcome(rate=plan.rate, starts_once=plan.starts_once)
    with tempfile.TemporaryDirectory(prefix="optigate-bench-") as name:
        folder = Path(name)
        outcome.machine = describe_machine(folder)
        click.echo(outcome.machine, err=True)
        for engine in plan.engines:
            with open_stores(engine, folder) as make_store, ExitStack() as stack:
                Comparison(plan, outcome, make_store, stack).run()
    if (foreign := outcome.rows.foreign()) > MAX_FOREIGN_SHARE:
        outcome.notes.append(
            f"not a quiet machine: {foreign:.0%} of its CPU time went to other processes"
        )
    return outcome


def _read_megabytes(roots: dict[str, int]) -> Megabytes:
    return {process: size / MEGABYTE for process, size in read_memory(roots).items()}


class Comparison:
    """The rounds on one engine."""

    def __init__(self, plan: Plan, outcome: Outcome, make_store: Stores, stack: ExitStack) -> None:
        self.plan, self.outcome, self.make_store, self.stack = plan, outcome, make_store, stack
        self.engine = make_store.engine
        self.products = [
            name for name in plan.contenders if name not in SQLITE_ONLY or self.engine == "sqlite"
        ]
        self.roots: dict[str, dict[str, int]] = {}
        self.scenarios: dict[str, dict[str, HttpScenario]] = {}  # by contender and work
        self.jobs: list[Job] = []
        self.fields: dict[str, set[str]] = {}  # by work, of what Optigate, the first, answers

    def run(self) -> None:
        """Start everything, do the rounds, check the promises."""
        memory = self.outcome.memory[self.engine] = {}
        if not self.plan.starts_once:
            memory |= {name: self._measure_memory(name) for name in self.products}
        contenders = [PRODUCTS[name](self.make_store) for name in self.products]
        self._start(*contenders)
        for contender in contenders:
            self._enter(contender)
        at_rest = {name: _read_megabytes(self.roots[name]) for name in self.products}
        self._add_floors()
        for number in range(self.plan.rounds):
            self._tell(f"round {number + 1} of {self.plan.rounds}")
            self._do_round(number, self.jobs)
        open_loop = self._build_open_loop()
        for number in range(min(self.plan.rounds, MAX_OPEN_ROUNDS)):
            self._do_round(number, open_loop)
        if self.plan.starts_once:
            for name, before in at_rest.items():
                memory[name] = Memory(before, _read_megabytes(self.roots[name]))
        self._collect_faults()

    def _tell(self, what: str) -> None:
        click.echo(f"{self.engine}: {what}", err=True)

    def _measure_memory(self, name: str) -> Memory:
        """Run a product alone: what others map as well would count in part only."""
        self._tell(f"memory of {name}")
        contender = PRODUCTS[name](self.make_store)
        with run_contender(contender, self.make_store.folder) as roots:
            at_rest = _read_megabytes(roots)
            address = contender.http_address
            for scenario in (
                orders.create_orders(address),
                orders.read_order(address),
                read_subscription(address, find_subscription(contender)),
            ):
                self._take(scenario, roots, self.plan.seconds)
            return Memory(at_rest, _read_megabytes(roots))

    def _start(self, *contenders: Contender) -> None:
        started = self.stack.enter_context(run_contenders(contenders, self.make_store.folder))
        self.roots |= {each.name: of for each, of in zip(contenders, started, strict=True)}

    def _enter(self, contender: Contender) -> None:
        name, address = contender.name, contender.http_address
        less = [f"it accepts {fault}" for fault in orders.find_accepted_faults(address)]
        if orders.ignores_keys(address):
            less.append("it makes a second order of a repeated Idempotency-Key")
        subscription = find_subscription(contender)
        reads = {
            GET_SUBSCRIPTION: read_subscription(address, subscription),
            GET_ORDER: orders.read_order(address),
        }
        self._add(POST_ORDER, name, orders.create_orders(address))
        for work, scenario in reads.items():
            self._add(work, name, scenario, SHORT_SHARE)
            if missing := sorted(self.fields.setdefault(work, scenario.fields) - scenario.fields):
                less.append(f"{work} has no {', '.join(missing)}")
        if "orders" in contender.grpc:
            direct = orders.create_orders_over_grpc(contender.grpc["orders"])
            self._add(DIRECT, name, direct)
        self.outcome.notes += [f"{self.engine}, {name} does less work: {what}" for what in less]

    def _add(self, work: str, name: str, scenario: HttpScenario, share: float = 1.0) -> None:
        if name in self.products:
            self.scenarios.setdefault(name, {})[work] = scenario
        self.jobs.append(Job(work, name, share, self._load(name, scenario)))

    def _add_floors(self) -> None:
        store = self.make_store.service_store("orders")
        rpc = contenders.null_rpc(self.engine, store)
        rpc_address: Address = rpc.grpc["null"]
        route, hop = contenders.null_route(), contenders.null_hop(rpc_address)
        stack = contenders.bare_stack(rpc_address)
        self._start(rpc, route, hop, stack)
        for contender, path in ((route, "/null"), (hop, "/hop")):
            scenario = ReadOverHttp(contender.http_address, build_http_request("GET", path))
            self._add(NULL_ROUTE if path == "/null" else HOP, contender.name, scenario, SHORT_SHARE)
        self.roots[hop.name] |= self.roots[rpc.name]
        for work, method in ((NULL_CALL, NULL_RPC), (INSERT_CALL, INSERT_RPC)):
            self._add(work, rpc.name, ReadOverGrpc(rpc_address, method, {}, b""), SHORT_SHARE)
        self.roots[stack.name] |= self.roots[rpc.name]
        for work, path in zip((STACK_HOP, STACK_READ, STACK_INSERT), STACK_ROUTES, strict=True):
            scenario = ReadOverHttp(stack.http_address, build_http_request("GET", path))
            self._add(work, stack.name, scenario, SHORT_SHARE)
        for way, work in ((DRIVER, DRIVER_INSERT), (CORE, CORE_INSERT)):
            self.jobs.append(Job(work, work, SHORT_SHARE, self._insert(store, way)))

    def _load(
        self, name: str, scenario: HttpScenario, rate: float | None = None
    ) -> Callable[[float], Sample]:
        """Return what loads a contender for some seconds."""
        return lambda seconds: self._take(
            scenario, {**self.roots[name], **self.make_store.processes}, seconds, rate
        )

    def _take(
        self,
        scenario: HttpScenario,
        roots: dict[str, int],
        seconds: float,
        rate: float | None = None,
    ) -> Sample:
        return take_sample(
            scenario,
            roots,
            connections=self.plan.connections,
            seconds=seconds,
            rate=rate,
            warmup=self.plan.warmup,
        )

    def _insert(self, store: str, way: str) -> Callable[[float], Sample]:
        """Return what inserts orders for some seconds, in a process of its own."""
        module = "bench.experiments.floors"

        def measure(seconds: float) -> Sample:
            meter = Meter(self.make_store.processes)
            meter.begin()
            command = [sys.executable, "-m", module, "insert", store, str(seconds), way]
            told = json.loads(run_command(command))
            meter.end()
            spent = {"loop": told["cpu"], **meter.cpu}
            each = {name: cpu / told["count"] * MICROSECOND for name, cpu in spent.items()}
            return Sample(told["count"] / told["seconds"], {}, {}, each, 0.0)

        return measure

    def _do_round(self, number: int, jobs: list[Job]) -> None:
        """Do each work in turn with each contender; who goes first changes with the round."""
        for work in dict.fromkeys(job.work for job in jobs):
            turns = [job for job in jobs if job.work == work]
            first = number % len(turns)
            for job in turns[first:] + turns[:first]:
                sample = job.measure(self.plan.seconds * job.share)
                self.outcome.rows.add(self.engine, work, job.contender, sample)

    def _build_open_loop(self) -> list[Job]:
        """Return orders at a fixed rate."""
        return [
            Job(
                self.outcome.open_loop,
                name,
                1.0,
                self._load(name, scenarios[POST_ORDER], self.plan.rate),
            )
            for name, scenarios in self.scenarios.items()
        ]

    def _collect_faults(self) -> None:
        for name, scenarios in self.scenarios.items():
            faults = [fault for each in scenarios.values() for fault in each.list_broken_promises()]
            self.outcome.broken += [f"{self.engine}, {name}: {fault}" for fault in faults]
        for work in self.outcome.rows.works(self.engine):
            for row in self.outcome.rows.of(self.engine, work):
                if row.errors:
                    what = f"{self.engine}, {row.contender}, {work}: {dict(row.errors)}"
                    is_ours = row.contender == OPTIGATE
                    (self.outcome.broken if is_ours else self.outcome.notes).append(what)
