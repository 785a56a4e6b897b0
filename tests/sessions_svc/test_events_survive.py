"""`python -m sessions_svc` is killed between commit and delivery: every event arrives."""

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from time import monotonic, sleep
from typing import Any

import grpc
import pytest
from sqlalchemy import update

from chassis.context import utc_now
from chassis.store.database import Database
from protos.sessions_pb2_grpc import SessionDeskServiceStub, SessionServiceStub
from sessions_svc import reference
from sessions_svc.reference import REFERENCE
from sessions_svc.store import tables
from tests.chassis.events.receiver import Receiver, answer_status, hang, run_receiver
from tests.serving import build_basic, open_database
from tests.sessions_svc.bodies import create
from tests.sessions_svc.desk import build_request

ROOT = Path(__file__).parents[2]
WAIT_SECONDS = 30
SESSION_COUNT = 6  # more than are delivered to one endpoint at the same time


@pytest.fixture
def database(store_url: Callable[[str, str], str], engine: str) -> Iterator[Database]:
    """A store for the processes of this test."""
    opened = open_database(store_url("sessions", engine))
    yield opened
    opened.close()


@contextmanager
def run_service(database: Database) -> Iterator[grpc.Channel]:
    """Run the service in a process of its own, and kill it at the end."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        address = f"127.0.0.1:{free.getsockname()[1]}"
    environment = {
        **os.environ,
        "DATABASE_URL": database.url.render_as_string(hide_password=False),
        "LISTEN": address,
        "WEBHOOK_PRIVATE_TARGETS": "on",
    }
    command = [sys.executable, "-m", "sessions_svc"]
    with subprocess.Popen(command, cwd=ROOT, env=environment, stdout=subprocess.DEVNULL) as process:
        try:
            with grpc.insecure_channel(address) as channel:
                grpc.channel_ready_future(channel).result(WAIT_SECONDS)
                yield channel
        finally:
            process.send_signal(signal.SIGKILL)


def wait_until(happened: Callable[[], bool]) -> None:
    """Wait for something that another process does."""
    end = monotonic() + WAIT_SECONDS
    while not happened():
        assert monotonic() < end
        sleep(0.02)


def list_events(database: Database) -> list[Any]:
    """Return every event, oldest first."""
    with database.read() as tx:
        return list(reversed(tables.outbox.find(tx, 100)))


def test_every_event_arrives_with_its_id(database: Database) -> None:
    with run_receiver() as partner:
        partner.answers = [hang]
        set_endpoint(database, partner)
        with run_service(database) as channel:
            create_and_move_sessions(channel)
            wait_until(lambda: len(partner.received) >= 3)
        attempted = dict.fromkeys(partner.ids())
        made = list_events(database)
        assert len(made) == 2 * SESSION_COUNT
        assert {each.state for each in made} == {"pending"}

        # Rather than wait a minute for the leases of the dead process to expire.
        with database.write() as tx:
            tx.execute(update(tables.outbox.table).values(due_at=utc_now()))
        partner.received.clear()
        partner.answers = [answer_status(201)]
        with run_service(database):
            wait_until(lambda: {each.state for each in list_events(database)} == {"delivered"})

    assert set(attempted) <= {each.id for each in made}
    arrived = {each.headers["webhook-id"]: each.body for each in partner.received}
    assert arrived == {each.id: each.body.encode() for each in made}
    for key in {each.stream for each in made}:
        own = [each.id for each in made if each.stream == key]
        assert [each for each in partner.ids() if each in own] == own


def set_endpoint(database: Database, partner: Receiver) -> None:
    """Set the endpoint of the demo partner."""
    values = REFERENCE.load(
        {"partners": [{"account": "demo-partner", "endpoint": {"url": partner.url}}]}
    )
    with database.write() as tx:
        reference.load(tx, values)


def create_and_move_sessions(channel: grpc.Channel) -> None:
    """Create sessions, start and submit their exams."""
    partner, desk = SessionServiceStub(channel), SessionDeskServiceStub(channel)
    as_partner = (("authorization", build_basic("demo-partner")),)
    as_staff = (("authorization", build_basic("demo-staff")),)
    for number in range(SESSION_COUNT):
        key = f"session-{number}"
        partner.CreateSession(create(session_key=key), timeout=20, metadata=as_partner)
        for rpc in ("StartExam", "SubmitExam"):
            getattr(desk, rpc)(build_request(rpc, key), timeout=20, metadata=as_staff)
