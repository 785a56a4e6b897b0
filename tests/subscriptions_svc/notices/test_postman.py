"""Stored messages are sent: once if nothing fails, and never lost."""

import os
import subprocess
import sys
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from chassis.notices.messages import (
    EMAIL,
    SMS,
    Message,
    Undeliverable,
    build_content,
)
from chassis.notices.postman import Postman
from chassis.notices.queue import LEASE_TIME, MAX_TRIES
from chassis.store.database import Database
from subscriptions_svc.store import messages
from subscriptions_svc.store import tables as store
from tests.chassis.logs import capture_log
from tests.serving import open_database

MOMENT = datetime(2026, 3, 1, 10, 30, tzinfo=UTC)
CONTENT = build_content(
    "john@example.com", "Your subscription", "See http://x/s/abc", "en", "The shop"
)


class Clock:
    """A clock that a test moves."""

    def __init__(self) -> None:
        self.now = MOMENT

    def __call__(self) -> datetime:
        return self.now


class Wire:
    """A channel that a test makes fail."""

    def __init__(self) -> None:
        self.sent: list[Message] = []
        self.fails: Exception | None = None

    def send(self, message: Message) -> None:
        if self.fails:
            raise self.fails
        self.sent.append(message)


@pytest.fixture
def database(store_url: Callable[[str, str], str], engine: str) -> Iterator[Database]:
    database = open_database(store_url("subscriptions", engine))
    yield database
    database.close()


def add(database: Database, channel: str = EMAIL, now: datetime = MOMENT, **changes: Any) -> str:
    cart_id = str(uuid.uuid4())
    with database.write() as tx:
        assert messages.add_message(tx, cart_id, channel, CONTENT | changes, 1, now)
    return cart_id


def read_rows(database: Database) -> list[Any]:
    with database.read() as tx:
        ordered = store.messages.select().order_by(store.messages.c.created_at)
        return list(tx.execute(ordered).all())


def test_it_works(database: Database) -> None:
    wire, clock = Wire(), Clock()
    postman = Postman(database, messages.QUEUE, {EMAIL: wire}, clock)
    add(database)
    clock.now += timedelta(seconds=1)

    assert postman.send_one()
    assert not postman.send_one()

    (kept,) = read_rows(database)
    assert wire.sent == [Message(id=kept.id, channel=EMAIL, created_at=MOMENT, **CONTENT)]
    assert (kept.outcome, kept.ended_at, kept.due_at) == ("sent", clock.now, None)
    assert (kept.tries, kept.content) == (1, None)


def test_each_message_goes_through_its_channel(database: Database) -> None:
    mail, sms = Wire(), Wire()
    postman = Postman(database, messages.QUEUE, {EMAIL: mail, SMS: sms}, Clock())
    add(database, SMS, to="679959234")
    add(database, EMAIL)
    while postman.send_one():
        pass
    assert [message.to for message in mail.sent] == ["john@example.com"]
    assert [message.to for message in sms.sent] == ["679959234"]


def test_a_failed_message_is_tried_again_ever_later(database: Database) -> None:
    wire, clock = Wire(), Clock()
    wire.fails = ConnectionRefusedError()
    postman = Postman(database, messages.QUEUE, {EMAIL: wire}, clock)
    add(database)
    waits = []
    while read_rows(database)[0].due_at:
        assert postman.send_one()
        assert not postman.send_one()
        due = read_rows(database)[0].due_at
        waits.append(due and (due - clock.now).total_seconds())
        clock.now = due or clock.now
    assert waits == [5, 10, 20, 40, 80, 160, 320, 640, 1280, None]
    assert len(waits) == MAX_TRIES
    (kept,) = read_rows(database)
    assert (kept.outcome, kept.content) == ("failed", None)


def test_a_failed_message_is_sent_when_the_channel_is_back(database: Database) -> None:
    wire, clock = Wire(), Clock()
    wire.fails = ConnectionRefusedError()
    postman = Postman(database, messages.QUEUE, {EMAIL: wire}, clock)
    add(database)
    assert postman.send_one()
    wire.fails = None
    assert not postman.send_one()
    clock.now += timedelta(seconds=5)
    assert postman.send_one()
    assert len(wire.sent) == 1
    assert read_rows(database)[0].outcome == "sent"


def test_undeliverable_messages_are_tried_once(database: Database) -> None:
    wire = Wire()
    wire.fails = Undeliverable("550")
    postman = Postman(database, messages.QUEUE, {EMAIL: wire}, Clock())
    add(database)
    assert postman.send_one()
    (kept,) = read_rows(database)
    assert (kept.outcome, kept.tries, kept.content) == ("failed", 1, None)


def test_one_that_fails_holds_up_no_other(database: Database) -> None:
    mail, sms = Wire(), Wire()
    mail.fails = ConnectionRefusedError()
    postman = Postman(database, messages.QUEUE, {EMAIL: mail, SMS: sms}, Clock())
    add(database, EMAIL)
    add(database, SMS, MOMENT - timedelta(seconds=1), to="679959234")
    while postman.send_one():
        pass
    assert len(sms.sent) == 1


def test_a_message_whose_sender_died_is_sent_by_another(database: Database) -> None:
    wire, clock = Wire(), Clock()
    add(database)
    with database.write() as tx:
        assert messages.QUEUE.lease(tx, clock.now) is not None

    another = Postman(database, messages.QUEUE, {EMAIL: wire}, clock)
    assert not another.send_one()
    clock.now += LEASE_TIME
    assert another.send_one()
    assert len(wire.sent) == 1


def test_a_sender_without_its_lease_records_nothing(database: Database) -> None:
    clock = Clock()
    add(database)
    with database.write() as tx:
        slow = messages.QUEUE.lease(tx, clock.now)
    clock.now += LEASE_TIME
    assert Postman(database, messages.QUEUE, {EMAIL: Wire()}, clock).send_one()
    assert slow is not None
    with database.write() as tx:
        messages.QUEUE.record_failure(tx, slow, clock.now, lasting=False)
    (kept,) = read_rows(database)
    assert (kept.outcome, kept.due_at) == ("sent", None)


def test_several_postmen_send_each_message_once(database: Database) -> None:
    wire = Wire()
    loops = [Postman(database, messages.QUEUE, {EMAIL: wire}).create_loop() for _ in range(4)]
    for _ in range(30):
        add(database)
    for loop in loops:
        loop.start()
    end = threading.Event()
    for _ in range(200):
        if all(row.outcome for row in read_rows(database)):
            break
        end.wait(0.05)
    for loop in loops:
        loop.stop()
    assert len(wire.sent) == len({message.id for message in wire.sent}) == 30
    assert {row.outcome for row in read_rows(database)} == {"sent"}


def test_no_transaction_is_open_while_a_message_is_sent(database: Database) -> None:
    class Slow:
        def send(self, message: Message) -> None:
            add(database, SMS)  # would wait for its turn, on SQLite without end

    add(database)
    assert Postman(database, messages.QUEUE, {EMAIL: Slow()}, Clock()).send_one()
    assert [row.outcome for row in read_rows(database)].count("sent") == 1


def test_what_is_sent_takes_no_word_of_it_to_the_log(database: Database) -> None:
    wire = Wire()
    postman = Postman(database, messages.QUEUE, {EMAIL: wire}, Clock())
    with capture_log() as lines:
        add(database)
        postman.send_one()
        wire.fails = RuntimeError("john@example.com is no good")
        add(database)
        postman.send_one()
    said = [(line["event"], line["method"]) for line in lines()]
    assert said == [("message sent", "email"), ("message not sent", "email")]
    assert "john" not in str(lines())


def test_a_serving_process_sends_what_one_before_it_has_kept(
    store_url: Callable[[str, str], str], engine: str, tmp_path: Path
) -> None:
    url, folder = store_url("subscriptions", engine), tmp_path / "messages"
    database = open_database(url)
    add(database)
    database.close()
    with process(url, LISTEN="127.0.0.1:0", DATA_DIR=str(tmp_path)) as served:
        for _ in range(200):
            if list(folder.glob("*.eml*")):
                break
            time.sleep(0.05)
        assert len(list(folder.glob("*.eml*"))) == 1
        served.terminate()
        assert served.wait(20) == 0


def test_a_bad_setting_stops_the_start(
    store_url: Callable[[str, str], str], engine: str, tmp_path: Path
) -> None:
    url = store_url("subscriptions", engine)
    settings = {"LISTEN": "127.0.0.1:0", "DATA_DIR": str(tmp_path), "SMTP_HOST": "mail.example"}
    with process(url, **settings) as served:
        assert served.wait(30) == 1
        assert served.stderr is not None
        assert "MAIL_FROM" in served.stderr.read()


@contextmanager
def process(url: str, **environment: str) -> Iterator[subprocess.Popen[str]]:
    """`python -m subscriptions_svc` on a store; it is ended whatever happens."""
    started = subprocess.Popen(
        [sys.executable, "-m", "subscriptions_svc"],
        env={**os.environ, "DATABASE_URL": url, **environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        assert started.stdout is not None
        line = started.stdout.readline()
        assert not line or '"listening"' in line
        yield started
    finally:
        started.kill()
        started.communicate()
