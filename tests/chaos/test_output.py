"""Output that goes nowhere: closed, or a pipe that nobody reads."""

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.chaos.product import ROOT, WRITES, Product, has_ended, stop, wait_for
from tests.chaos.test_killed import is_ready

CALLS = 150  # more lines than a pipe holds


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
        wait_for(lambda: is_ready(product) or product.process.poll(), "it does not start")
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
    try:
        with run_with_output(tmp_path, templates, "", theirs) as product:
            write_on(product, CALLS)
            os.set_blocking(theirs, False)
            with pytest.raises(BlockingIOError):
                os.write(theirs, b"x" * 4096)  # it is full indeed
            os.set_blocking(theirs, True)
            write_on(product, 5)
            assert product.readiness()[0] == 200
            os.close(ours)  # and now it is broken
            ours = -1
            write_on(product, 5)
            keeper, *services = product.pids()[1:5]
            os.kill(services[1], signal.SIGKILL)
            wait_for(lambda: has_ended(services[1]), "it goes on")
            wait_for(lambda: is_ready(product), "it is not started again")
            write_on(product, 5)
            assert product.pids()[1] == keeper
    finally:
        os.close(theirs)
        if ours >= 0:
            os.close(ours)


def write_on(product: Product, times: int) -> None:
    """Write to each API so often; each write is answered."""
    product.log_in()
    for _ in range(times):
        for service in WRITES:
            found = product.write(service)
            assert found.status == 201, found
