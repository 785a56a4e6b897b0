"""The story of examples/README.md against `make run`, with both desks: Python, JavaScript."""

import re
import shutil
import subprocess
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest

from chassis.events.courier import Delivery, sign
from tests.examples.node import NODE, install
from tests.examples.stage import EXAMPLES, ROOT, Stage, check_fields, find_block, run_stage

LENSES = "Left contact lens: 1 of 4\nRight contact lens: 1 of 4\n"
SESSION_EVENTS = ["session_updated", "session_updated", "session_completed"]
ORDER_EVENTS = ["order.submitted", "order.status_changed", "order.status_changed"]
SUBSCRIPTION_EVENTS = [
    "subscriptions/created",
    "subscriptions/activated",
    "subscriptions/boxes_delivered",
]
pytestmark = pytest.mark.timeout(300)


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    """`make run` and the receiver, as the README starts them."""
    with run_stage(tmp_path_factory.mktemp("story")) as running:
        yield running


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
