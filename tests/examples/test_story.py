"""The story of examples/README.md against `make run`, with both desks: Python, JavaScript."""

import json
import os
import re
import shutil
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from queue import Empty, Queue
from typing import IO, Any
from urllib.parse import urlencode

import pytest

from chassis.events.courier import Delivery, sign
from chassis.events.formats import FORM_TYPE
from tests.event_schemas import check_event
from tests.examples.node import NODE, install
from tests.journeys.test_make_run import Copy, find_free_address

ROOT = Path(__file__).parent.parent.parent
EXAMPLES = ROOT / "examples"
README = (EXAMPLES / "README.md").read_text()
WAITING = 60  # seconds at most until the events are there; it takes about two
LENSES = "Left contact lens: 1 of 4\nRight contact lens: 1 of 4\n"
SESSION_EVENTS = ["session_updated", "session_updated", "session_completed"]
ORDER_EVENTS = ["order.submitted", "order.status_changed", "order.status_changed"]
SUBSCRIPTION_EVENTS = [
    "subscriptions/created",
    "subscriptions/activated",
    "subscriptions/boxes_delivered",
]
pytestmark = pytest.mark.timeout(300)


def find_block(holding: str) -> str:
    """The shell block of the README that holds a text."""
    found = re.findall(r"^```sh\n(.*?)^```", README, re.DOTALL | re.MULTILINE)
    (block,) = (each for each in found if holding in each)
    return str(block)


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


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    """`make run` and the receiver, as the README starts them."""
    folder, receiver = tmp_path_factory.mktemp("story"), find_free_address()
    copy = Copy({"DATA_DIR": str(folder / "data"), "WEBHOOK_PRIVATE_TARGETS": "on"})
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


@pytest.fixture(scope="module")
def desks(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """How the desk is called in each language."""
    folder = tmp_path_factory.mktemp("desk")
    for name in ("desk.mjs", "package.json"):
        shutil.copy(EXAMPLES / name, folder)
    install(folder)
    return {"python": "python -m examples.desk", "javascript": f"{NODE} {folder / 'desk.mjs'}"}


@pytest.mark.parametrize("language", ["python", "javascript"])
def test_the_story_runs(stage: Stage, desks: dict[str, str], language: str) -> None:
    script = find_block("examples.optician").replace("python -m examples.desk", desks[language])
    script = script.replace("session-7", language).replace("ref-7", f"ref-{language}")
    printed = stage.shell(script.replace("1007", f"1007-{language}"))
    link, rest = printed.split("\n", 1)
    assert re.match(rf"{stage.environment['OPTIGATE_URL']}/login\?session_key={language}&", link)
    assert rest == f"approved\nshipped\nshipped\nactivating\n{LENSES}"
    events = stage.read_events(9)
    for event in events:
        check_fields(event)
    kinds = [each.get("event") or each["type"] for each in events]
    assert [kind for kind in kinds if kind.startswith("session_")] == SESSION_EVENTS
    assert [kind for kind in kinds if kind.startswith("order.")] == ORDER_EVENTS
    assert [kind for kind in kinds if kind.startswith("subscriptions/")] == SUBSCRIPTION_EVENTS
    completed = events[kinds.index("session_completed")]
    assert [each["type"] for each in completed["dispensed_prescriptions"]] == [
        "contacts",
        "glasses",
    ]
    delivered = events[kinds.index("subscriptions/boxes_delivered")]
    assert delivered["order_ref_1"] == f"ref-{language}"
    assert delivered["deliveries[][quantity]"] == ["1", "1"]


def test_a_desk_ends_with_the_refusal(stage: Stage, desks: dict[str, str]) -> None:
    for desk in desks.values():
        done = subprocess.run(
            [*desk.split(), "confirm", "unknown"],
            cwd=ROOT,
            env=stage.environment,
            capture_output=True,
            text=True,
            timeout=60,
        )
        assert (done.returncode, done.stdout) == (1, "")
        assert done.stderr == "NOT_FOUND: There is no such subscription.\n"


def test_the_receiver_refuses_what_is_not_genuine(stage: Stage) -> None:
    now, body = datetime.now(UTC), b'{"type":"order.submitted"}'

    def build(event_id: str, at: datetime = now) -> dict[str, str]:
        delivery = Delivery(
            "http://127.0.0.1/", {}, stage.secret, event_id, "application/json", body
        )
        return {**sign(delivery, at), "Content-Type": "application/json"}

    headers = build("evt_forged")
    assert stage.post(headers, body + b" ") == 401
    assert stage.post({**headers, "webhook-id": "evt_other"}, body) == 401
    assert stage.post({**headers, "webhook-signature": "v1,\xe9"}, body) == 401
    assert stage.post({"Content-Type": "application/json"}, body) == 401
    assert stage.post(build("evt_old", now - timedelta(minutes=6)), body) == 401
    assert [stage.post(build("evt_twice"), body) for _ in range(2)] == [204, 204]
    assert stage.post(build("evt_next"), body) == 204
    assert stage.read_events(2) == [{"type": "order.submitted"}] * 2
    assert stage.lines.empty()
