"""What the workers have counted, read from their files."""

from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

from prometheus_client import Metric
from prometheus_client.multiprocess import MultiProcessCollector


class WorkerFiles(MultiProcessCollector):
    """Sums the files of all workers, but for those that hold nothing yet.

    A worker makes its file first and gives it a size then. The library's own collector fails on a
    file without one: on one scrape, or on all of them where the worker was killed in between.
    """

    def collect(self) -> Iterable[Metric]:
        """Return the metrics of this moment."""
        found: list[str] = []
        for path in Path(self._path).glob("*.db"):
            with suppress(FileNotFoundError):  # its worker has ended since the folder was listed
                if path.stat().st_size:
                    found.append(str(path))
        metrics: Iterable[Metric] = self.merge(found)  # type: ignore[no-untyped-call]
        return metrics
