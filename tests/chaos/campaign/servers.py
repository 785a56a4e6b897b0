"""What the product needs from outside: a disk that can fill up, a PostgreSQL that can be killed."""

import os
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest
from sqlalchemy import make_url

from tests import postgres
from tests.chaos.product import children, has_ended, wait_for

DISK = "400m"
SMALL_LOG = {"max_wal_size": "64MB", "min_wal_size": "32MB"}


@contextmanager
def small_disk() -> Iterator[Path]:
    """A file system of its own, in memory."""
    if os.geteuid() != 0:
        pytest.fail("This test mounts a tmpfs: run it as root.")
    folder = Path(tempfile.mkdtemp(prefix="optigate-chaos-", dir="/tmp"))  # sockets: short path
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={DISK}", "tmpfs", folder], check=True)
    folder.chmod(0o1777)  # PostgreSQL, which is not root, clears up after itself
    try:
        yield folder
    finally:
        subprocess.run(["umount", "--lazy", folder], check=True)
        shutil.rmtree(folder)


def find_faketime() -> str:
    """The library that Debian's `faketime` preloads."""
    found = next(Path("/usr/lib").glob("*/faketime/libfaketimeMT.so.1"), None)
    if found is None:
        pytest.fail("Install faketime for this test: apt-get install faketime")
    return str(found)


class OwnPostgres:
    """A PostgreSQL of the run's own, which keeps what was committed when it is killed."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder / "server"
        self.folder.mkdir()
        self.binaries = postgres.find_binaries(self.folder)
        settings = postgres.SETTINGS | postgres.DURABLE | SMALL_LOG
        self.url, self.stop = postgres.launch(self.binaries, self.folder, settings)

    @property
    def postmaster(self) -> int:
        """Its first process."""
        return int((self.folder / "data" / "postmaster.pid").read_text().split()[0])

    @property
    def backends(self) -> list[int]:
        """The processes that serve a connection each."""
        return [pid for pid in children(self.postmaster) if serves_a_connection(pid)]

    @property
    def socket(self) -> str:
        """The path of its socket."""
        return f"{self.folder}/.s.PGSQL.5432"

    def build_url(self, database: str, address: str) -> str:
        """The URL of a database through a proxy."""
        host, _, port = address.rpartition(":")
        through = make_url(self.url).set(host=host, port=int(port), query={}, database=database)
        return through.render_as_string(hide_password=False)

    def restart(self) -> None:
        """Stop it at once, if it runs, and start it again; waits until it takes connections."""
        wait_for(self._has_restarted, "PostgreSQL does not start again")

    def kill(self) -> None:
        """Kill its first process."""
        pid = self.postmaster
        os.kill(pid, signal.SIGKILL)
        wait_for(lambda: has_ended(pid), "it goes on")

    def _has_restarted(self) -> bool:
        data, log = self.folder / "data", self.folder / "log"
        done = subprocess.run(
            [self.binaries / "pg_ctl", "-D", data, "-l", log, "-s", "-w", "-m", "fast", "restart"],
            cwd=self.folder,
            check=False,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            **postgres.leave_root(self.folder),
        )
        return done.returncode == 0


def serves_a_connection(pid: int) -> bool:
    """Whether a process of PostgreSQL is one of a client's."""
    with suppress(OSError):
        return b"postgres: postgres " in Path(f"/proc/{pid}/cmdline").read_bytes()
    return False
