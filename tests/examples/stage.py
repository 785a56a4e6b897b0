"""`make run` with a receiver of its events, as examples/README.md starts them."""

import json
import os
import re
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from queue import Empty, Queue
from typing import IO, Any
from urllib.parse import urlencode

from chassis.events.formats import FORM_TYPE
from tests.event_schemas import check_event
from tests.journeys.test_make_run import Copy
from tests.ports import find_free_address

ROOT = Path(__file__).parent.parent.parent
EXAMPLES = ROOT / "examples"
README = (EXAMPLES / "README.md").read_text()
WAITING = 60  # seconds at most until the events are there; it takes about two


def list_blocks() -> list[str]:
    """The shell blocks of the README."""
    return re.findall(r"^```sh\n(.*?)^```", README, re.DOTALL | re.MULTILINE)


def find_block(holding: str) -> str:
    """The shell block of the README that holds a text."""
    (block,) = (each for each in list_blocks() if holding in each)
    return block


def check_fields(fields: dict[str, Any]) -> None:
    """Fail unless an event is as the schema of its type says."""
    type_: str = fields.get("event") or fields["type"]
    api = type_.partition("/")[0] if "/" in type_ else f"{re.split('[_.]', type_)[0]}s"
    if api != "subscriptions":
        check_event(api, type_, "application/json", json.dumps(fields))
        return
    listed = {name: each for name, each in fields.items() if "[]" in name}
    form = [(name, each) for name, each in fields.items() if name not in listed]
    items = zip(*listed.values(), strict=True)
    form += [pair for item in items for pair in zip(listed, item, strict=True)]
    check_event(api, type_, FORM_TYPE, urlencode(form))


@dataclass
class Stage:
    """A running copy, and the receiver's address, secret and lines."""

    copy: Copy
    environment: dict[str, str]
    receiver: str
    secret: str
    lines: Queue[str]

    def shell(self, script: str) -> str:
        """Run a script as a reader would, and return its output."""
        done = subprocess.run(
            ["bash", "-euo", "pipefail", "-c", script],
            cwd=ROOT,
            env=self.environment,
            capture_output=True,
            text=True,
            timeout=120,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def read_events(self, number: int) -> list[dict[str, Any]]:
        """The next events that the receiver has verified and printed."""
        end = time.monotonic() + WAITING
        found: list[dict[str, Any]] = []
        while len(found) < number:
            try:
                line = self.lines.get(timeout=max(0.0, end - time.monotonic()))
            except Empty:
                raise AssertionError(f"only {found}") from None
            found.append(json.loads(line)["fields"])
        return found

    def post(self, headers: dict[str, str], body: bytes) -> int:
        """Send an event to the receiver, and return the status of its answer."""
        request = urllib.request.Request(f"http://{self.receiver}/events", body, headers)
        try:
            with urllib.request.urlopen(request, timeout=10) as answer:
                return int(answer.status)
        except urllib.error.HTTPError as error:
            return error.code


def put_lines(lines: IO[str], queue: Queue[str]) -> None:
    """Move what a process prints into a queue, until it ends."""
    for line in lines:
        queue.put(line)


@contextmanager
def run_stage(folder: Path, more: Mapping[str, str] | None = None) -> Iterator[Stage]:
    """Run `make run` and the receiver until the end of the block; `more` are variables of both."""
    receiver = find_free_address()
    settings = {"DATA_DIR": str(folder / "data"), "WEBHOOK_PRIVATE_TARGETS": "on"}
    copy = Copy({**settings, **(more or {})})
    environment = {
        **copy.environment,
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
        "OPTIGATE_URL": f"http://{copy.addresses['GATEWAY_BIND']}",
    }
    for file in (EXAMPLES / "endpoints").iterdir():
        (folder / file.name).write_text(file.read_text().replace("127.0.0.1:8090", receiver))
    loads, start = find_block("examples.receiver").split("done\n")
    (secret,) = re.findall(r"WEBHOOK_SECRET=(\S+)", start)
    made = Stage(copy, environment, receiver, secret, Queue())
    copy.start()
    start = start.replace("8090", receiver.partition(":")[2])
    process = subprocess.Popen(
        ["bash", "-c", f"exec env {start}"],
        cwd=ROOT,
        env=environment,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout
    lines = process.stdout
    reading = threading.Thread(target=put_lines, args=(lines, made.lines))
    reading.start()
    try:
        made.shell(loads.replace("examples/endpoints", str(folder)) + "done")
        yield made
    finally:
        process.terminate()
        process.wait(10)
        reading.join(10)
        lines.close()
        copy.kill()
