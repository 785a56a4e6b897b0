"""A busy process keeps to one core; on a machine of the test's own, and on this one."""

import errno
import os
import random
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from pathlib import Path

import grpc
import pytest

from chassis.server import cores
from chassis.server.cores import CoreKeeper, Look, choose_core
from chassis.server.server import THREADS
from protos.orders_pb2 import WhoAmIRequest
from protos.orders_pb2_grpc import OrderServiceStub
from tests.chaos.product import wait_for
from tests.ports import find_free_port

ALL = (0, 1)
# Three busy threads, and one that Python does not know, as gRPC's are.
BURNER = """
import _thread, sys, threading, time
from chassis.server import cores
cores.SECONDS = cores.BUSY = cores.AT_REST = 0.05
cores.FILLED = cores.NOT_FILLED = float(sys.argv[1])
_thread.start_new_thread(time.sleep, (600,))
ended = threading.Event()
def burn():
    while not ended.is_set():
        pass
threads = [threading.Thread(target=burn) for _ in range(3)]
for thread in threads:
    thread.start()
with cores.keep_to_one_core():
    sys.stdin.readline()
    ended.set()
    sys.stdin.readline()
"""


@pytest.mark.parametrize(
    ("kept", "own", "shares", "chosen"),
    [
        (None, 0.2, {0: 0.1, 1: 0.1}, None),  # not busy
        (None, 0.3, {0: 0.9, 1: 0.1}, 1),
        (1, 0.2, {0: 0.0, 1: 0.2}, 1),  # less busy, and not at rest
        (1, 0.05, {0: 0.0, 1: 0.05}, None),
        (1, 0.5, {0: 0.0, 1: 1.0}, 0),  # another takes half of its core
        (1, 0.6, {0: 0.3, 1: 1.0}, 1),  # and nearly as much of the other core is in use
        (1, 1.0, {0: 0.0, 1: 1.0}, 1),  # it is alone
        (1, 0.4, {0: 1.0, 1: 1.0}, 0),  # it gets less than half, and no core looks free
        (1, 0.4, {0: 1.0, 1: 0.8}, 1),  # it gets all that it wants
    ],
)
def test_a_core_is_chosen_by_its_room(
    kept: int | None, own: float, shares: dict[int, float], chosen: int | None
) -> None:
    assert choose_core(kept, own, shares, lambda: 0.0) == chosen


def test_of_two_that_see_a_free_core_not_all_move() -> None:
    shares = {0: 0.0, 1: 1.0}
    moved = [choose_core(1, 0.5, shares, random.Random(seed).random) for seed in range(100)]
    assert 30 < moved.count(0) < 70


class Machine:
    """Two cores that processes share evenly: by those that keep to one, then by the others."""

    def __init__(self, wanted: dict[str, float]) -> None:
        self.now = 0.0
        self.wanted = wanted
        self.used = dict.fromkeys(wanted, 0.0)
        self.busy = dict.fromkeys(ALL, 0.0)
        self.on: dict[str, frozenset[int]] = dict.fromkeys(wanted, frozenset(ALL))
        self.others_on = dict(self.on)  # the threads that are not Python's
        self.taken: set[int] = set()

    def keep(self, name: str, seed: int) -> CoreKeeper:
        """A keeper of one of the processes."""

        def run_on(chosen: Iterable[int], others: Iterable[int]) -> None:
            if not set(chosen) - self.taken:
                raise OSError(errno.EINVAL, "Invalid argument")
            self.on[name], self.others_on[name] = frozenset(chosen), frozenset(others)

        def look() -> Look:
            return Look(self.now, self.used[name], dict(self.busy))

        return CoreKeeper(ALL, look, run_on, random.Random(seed).random)

    def run(self) -> None:
        """Let a second pass."""
        self.now += 1.0
        room = dict.fromkeys(ALL, 1.0)
        for core in ALL:
            bound = [name for name, on in self.on.items() if on == {core}]
            for name in bound:
                self._use(name, core, min(self.wanted[name], 1.0 / len(bound)), room)
        for name in [name for name, on in self.on.items() if len(on) > 1]:
            left = self.wanted[name]
            for core in sorted(ALL, key=room.__getitem__, reverse=True):
                left -= self._use(name, core, min(left, room[core]), room)

    def _use(self, name: str, core: int, share: float, room: dict[int, float]) -> float:
        self.used[name] += share
        self.busy[core] += share
        room[core] -= share
        return share


@pytest.mark.parametrize("seed", range(20))
def test_two_busy_processes_end_on_a_core_each_and_stay_there(seed: int) -> None:
    machine = Machine({"orders": 0.9, "sessions": 0.9})
    keepers = [machine.keep(name, seed + 100 * n) for n, name in enumerate(machine.wanted)]
    machine.on = dict.fromkeys(machine.wanted, frozenset({0}))
    seen = []
    for _ in range(60):
        machine.run()
        for keeper in keepers:
            keeper.choose()
        seen.append(tuple(keeper.kept for keeper in keepers))
    assert set(seen[20:]) <= {(0, 1), (1, 0)}
    assert len(set(seen[20:])) == 1


@pytest.mark.parametrize("seed", range(20))
def test_two_part_where_what_keeps_to_no_core_fills_the_other(seed: int) -> None:
    machine = Machine({"orders": 0.9, "sessions": 0.9, "rest": 1.0})
    keepers = [machine.keep(name, seed + 100 * n) for n, name in enumerate(("orders", "sessions"))]
    machine.on |= dict.fromkeys(("orders", "sessions"), frozenset({0}))
    for keeper in keepers:
        keeper.kept = 0
    seen = []
    for _ in range(60):
        machine.run()
        for keeper in keepers:
            keeper.choose()
        seen.append({keeper.kept for keeper in keepers})
    assert seen[30:] == [{0, 1}] * 30


def test_a_process_leaves_a_core_that_others_need() -> None:
    machine = Machine({"orders": 0.5, "other": 0.0})
    keeper = machine.keep("orders", 1)
    machine.run()
    keeper.choose()
    kept = keeper.kept
    assert kept is not None
    assert machine.on["orders"] == {kept}
    machine.wanted["other"] = 1.0
    machine.on["other"] = frozenset({kept})
    for _ in range(20):
        machine.run()
        keeper.choose()
    assert keeper.kept == 1 - kept


def test_a_process_at_rest_may_use_all_cores_again() -> None:
    machine = Machine({"orders": 0.9})
    keeper = machine.keep("orders", 1)
    machine.run()
    keeper.choose()
    assert len(machine.on["orders"]) == 1
    machine.wanted["orders"] = 0.0
    machine.run()
    keeper.choose()
    assert keeper.kept is None
    assert machine.on["orders"] == set(ALL)


def test_only_python_keeps_to_a_core_that_its_process_fills() -> None:
    machine = Machine({"orders": 0.0})
    keeper = machine.keep("orders", 1)
    seen = []
    for wanted in (0.5, 0.9, 0.95, 0.89, 0.85, 0.89, 1.0, 0.0):
        machine.wanted["orders"] = wanted
        machine.run()
        keeper.choose()
        seen.append((len(machine.on["orders"]), len(machine.others_on["orders"])))
    assert seen == [(1, 1), (1, 1), (1, 2), (1, 2), (1, 1), (1, 1), (1, 2), (2, 2)]


def test_after_a_rest_a_core_counts_as_filled_no_sooner_than_at_first() -> None:
    machine = Machine({"orders": 0.0})
    keeper = machine.keep("orders", 1)
    seen = []
    for wanted in (0.89, 1.0, 0.0, 0.89):
        machine.wanted["orders"] = wanted
        machine.run()
        keeper.choose()
        seen.append((len(machine.others_on["orders"]), keeper.is_filled))
    assert seen == [(1, False), (2, True), (2, False), (1, False)]


def test_after_its_core_was_taken_the_next_is_not_filled_yet() -> None:
    machine = Machine({"orders": 1.0})
    keeper = machine.keep("orders", 1)
    machine.run()
    keeper.choose()
    assert (len(machine.on["orders"]), keeper.is_filled) == (1, True)
    machine.taken = set(machine.on["orders"])
    machine.run()
    keeper.choose()
    assert machine.on["orders"] == set(ALL) - machine.taken
    assert not keeper.is_filled


def test_a_core_that_comes_or_goes_is_no_fault() -> None:
    looks = [
        Look(0, 0, {0: 0.0, 1: 0.0, 2: 0.0}),
        Look(1, 1, {0: 0.0, 1: 1.0, 2: 1.0}),
        Look(2, 2, {1: 1.0, 2: 2.0}),  # the one that it has is gone
        Look(3, 3, {0: 1.0, 1: 2.0, 2: 2.0}),
        Look(4, 4, {0: 1.0}),
    ]
    moves: list[set[int]] = []
    keeper = CoreKeeper(
        (0, 1, 2), iter(looks).__next__, lambda to, _others: moves.append(set(to)), lambda: 0.0
    )
    for _ in looks[1:]:
        keeper.choose()
    assert moves == [{0}, {1}, {1}]


def test_a_core_that_was_taken_from_the_process_is_left_out() -> None:
    machine = Machine({"orders": 0.9})
    keeper = machine.keep("orders", 1)
    machine.taken = {0}
    seen = []
    for _ in range(20):
        machine.wanted["orders"] = 0.9 - machine.wanted["orders"]  # it works and rests in turn
        machine.run()
        keeper.choose()
        seen.append((keeper.kept, machine.on["orders"]))
    assert {kept for kept, _ in seen} <= {None, 1}
    assert {0} not in [on for _, on in seen]


def test_where_no_thread_may_be_moved_the_process_stays_free() -> None:
    machine = Machine({"orders": 0.9})
    keeper = machine.keep("orders", 1)
    machine.taken = set(ALL)
    for _ in range(5):
        machine.run()
        keeper.choose()
        assert machine.on["orders"] == set(ALL)
    assert keeper.kept is None


def list_cores(pid: int) -> set[frozenset[int]]:
    """The different cores that the threads of a process may use."""
    return set(list_cores_of_threads(pid))


def list_cores_of_threads(pid: int) -> list[frozenset[int]]:
    """The cores that each thread of a process may use."""
    found = []
    for each in Path(f"/proc/{pid}/task").iterdir():
        with suppress(ProcessLookupError):  # gRPC's threads come and go
            found.append(frozenset(os.sched_getaffinity(int(each.name))))
    return found


@pytest.mark.parametrize(("filled", "others_free"), [(10.0, False), (0.05, True)])
def test_the_threads_of_a_busy_process_run_on_one_core(filled: float, others_free: bool) -> None:
    allowed = frozenset(os.sched_getaffinity(0))
    on_one = [{frozenset({core})} | ({allowed} if others_free else set()) for core in allowed]
    command = [sys.executable, "-c", BURNER, str(filled)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, text=True) as process:
        assert process.stdin
        wait_for(lambda: list_cores(process.pid) in on_one, "it keeps to none")
        process.stdin.write("\n")
        process.stdin.flush()
        wait_for(lambda: list_cores(process.pid) == {allowed}, "it is not set free")
        process.communicate("\n", timeout=30)
    assert process.returncode == 0


def test_where_no_core_can_be_chosen_there_is_no_loop(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(os, "sched_getaffinity", lambda _pid: {3})
        assert cores.keep_to_one_core() is None
        patch.delattr(os, "sched_getaffinity")
        assert cores.keep_to_one_core() is None
    unknown = tmp_path / "stat"
    monkeypatch.setattr(cores, "CORES", unknown)
    assert cores.keep_to_one_core() is None
    unknown.write_text("cpu0 1 2\ncpu1 none\n")
    assert cores.keep_to_one_core() is None


@contextmanager
def serve_under_load(url: str, folder: Path, *words: str) -> Iterator[int]:
    """The process of an orders service that refuses callers without a pause."""
    address = f"127.0.0.1:{find_free_port()}"
    command = [sys.executable, "-m", "orders_svc", "--database-url", url, "--data-dir", str(folder)]
    ended = threading.Event()
    with (
        subprocess.Popen([*command, "serve", "--listen", address, *words]) as process,
        grpc.insecure_channel(address) as channel,
        ThreadPoolExecutor(8) as pool,
    ):
        who_am_i = OrderServiceStub(channel).WhoAmI

        def call() -> None:
            while not ended.is_set():
                with suppress(grpc.RpcError):
                    who_am_i(WhoAmIRequest(), timeout=10)

        try:
            grpc.channel_ready_future(channel).result(timeout=60)
            for _ in range(8):
                pool.submit(call)
            yield process.pid
        finally:
            ended.set()
            process.terminate()
    assert process.returncode == 0


def test_a_busy_service_keeps_to_one_core(
    store_url: Callable[[str, str], str], tmp_path: Path
) -> None:
    with serve_under_load(store_url("orders", "sqlite"), tmp_path) as pid:

        def count_kept() -> int:
            return sum(len(each) == 1 for each in list_cores_of_threads(pid))

        wait_for(lambda: count_kept() >= THREADS, "it keeps to none")


def test_a_service_that_may_use_any_core_does(
    store_url: Callable[[str, str], str], tmp_path: Path
) -> None:
    url = store_url("orders", "sqlite")
    with serve_under_load(url, tmp_path, "--any-core") as pid:
        for _ in range(20):
            assert list_cores(pid) == {frozenset(os.sched_getaffinity(0))}
            time.sleep(0.1)
