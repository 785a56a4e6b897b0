"""A service as a process, in an environment without what a developer's shell may have."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

ROOT = Path(__file__).parents[3]
# What a developer's shell may have.
OURS = ("GRPC_", "GATEWAY_", "ENVIRONMENT", "LISTEN", "DATABASE_URL", "REFLECTION")


def build_environment(**variables: str) -> dict[str, str]:
    """The environment of a process, without our variables but these."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(OURS)}
    return {**kept, **variables}


@contextmanager
def serving(umask: int = -1, /, **variables: str) -> Iterator[subprocess.Popen[str]]:
    """A service that listens; its files are made under a `umask`, by default this process's."""
    process = subprocess.Popen(
        [sys.executable, "-m", "orders_svc"],
        cwd=ROOT,
        env=build_environment(**variables),
        stdout=subprocess.PIPE,
        text=True,
        umask=umask,
    )
    try:
        assert process.stdout
        first = process.stdout.readline()
        assert first, "it did not start"
        assert json.loads(first)["event"] == "listening"
        yield process
    finally:
        process.kill()
        process.wait()
        assert process.stdout
        process.stdout.close()
