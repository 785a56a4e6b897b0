"""A real Redis for the tests: Debian's, one process per test, with nothing on disk."""

import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from shutil import which

import pytest

PATIENCE_SECONDS = 30.0


@dataclass
class RedisServer:
    """A redis-server, listening on a socket file."""

    process: subprocess.Popen[bytes]
    url: str


@contextmanager
def redis_server(folder: Path) -> Iterator[RedisServer]:
    """Start one with its socket in the folder, and end it with the block."""
    program = which("redis-server")
    if program is None:
        pytest.fail("Install Redis for this test: apt-get install redis-server")
    socket = folder / "redis.sock"
    command = [program, "--port", "0", "--unixsocket", str(socket)]
    command += ["--save", "", "--appendonly", "no", "--dir", str(folder)]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    try:
        end = time.monotonic() + PATIENCE_SECONDS
        while not socket.exists():
            assert process.poll() is None
            assert time.monotonic() < end, "redis-server does not start"
            time.sleep(0.02)
        yield RedisServer(process, f"redis+unix://{socket}")
    finally:
        process.kill()
        process.wait()
