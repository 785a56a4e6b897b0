"""What is done to a product under load; each fault ends before the next one begins."""

import os
import random
import signal
import time
from collections import Counter, defaultdict
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

from chassis.supervisor import MAX_RESTARTS, RESTART_WINDOW_SECONDS
from tests.chaos.campaign.load import Load
from tests.chaos.campaign.proxy import FAULTS, Proxy
from tests.chaos.campaign.stage import Stage
from tests.chaos.product import WRITES, children, has_ended, wait_for

HOLD_SECONDS = {True: 2.0, False: 0.5}  # how long a fault lasts, in the long and the short form
SHORT_FREEZES = 2
PAIRS = (
    "client-gateway",
    "gateway-service",
    "gateway-redis",  # of the pairs the one that notices a half-open connection soonest
    "service-receiver",
    "service-database",
)
YEAR_END_SECONDS = 5  # before midnight, of which the clock needs some to be noticed


@dataclass
class Campaign:
    """A run of faults over one stage; the long form disturbs everything in every way."""

    stage: Stage
    load: Load
    kills: int
    is_long: bool
    chance: random.Random = field(default_factory=random.Random)
    done: Counter[str] = field(default_factory=Counter)  # what was done, and how often
    failed_in_turn: Counter[str] = field(default_factory=Counter)  # during rolling restarts
    begun: float = field(default_factory=time.monotonic)
    killed_at: dict[str, list[float]] = field(default_factory=lambda: defaultdict(list))

    def note(self, what: str) -> None:
        """Count what was done, and print when."""
        self.done[what] += 1
        print(f"{time.monotonic() - self.begun:6.0f} s  {what}", flush=True)

    def run(self) -> None:
        """Do everything, in an order in which each fault meets what the others have left."""
        self.load.wait_for_more()
        self.restart_in_turn()
        self.kill()
        self.freeze()
        self.restart_postgres()
        self.disturb_pairs()
        self.fill_disk()
        self.jump()
        if self.is_long:
            self.restart_in_turn()

    def kill(self) -> None:
        """Kill processes at random, each once the last one is back at work."""
        for _ in range(self.kills):
            name, pid = self._choose_victim()
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
            self.note(f"kill {name}")
            wait_for(lambda pid=pid: has_ended(pid), "a killed process goes on")  # type: ignore[misc]
            self.load.wait_for_more()

    def _choose_victim(self) -> tuple[str, int]:
        """A process: one of each kind before any kind's second.

        What a supervisor starts is killed not so often that it takes it for hopeless.
        """
        while True:
            victims = list_victims(self.stage)
            names = {name for name, _ in victims}
            name = self.chance.choice(sorted(names - self.killed_at.keys() or names))
            pid = self.chance.choice([pid for each, pid in victims if each == name])
            recent = [
                at for at in self.killed_at[name] if time.monotonic() - at < RESTART_WINDOW_SECONDS
            ]
            if len(recent) < MAX_RESTARTS - 1:
                self.killed_at[name] = [*recent, time.monotonic()]
                return name, pid
            self.load.wait_for_more()

    def freeze(self) -> None:
        """Stop each kind of process for a while by SIGSTOP, or some kinds."""
        victims = dict(list_victims(self.stage)) | {"redis": self.stage.redis.process.pid}
        names = list(victims) if self.is_long else self.chance.sample([*victims], SHORT_FREEZES)
        for name in names:
            pid = dict(list_victims(self.stage)).get(name, victims[name])
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGSTOP)
                time.sleep(HOLD_SECONDS[self.is_long])
                os.kill(pid, signal.SIGCONT)
            self.note(f"SIGSTOP {name}")
            self.load.wait_for_more()

    def disturb_pairs(self) -> None:
        """Disturb what goes between two processes: in every way, or in one way for each pair."""
        for number, pair in enumerate(PAIRS):
            proxies = self.stage.list_proxies(pair)
            if not self.is_long:
                proxies = self.chance.sample(proxies, min(1, len(proxies)))
            for fault in FAULTS if self.is_long else [FAULTS[number % len(FAULTS)]]:
                for proxy in proxies:
                    self._disturb(proxy, fault)
                    self.note(f"{fault}, {pair}")

    def _disturb(self, proxy: Proxy, fault: str) -> None:
        before, proxy.fault = proxy.hits, fault
        wait_for(lambda: proxy.hits > before, f"{fault} meets nothing")
        time.sleep(HOLD_SECONDS[self.is_long])
        proxy.fault = None
        self.load.wait_for_more()

    def restart_postgres(self) -> None:
        """Restart PostgreSQL, then kill its first process."""
        server = self.stage.postgres
        if server is not None:
            server.restart()
            self.note("PostgreSQL restarted")
            self.load.wait_for_more()
            server.kill()
            server.restart()
            self.note("postmaster killed")
            self.load.wait_for_more()

    def jump(self) -> None:
        """Move the clock an hour and back, over the first anniversary, and over a year's end."""
        clock, load = self.stage.clock, self.load
        for hours in (1, -1):
            clock.move(timedelta(hours=hours))
            self.note(f"clock {hours:+d} h")
            load.wait_for_more()
        now = clock.now()
        anniversary = now.replace(year=now.year + 1) + timedelta(days=1)
        ends = {
            "clock over the subscriptions' year": anniversary,
            "clock over the calendar's year": datetime(anniversary.year + 1, 1, 1, tzinfo=UTC),
        }
        for name, end in ends.items():
            with load.paused():
                clock.move(end - timedelta(seconds=YEAR_END_SECONDS) - clock.now())
            wait_for(lambda end=end: clock.now() > end, "the year does not end")  # type: ignore[misc]
            self.note(name)
            load.wait_for_more()

    def fill_disk(self) -> None:
        """Fill the disk of the stores, and make room again."""
        filler, before = self.stage.disk / "filler", self.load.ledger.failures.total()
        with filler.open("wb", buffering=0) as file, suppress(OSError):
            while True:
                file.write(bytes(65536))
        with filler.open("ab", buffering=0) as file, suppress(OSError):
            while True:
                file.write(bytes(1024))
        wait_for(lambda: self.load.ledger.failures.total() > before, "there is room")
        time.sleep(HOLD_SECONDS[self.is_long])
        filler.unlink()
        if self.stage.postgres is not None:
            self.stage.postgres.restart()  # it ends when it cannot write its log
        self.note("full disk")
        self.load.wait_for_more()

    def restart_in_turn(self) -> None:
        """Replace the gateway's workers, and the processes of services one after the other."""
        wait_for(lambda: self.stage.product.readiness()[0] == 200, "it is not ready")
        self.load.wait_for_more()
        before = Counter(self.load.ledger.failures)
        gateway = self.stage.product.pid("gateway")
        old = children(gateway)
        os.kill(gateway, signal.SIGHUP)
        wait_for(lambda: set(old).isdisjoint(children(gateway)), "the old workers stay")
        self.load.wait_for_more()
        if self.stage.postgres is not None:
            for service in WRITES if self.is_long else self.chance.sample([*WRITES], 1):
                self._restart_workers(service)
        self.note("rolling restart")
        failed = self.load.ledger.failures - before
        # Staff call one address over gRPC, without anything that balances: they ask again.
        self.failed_in_turn += Counter(
            {cause: count for cause, count in failed.items() if not cause.startswith("gRPC ")}
        )

    def _restart_workers(self, service: str) -> None:
        for number, pid in enumerate(list_workers(self.stage, service), 1):
            proxy = self.stage.proxies[f"gateway-service {service} {number}"]
            links = set(proxy.links)
            os.kill(pid, signal.SIGTERM)
            wait_for(lambda pid=pid: has_ended(pid), "it does not end")  # type: ignore[misc]
            wait_for(
                lambda proxy=proxy, links=links: len(proxy.links - links) >= len(links),  # type: ignore[misc]
                "the gateway does not find the new one",
            )
            self.load.wait_for_more()


def list_victims(stage: Stage) -> list[tuple[str, int]]:
    """The processes that may be killed, by name."""
    product = stage.product
    found = [(name, product.pid(name)) for name in (*WRITES, "gateway")]
    found += [("a gateway worker", pid) for pid in children(product.pid("gateway"))]
    if stage.postgres is not None:
        for service in WRITES:
            found += [(f"a worker of {service}", pid) for pid in list_workers(stage, service)]
        found += [("a backend of PostgreSQL", pid) for pid in stage.postgres.backends]
    return found


def list_workers(stage: Stage, service: str) -> list[int]:
    """The server processes of a service on PostgreSQL, in the order of their addresses."""
    found = {}
    for pid in children(stage.product.pid(service)):
        with suppress(OSError):
            words = Path(f"/proc/{pid}/cmdline").read_text().split("\0")
            if "--own-address" in words:
                found[words[words.index("--own-address") + 1]] = pid
    return [found[address] for address in sorted(found)]
