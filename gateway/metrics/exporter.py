"""The parent's side: the folder that workers count in, and the port where the sums are served."""

import os
import shutil
import sys
import tempfile
from pathlib import Path
from typing import Any

from chassis.metrics.listener import Listener, parse_address

# In memory: a worker that counts in a mapped file of a full disk is killed.
MEMORY_FOLDER = "/dev/shm"  # nosec B108  # a folder of our own is made in it
FOLDER_VARIABLE = "PROMETHEUS_MULTIPROC_DIR"


class Exporter:
    """Serves the metrics of gunicorn's workers until its process ends."""

    def __init__(self, server: Any, address: str) -> None:
        """Take the port and an empty folder; raises OSError, and ValueError for the address."""
        self.server = server
        self.listener = Listener(parse_address(address), {}, self._report)
        self.is_own_folder = not os.environ.get(FOLDER_VARIABLE)
        self.folder = prepare_folder(server.cfg.uid, server.cfg.gid)
        # The library reads the variable when it is imported: neither before this, nor in a worker
        # first, whose import would wait for a lock that this process's thread may hold at the fork.
        from prometheus_client import CollectorRegistry

        from chassis.metrics.readings import (
            Reading,
            Readings,
            build_certificate_reading,
            build_pages,
            read_one,
        )
        from gateway.metrics.counted import WorkerFiles

        registry = CollectorRegistry()
        WorkerFiles(registry, str(self.folder))  # type: ignore[no-untyped-call]
        registry.register(
            Readings(
                Reading(
                    "optigate_ready",
                    "1 while this process takes calls, or can deliver events.",
                    read_one(lambda: not self.find_trouble()),
                ),
                Reading(
                    "optigate_gateway_workers",
                    "Workers that serve.",
                    read_one(self.count_workers),
                ),
                build_certificate_reading(),
            )
        )
        self.listener.pages = build_pages(registry, self.find_trouble)

    def start(self) -> None:
        """Begin to answer."""
        self.listener.start()
        self.server.log.info("Metrics at: http://%s/metrics", self.listener.address)

    def count_workers(self) -> int:
        """Return how many workers serve now."""
        board = self.server.worker_class.board
        if board is None:
            return 0
        return sum(board.is_up(each.age) for each in list(self.server.WORKERS.values()))

    def find_trouble(self) -> str:
        """Return why no requests are to come, or ""."""
        if self.count_workers() and not self.server.LISTENERS:
            return "draining"
        return "" if self.count_workers() else "not ready"

    def bury(self, worker: Any) -> None:
        """Forget what a worker that has ended had in progress; what it has counted stays."""
        from prometheus_client.multiprocess import mark_process_dead

        mark_process_dead(worker.pid, str(self.folder))  # type: ignore[no-untyped-call]

    def stop(self) -> None:
        """End the thread, and remove a folder that was made here."""
        self.listener.stop()
        if self.is_own_folder:
            shutil.rmtree(self.folder, ignore_errors=True)

    def _report(self, error: Exception) -> None:
        self.server.log.warning("Metrics failed: %s", type(error).__qualname__)


def prepare_folder(uid: int, gid: int) -> Path:
    """Return the folder that the environment names, or a new one, emptied, and the workers' own."""
    given = os.environ.get(FOLDER_VARIABLE)
    within = MEMORY_FOLDER if os.access(MEMORY_FOLDER, os.W_OK) else None
    folder = Path(given or tempfile.mkdtemp(prefix="optigate-metrics-", dir=within))
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    for left in folder.glob("*.db"):
        left.unlink()
    if os.geteuid() == 0:
        os.chown(folder, uid, gid)
    os.environ[FOLDER_VARIABLE] = str(folder)
    return folder


def start_exporter(server: Any, address: str) -> Exporter:
    """Start serving at the address; ends the process where that cannot be."""
    try:
        exporter = Exporter(server, address)
    except ValueError as error:
        print(f"gateway: {error}", file=sys.stderr)
    except OSError as error:
        print(f"gateway: METRICS_LISTEN: cannot listen on {address}: {error}", file=sys.stderr)
    else:
        exporter.start()
        return exporter
    sys.exit(os.EX_CONFIG)
