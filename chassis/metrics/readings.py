"""Numbers that exist anyway, read at each scrape; pages of a registry and of probes."""

import json
import os
import shutil
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4
from prometheus_client.registry import Collector

from chassis.metrics.listener import Page, Pages

CALL_BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
CERTIFICATE_VARIABLES = (
    "GRPC_TLS_CERT",
    "GRPC_TLS_CLIENT_CA",
    "GRPC_TLS_CA",
    "GRPC_TLS_CLIENT_CERT",
    "GATEWAY_TLS_CERT",
)
SYSTEM = "system"
JSON = "application/json"
LOST_LINES = "Log lines that this process could not write."
Values = Iterable[tuple[tuple[str, ...], float]]


@dataclass(frozen=True)
class Reading:
    """A metric whose values are read when somebody asks."""

    name: str
    text: str
    read: Callable[[], Values]
    labels: tuple[str, ...] = ()
    is_counter: bool = False


class Readings(Collector):
    """Readings as prometheus_client wants them."""

    def __init__(self, *readings: Reading) -> None:
        self.readings = readings

    def describe(self) -> Iterable[Metric]:
        """Return the names, without a look at a value."""
        return [_start(each) for each in self.readings]

    def collect(self) -> Iterable[Metric]:
        """Read everything."""
        for each in self.readings:
            family = _start(each)
            for labels, value in each.read():
                family.add_metric(labels, value)
            yield family


def _start(reading: Reading) -> CounterMetricFamily | GaugeMetricFamily:
    kind = CounterMetricFamily if reading.is_counter else GaugeMetricFamily
    return kind(reading.name, reading.text, labels=reading.labels)


def read_one(read: Callable[[], float]) -> Callable[[], Values]:
    """Return a reading of one value without labels."""
    return lambda: [((), read())]


class Certificates:
    """When the certificates that the environment names expire; files are read when they change."""

    def __init__(self, environment: Mapping[str, str] = os.environ) -> None:
        self.paths = {
            name: Path(environment[name])
            for name in CERTIFICATE_VARIABLES
            if environment.get(name, SYSTEM) not in ("", SYSTEM)
        }
        self._ends: dict[str, tuple[float, float]] = {}  # by variable: time of change, end

    def read(self) -> Values:
        """Return the end of the first to expire in each file that can be read."""
        for name, path in self.paths.items():
            try:
                changed = path.stat().st_mtime
                if self._ends.get(name, (None,))[0] != changed:
                    self._ends[name] = changed, find_end(path)
            except (OSError, ValueError):
                self._ends.pop(name, None)
        return [((name,), end) for name, (_, end) in self._ends.items()]


def find_end(path: Path) -> float:
    """Return when the first of the certificates in a file expires; raises OSError, ValueError."""
    from cryptography import x509

    found = x509.load_pem_x509_certificates(path.read_bytes())
    return min(each.not_valid_after_utc.timestamp() for each in found)


def build_certificate_reading() -> Reading:
    """Return the reading of certificates; they are read once now, with what that loads."""
    certificates = Certificates()
    certificates.read()
    return Reading(
        "optigate_certificate_expiry_timestamp_seconds",
        "When the first certificate in the file of a variable expires.",
        certificates.read,
        ("variable",),
    )


def build_disk_reading(folder: Path) -> Reading:
    """Return the reading of the free space of a folder; none while it cannot be asked."""

    def read() -> Values:
        try:
            return [((), shutil.disk_usage(folder).free)]
        except OSError:
            return []

    return Reading("optigate_disk_free_bytes", "Free space of the disk of DATA_DIR.", read)


def build_pages(registry: CollectorRegistry, find_trouble: Callable[[], str]) -> Pages:
    """Return the pages of a process; `find_trouble` says why it is not ready, or ""."""

    def write_readiness() -> Page:
        trouble = find_trouble()
        return _write_status(503 if trouble else 200, trouble or "ok")

    return {
        "/metrics": lambda: Page(200, CONTENT_TYPE_PLAIN_0_0_4, generate_latest(registry)),
        "/livez": lambda: _write_status(200, "ok"),
        "/readyz": write_readiness,
    }


def _write_status(status: int, word: str) -> Page:
    return Page(status, JSON, json.dumps({"status": word}).encode() + b"\n")
