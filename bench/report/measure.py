"""One measurement, and what many rounds of it come to: medians."""

import os
import platform
import statistics
import tempfile
import time
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from bench.load.generator import PERCENTILES, Load, Work
from bench.report.processes import Meter


@dataclass(frozen=True)
class Sample:
    """One round."""

    throughput: float  # requests a second
    latencies: Mapping[str, float]  # milliseconds by percentile
    errors: Mapping[str, int]
    cpu: Mapping[str, float]  # microseconds a request, by process
    client: float  # microseconds a request that the load itself took
    foreign: float = 0.0  # share of the machine's time that went to others


@dataclass
class Row:
    """The rounds of one contender at one work on one engine."""

    engine: str
    work: str
    contender: str
    samples: list[Sample] = field(default_factory=list)

    @property
    def throughput(self) -> float:
        """Requests a second."""
        return statistics.median(sample.throughput for sample in self.samples)

    @property
    def latencies(self) -> dict[str, float]:
        """Milliseconds by percentile; nothing where none were taken."""
        if not self.samples[0].latencies:
            return {}
        return {
            name: statistics.median(sample.latencies[name] for sample in self.samples)
            for name in PERCENTILES
        }

    @property
    def cpu(self) -> dict[str, float]:
        """Microseconds a request, by process."""
        return {
            name: statistics.median(sample.cpu[name] for sample in self.samples)
            for name in self.samples[0].cpu
        }

    @property
    def total_cpu(self) -> float:
        """Microseconds a request, all processes together."""
        return statistics.median(sum(sample.cpu.values()) for sample in self.samples)

    @property
    def client(self) -> float:
        """Microseconds a request of the load itself."""
        return statistics.median(sample.client for sample in self.samples)

    @property
    def errors(self) -> Counter[str]:
        """Unexpected statuses and lost requests of all rounds."""
        return sum((Counter(sample.errors) for sample in self.samples), Counter())


class Rows:
    """The rows of a run, in the order in which they came up."""

    def __init__(self) -> None:
        self._rows: dict[tuple[str, str, str], Row] = {}

    def add(self, engine: str, work: str, contender: str, sample: Sample) -> None:
        """Add a round."""
        row = self._rows.setdefault((engine, work, contender), Row(engine, work, contender))
        row.samples.append(sample)

    def find(self, engine: str, work: str, contender: str) -> Row | None:
        """One row."""
        return self._rows.get((engine, work, contender))

    def of(self, engine: str, work: str) -> list[Row]:
        """Each contender's row at a work."""
        return [row for row in self._rows.values() if (row.engine, row.work) == (engine, work)]

    def works(self, engine: str) -> list[str]:
        """What was measured on an engine."""
        return list(dict.fromkeys(row.work for row in self._rows.values() if row.engine == engine))

    def foreign(self) -> float:
        """The share of the machine's time that went to others while it measured."""
        every = [sample.foreign for row in self._rows.values() for sample in row.samples]
        return statistics.median(every) if every else 0.0

    def engines(self) -> list[str]:
        """The engines of the run."""
        return list(dict.fromkeys(row.engine for row in self._rows.values()))


def sample(
    work: Work,
    roots: Mapping[str, int],
    *,
    connections: int,
    seconds: float,
    rate: float | None = None,
    warmup: float = 0.5,
    requests: int | None = None,
) -> Sample:
    """One load, with the CPU time of the processes under it."""
    meter = Meter(roots)
    load = Load(work, connections, seconds, rate, warmup, requests, meter.begin, meter.end)
    result = load.run()
    answered = max(result.answered, 1)
    return Sample(
        result.throughput,
        result.percentiles(),
        result.errors,
        {name: spent / answered * 1e6 for name, spent in meter.cpu.items()},
        result.client_cpu / answered * 1e6,
        meter.foreign,
    )


def fsync_cost(folder: Path, times: int = 50) -> float:
    """The median time in microseconds of appending 4 KiB to a file, durably."""
    taken = []
    with tempfile.TemporaryFile(dir=folder) as file:
        for _ in range(times):
            start = time.perf_counter()
            os.write(file.fileno(), bytes(4096))
            os.fdatasync(file.fileno())
            taken.append(time.perf_counter() - start)
    return statistics.median(taken) * 1e6


def machine(folder: Path) -> str:
    """One line on what this ran on."""
    models = [
        line.partition(":")[2].strip()
        for line in Path("/proc/cpuinfo").read_text().splitlines()
        if line.startswith("model name")
    ]
    return (
        f"{len(os.sched_getaffinity(0))} cores ({models[0] if models else platform.machine()}), "
        f"Linux {platform.release()}, Python {platform.python_version()}, "
        f"fdatasync {fsync_cost(folder):.0f} us, "
        f"load before the start {os.getloadavg()[0]:.2f}, {time.strftime('%Y-%m-%d %H:%M')}"
    )
