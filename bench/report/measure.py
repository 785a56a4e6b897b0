"""One measurement, and the medians of many rounds of it."""

import os
import platform
import statistics
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from bench.load.generator import PERCENTILES, Load, Scenario
from bench.report.processes import Meter

MICROSECOND = 1e6


@dataclass(frozen=True)
class Sample:
    """One round."""

    throughput: float  # requests per second
    latencies: Mapping[str, float]  # milliseconds by percentile
    errors: Mapping[str, int]
    cpu: Mapping[str, float]  # microseconds per request, by process
    client: float  # microseconds per request that the load itself took
    foreign: float = 0.0  # share of the machine's time that went to others


@dataclass
class Row:
    """The rounds of one contender with one kind of request on one engine."""

    engine: str
    work: str
    contender: str
    samples: list[Sample] = field(default_factory=list)

    @property
    def throughput(self) -> float:
        """Requests per second."""
        return statistics.median(sample.throughput for sample in self.samples)

    @property
    def latencies(self) -> dict[str, float]:
        """Milliseconds by percentile; empty where none were taken."""
        if not self.samples[0].latencies:
            return {}
        return {
            name: statistics.median(sample.latencies[name] for sample in self.samples)
            for name in PERCENTILES
        }

    @property
    def cpu(self) -> dict[str, float]:
        """Microseconds per request, by process."""
        return {
            name: statistics.median(sample.cpu[name] for sample in self.samples)
            for name in self.samples[0].cpu
        }

    @property
    def total_cpu(self) -> float:
        """Microseconds per request, all processes together."""
        return statistics.median(sum(sample.cpu.values()) for sample in self.samples)

    @property
    def client(self) -> float:
        """Microseconds per request of the load itself."""
        return statistics.median(sample.client for sample in self.samples)

    @property
    def errors(self) -> Counter[str]:
        """Unexpected statuses and lost requests of all rounds."""
        return sum((Counter(sample.errors) for sample in self.samples), Counter())


class Rows:
    """The rows of a run, in the order in which they were added."""

    def __init__(self) -> None:
        self._rows: dict[tuple[str, str, str], Row] = {}

    def add(self, engine: str, work: str, contender: str, sample: Sample) -> None:
        """Add a round."""
        row = self._rows.setdefault((engine, work, contender), Row(engine, work, contender))
        row.samples.append(sample)

    def find(self, engine: str, work: str, contender: str) -> Row | None:
        """Return one row, if it was measured."""
        return self._rows.get((engine, work, contender))

    def of(self, engine: str, work: str) -> list[Row]:
        """Return each contender's row for one kind of request."""
        return [row for row in self._rows.values() if (row.engine, row.work) == (engine, work)]

    def works(self, engine: str) -> list[str]:
        """Return the kinds of requests measured on an engine."""
        return list(dict.fromkeys(row.work for row in self._rows.values() if row.engine == engine))

    def engines(self) -> list[str]:
        """Return the engines of the run."""
        return list(dict.fromkeys(row.engine for row in self._rows.values()))

    def foreign(self) -> float:
        """Return the share of the machine's time that went to others during the run."""
        every = [sample.foreign for row in self._rows.values() for sample in row.samples]
        return statistics.median(every) if every else 0.0


def take_sample(
    scenario: Scenario,
    roots: Mapping[str, int],
    *,
    connections: int,
    seconds: float,
    rate: float | None = None,
    warmup: float = 0.5,
    requests: int | None = None,
) -> Sample:
    """Run one load; measure it and the CPU time of the processes under it.

    The warm-up is never longer than the measurement.
    """
    meter = Meter(roots)
    begin, end, warmup = meter.begin, meter.end, min(warmup, seconds)
    load = Load(scenario, connections, seconds, rate, warmup, requests, begin, end)
    result = load.run()
    answered = max(result.answered, 1)
    return Sample(
        result.throughput,
        result.percentiles(),
        result.errors,
        {name: spent / answered * MICROSECOND for name, spent in meter.cpu.items()},
        result.client_cpu / answered * MICROSECOND,
        meter.foreign,
    )


def load_in_turn(
    scenarios: Mapping[str, Scenario],
    roots: Mapping[str, Mapping[str, int]],
    *,
    rounds: int,
    seconds: float,
    connections: int,
) -> dict[str, list[Sample]]:
    """Load each set-up in turn; who goes first changes with the round."""
    samples: dict[str, list[Sample]] = {name: [] for name in scenarios}
    names = list(scenarios)
    for number in range(rounds):
        first = number % len(names)
        for name in names[first:] + names[:first]:
            samples[name].append(
                take_sample(scenarios[name], roots[name], connections=connections, seconds=seconds)
            )
    return samples


def time_call(call: Callable[[], object]) -> float:
    """Return how many milliseconds a call takes."""
    start = time.perf_counter()
    call()
    return (time.perf_counter() - start) * 1000


def measure_fsync(folder: Path, times: int = 50) -> float:
    """Return the median time in microseconds of appending 4 KiB durably to a file."""
    taken = []
    with tempfile.TemporaryFile(dir=folder) as file:
        for _ in range(times):
            start = time.perf_counter()
            os.write(file.fileno(), bytes(4096))
            os.fdatasync(file.fileno())
            taken.append(time.perf_counter() - start)
    return statistics.median(taken) * MICROSECOND


def describe_machine(folder: Path) -> str:
    """Return one line on the machine, and on the disk under `folder`."""
    models = [
        line.partition(":")[2].strip()
        for line in Path("/proc/cpuinfo").read_text().splitlines()
        if line.startswith("model name")
    ]
    return (
        f"{len(os.sched_getaffinity(0))} cores ({models[0] if models else platform.machine()}), "
        f"Linux {platform.release()}, Python {platform.python_version()}, "
        f"fdatasync {measure_fsync(folder):.0f} us, "
        f"load before the start {os.getloadavg()[0]:.2f}, {time.strftime('%Y-%m-%d %H:%M')}"
    )
