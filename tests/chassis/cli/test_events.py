"""The command line of events, and the processes that deliver: orders stands for all."""

import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from sqlalchemy import update
from standardwebhooks.webhooks import Webhook

from chassis.store.database import Database
from orders_svc.__main__ import cli
from tests.chassis.events.outboxes import Box, wait_until
from tests.chassis.events.receiver import Receiver, answer_status, hang

ROOT = Path(__file__).parents[3]


@pytest.fixture(scope="module")
def url(store_url: Callable[[str, str], str], engine: str) -> str:
    return store_url("orders", engine)


@pytest.fixture
def box(url: str) -> Iterator[Box]:
    """The outbox at the present time; its endpoints are removed when a test ends."""
    database = Database(url)
    made = Box(database, now=datetime.now(UTC))
    yield made
    made.clear()
    database.close()


def run(url: str, *words: str) -> tuple[int, str]:
    """Run a command in this process; return its exit code and output."""
    done = CliRunner().invoke(cli, ["--database-url", url, *words])
    return done.exit_code, done.stdout + done.stderr


@contextmanager
def process(
    url: str, *words: str, log: int = subprocess.PIPE, **environment: str
) -> Iterator[subprocess.Popen[str]]:
    """Starts Python processes; kills those still running at the end."""
    with subprocess.Popen(
        [sys.executable, "-m", *words],
        cwd=ROOT,
        env={**os.environ, "DATABASE_URL": url, **environment},
        stdout=log,
        stderr=None if log == subprocess.PIPE else subprocess.PIPE,
        text=True,
    ) as started:
        try:
            yield started
        finally:
            started.kill()


@contextmanager
def service(url: str, *words: str, private: str = "on", **environment: str) -> Iterator[Any]:
    """Start the orders service, and wait until it logs that it listens."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        listen = f"127.0.0.1:{free.getsockname()[1]}"
    settings: dict[str, Any] = {
        **environment,
        "LISTEN": listen,
        "WEBHOOK_PRIVATE_TARGETS": private,
    }
    with process(url, "orders_svc", *words, **settings) as started:
        assert started.stdout
        assert json.loads(started.stdout.readline())["event"] in ("listening", "dispatching")
        yield started


def stop_process(started: subprocess.Popen[str]) -> list[dict[str, Any]]:
    """Stop a process; return what it logged."""
    started.send_signal(signal.SIGTERM)
    said = started.communicate(timeout=20)[0]
    assert started.returncode == 0
    return [json.loads(line) for line in said.splitlines()]


def test_it_works(url: str, box: Box, unique: str) -> None:
    box.put(unique, events=["thing.moved", "thing.shown"])
    one = box.add(unique, "a")
    box.now += timedelta(seconds=1)
    two = box.add(unique, "b", "thing.shown")
    (first, _) = box.lease(unique)
    box.settle(first, state="dead", last_status=500, last_error="status")
    code, said = run(url, "events", "list", "--owner", unique)
    header, *lines = [line.split("\t") for line in said.splitlines()]
    assert (code, header[0], header[-1]) == (0, "id", "last answer")
    assert [line[:1] + line[2:] for line in lines] == [
        [two, unique, "b", "thing.shown", "pending", "1", "-"],
        [one, unique, "a", "thing.moved", "dead", "1", "500"],
    ]
    assert all(re.fullmatch(r"-?\d+s", line[1]) for line in lines)

    for words in (["--state", "dead"], ["--type", "thing.moved"], ["--stream", "a"]):
        _, said = run(url, "events", "list", "--owner", unique, *words)
        assert [line.split("\t")[0] for line in said.splitlines()] == ["id", one]
    _, said = run(url, "events", "list", "--owner", unique, "--most", "1")
    assert [line.split("\t")[0] for line in said.splitlines()] == ["id", two]
    assert run(url, "events", "list", "--owner", "nobody", "--json") == (0, "[]\n")


def test_an_event_is_delivered_again_with_the_same_id(
    url: str, box: Box, partner: Receiver, unique: str
) -> None:
    box.put(unique, url=partner.url)
    id_ = str(box.add(unique))
    with service(url, "dispatch") as dispatcher:
        wait_until(lambda: box.states(unique) == ["delivered"])
        assert run(url, "events", "replay", id_) == (0, "1 to be delivered\n")
        wait_until(lambda: len(partner.received) == 2 and box.states(unique) == ["delivered"])
        said = stop_process(dispatcher)
    assert partner.ids() == [id_, id_]
    assert [line["event"] for line in said] == ["delivery", "delivery", "stopped"]


def test_an_owners_events_are_delivered_again(url: str, box: Box, unique: str) -> None:
    box.put(unique)
    for stream in ("delivered", "dead", "cancelled", "pending"):
        box.add(unique, stream)
    for leased in box.lease(unique):
        if leased.stream != "pending":
            box.settle(leased, state=leased.stream)
    words = ["events", "replay", "--owner", unique]
    assert run(url, *words) == (0, "2 to be delivered\n")
    assert box.states(unique) == ["delivered", "pending", "pending", "pending"]
    assert run(url, *words) == (0, "0 to be delivered\n")
    assert run(url, *words, "--state", "delivered") == (0, "1 to be delivered\n")


def test_endpoints_are_listed_enabled_and_have_a_secret(url: str, box: Box, unique: str) -> None:
    box.put(unique, url="https://partner.example/events?token=t")
    id_ = str(box.add(unique))
    assert run(url, "events", "endpoints") == (
        0,
        f"owner\turl\tstate\n{unique}\thttps://partner.example/events\tenabled\n",
    )
    secret = box.endpoint(unique).secret
    assert run(url, "events", "secret", unique) == (0, f"{secret}\n")
    box.disable(unique)
    _, said = run(url, "events", "endpoints")
    assert said.endswith(f"\tdisabled {box.now:%Y-%m-%d}\n")
    refused = (
        1,
        "Error: The endpoint is disabled (it answered 410): run `events enable`.\n",
    )
    assert run(url, "events", "replay", id_) == refused
    assert run(url, "events", "replay", "--owner", unique) == refused
    assert run(url, "events", "enable", unique) == (0, "")
    assert run(url, "events", "replay", id_) == (0, "1 to be delivered\n")


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["replay", "evt_none"], "Error: No such event; it may have expired.\n"),
        (["replay", "--owner", "nobody"], "Error: This owner has no endpoint.\n"),
        (["enable", "nobody"], "Error: This owner has no endpoint.\n"),
        (["secret", "nobody"], "Error: This owner has no endpoint.\n"),
    ],
)
def test_missing_things_are_reported(url: str, words: list[str], said: str) -> None:
    assert run(url, "events", *words) == (1, said)


@pytest.mark.parametrize("words", [[], ["evt_1", "--owner", "somebody"]])
def test_a_replay_is_of_one_event_or_of_one_owner(url: str, words: list[str]) -> None:
    code, said = run(url, "events", "replay", *words)
    assert code == 2
    assert "Pass the id of an event, or --owner." in said


def test_a_sample_is_sent_at_once(url: str, box: Box, partner: Receiver, unique: str) -> None:
    box.put(unique, url=partner.url)
    code, said = run(url, "events", "test", unique, "--private-targets")
    (received,) = partner.received
    id_ = received.headers["webhook-id"]
    assert (code, said) == (0, f"{id_}\t204\n")
    sent = Webhook(box.endpoint(unique).secret).verify(received.body, received.headers)
    assert sent["type"] == "test"
    assert box.rows(unique) == []
    partner.answers = [answer_status(500)]
    code, said = run(url, "events", "test", unique, "--private-targets")
    assert (code, said.split("\t")[1]) == (1, "500\n")
    code, said = run(url, "events", "test", unique)
    assert (code, said.split("\t")[1]) == (1, "private\n")
    assert run(url, "events", "test", "nobody") == (1, "Error: This owner has no endpoint.\n")


def test_serve_delivers(url: str, box: Box, partner: Receiver, unique: str) -> None:
    box.put(unique, url=partner.url)
    with service(url) as serving:
        id_ = box.add(unique)
        wait_until(lambda: box.states(unique) == ["delivered"])
        said = stop_process(serving)
    assert partner.ids() == [id_]
    assert [line["event"] for line in said] == ["delivery", "stopped"]


def test_with_the_dispatcher_off_any_number_of_others_deliver_each_event_once(
    url: str, box: Box, partner: Receiver, unique: str
) -> None:
    box.put(unique, url=partner.url)
    with service(url, DISPATCHER="off") as serving:
        with service(url, "dispatch"), service(url, "dispatch"):
            ids = [box.add(unique, f"s{number % 7}") for number in range(50)]
            wait_until(lambda: set(box.states(unique)) == {"delivered"})
        box.add(unique)
        time.sleep(1.5)
        assert [line["event"] for line in stop_process(serving)] == ["stopped"]
    assert sorted(partner.ids()) == sorted(map(str, ids))


@pytest.mark.parametrize("engine", ["sqlite"], indirect=True)
def test_private_targets_are_refused_by_default(
    url: str, box: Box, partner: Receiver, unique: str
) -> None:
    box.put(unique, url=partner.url)
    box.add(unique)
    with service(url, private=""):
        wait_until(lambda: box.rows(unique)[0].last_error == "private")
    assert partner.received == []


@pytest.mark.parametrize("engine", ["sqlite"], indirect=True)
def test_a_signal_lets_the_delivery_at_work_finish(
    url: str, box: Box, partner: Receiver, unique: str
) -> None:
    def answer_slowly(handler: Any) -> None:
        time.sleep(1)
        answer_status(200)(handler)

    partner.answers = [answer_slowly]
    box.put(unique, url=partner.url)
    with service(url) as serving:
        box.add(unique)
        wait_until(lambda: len(partner.received) == 1)
        said = stop_process(serving)
    assert box.states(unique) == ["delivered"]
    assert [line["event"] for line in said] == ["delivery", "stopped"]


def run_out(box: Box, owner: str) -> None:
    """Let all leases of an owner run out, as they do a minute after their holder has died."""
    table = box.outbox.table
    with box.database.write() as tx:
        mine = (table.c.owner == owner) & (table.c.state == "pending")
        tx.execute(update(table).where(mine).values(due_at=datetime.now(UTC)))


@pytest.mark.parametrize("engine", ["sqlite"], indirect=True)
def test_a_service_killed_during_a_delivery_delivers_it_again(
    url: str, box: Box, partner: Receiver, unique: str
) -> None:
    partner.answers = [hang, answer_status(200)]
    box.put(unique, url=partner.url)
    id_ = box.add(unique)
    with service(url) as serving:
        wait_until(lambda: len(partner.received) == 1)
        serving.send_signal(signal.SIGKILL)
        serving.wait()
    assert box.states(unique) == ["pending"]
    run_out(box, unique)
    with service(url):
        wait_until(lambda: box.states(unique) == ["delivered"])
    assert partner.ids() == [id_, id_]


def test_every_event_that_was_committed_arrives_after_a_kill(
    url: str, box: Box, partner: Receiver, unique: str
) -> None:
    box.put(unique, url=partner.url)
    committed: list[str] = []
    words = ["tests.chassis.events.event_writer", url, unique]
    with process(url, *words, log=subprocess.DEVNULL) as writer:
        assert writer.stderr
        while len(committed) < 60 or len(partner.received) < 10:
            committed.append(writer.stderr.readline().strip())
        writer.send_signal(signal.SIGKILL)
        committed += writer.stderr.read().split()
        writer.wait()
    rows = {row.id: row for row in box.rows(unique)}
    assert set(committed) <= rows.keys()
    assert "pending" in [row.state for row in rows.values()]
    run_out(box, unique)
    with service(url, "dispatch"):
        wait_until(lambda: set(box.states(unique)) == {"delivered"}, 60)
    arrived = {each.headers["webhook-id"]: each.body.decode() for each in partner.received}
    assert arrived == {id_: row.body for id_, row in rows.items()}
