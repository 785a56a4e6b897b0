"""Output that goes nowhere: closed, or a pipe that nobody reads."""

import fcntl
import os
import select
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.chaos.product import ROOT, WRITES, Product, has_ended, stop, wait_for
from tests.chaos.test_killed import is_ready

PIPE_BYTES = 4096  # the least that a pipe can hold
CALLS = 30  # of each API: each service writes more lines about them than fit into the pipe


@contextmanager
def run_with_output(
    folder: Path, templates: Callable[[str, str], str], redirection: str, stdout: int
) -> Iterator[Product]:
    """Start everything with all lines of all processes on standard output."""
    product = Product.prepare(folder, templates)
    product.process = subprocess.Popen(
        ["sh", "-c", f'exec "$0" -m demo {redirection}', sys.executable],
        cwd=ROOT,
        env={**product.environment, "LOG_DIR": ""},
        stdout=stdout,
        stderr=stdout,
        start_new_session=True,
    )
    try:
        wait_for(
            lambda: is_ready(product) or product.process.poll() is not None, "it does not start"
        )
        assert product.process.poll() is None
        yield product
    finally:
        stop(product)


def test_closed_output_breaks_no_call(tmp_path: Path, templates: Callable[[str, str], str]) -> None:
    with run_with_output(tmp_path, templates, ">&- 2>&-", subprocess.DEVNULL) as product:
        write_on(product, 5)
        product.process.terminate()
        assert product.process.wait(60) == 0


def test_a_pipe_that_nobody_reads_breaks_no_call(
    tmp_path: Path, templates: Callable[[str, str], str]
) -> None:
    ours, theirs = os.pipe()
    with (
        os.fdopen(theirs, "wb"),
        run_with_output(tmp_path, templates, "", theirs) as product,
        os.fdopen(ours, "rb") as reader,
    ):
        wait_for(lambda: has_shrunk(ours), "the pipe stays large")
        write_on(product, CALLS)
        assert is_full(theirs)
        write_on(product, 5)
        wait_for(lambda: is_ready(product), "it is not ready")
        reader.close()  # and now it is broken
        write_on(product, 5)
        keeper, *services = product.pids()[1:5]
        os.kill(services[1], signal.SIGKILL)
        wait_for(lambda: has_ended(services[1]), "it goes on")
        wait_for(lambda: is_ready(product), "it is not started again")
        wait_for(lambda: takes_writes(product), "it takes no writes again")
        assert product.pids()[1] == keeper


def has_shrunk(pipe: int) -> bool:
    """Read what is in a pipe, and let it hold little from now on, unless more has come."""
    while select.select([pipe], [], [], 0)[0]:
        os.read(pipe, 65536)
    try:
        return fcntl.fcntl(pipe, fcntl.F_SETPIPE_SZ, PIPE_BYTES) == PIPE_BYTES
    except OSError:  # EBUSY
        return False


def is_full(pipe: int) -> bool:
    """Whether who writes as much as the pipe holds would wait."""
    return not select.select([], [pipe], [], 0)[1]


def takes_writes(product: Product) -> bool:
    """Whether each API takes writes again, whichever worker of the gateway they meet."""
    return all(product.write(service).status == 201 for _ in range(6) for service in WRITES)


def write_on(product: Product, times: int) -> None:
    """Write to each API so often; each write is answered."""
    product.log_in()
    for _ in range(times):
        for service in WRITES:
            found = product.write(service)
            assert found.status == 201, found
