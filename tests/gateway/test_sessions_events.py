"""A journey through HTTP and the desk, with events sent to a real endpoint, on both engines."""

import json
from collections.abc import Iterator
from time import monotonic, sleep
from typing import Any

import pytest
from flask.testing import FlaskClient
from standardwebhooks.webhooks import Webhook

from chassis.events.courier import Courier
from chassis.events.dispatcher import Dispatcher
from gateway.sessions import SESSION
from sessions_svc.documents.session_events import SESSION_EVENT_WRITER
from sessions_svc.store import tables
from tests.chassis.events.receiver import Receiver, answer_status, run_receiver
from tests.gateway.session_calls import SESSIONS, post
from tests.serving import Served
from tests.sessions_svc.desk import (
    build_dispensed_contacts,
    build_dispensed_glasses,
    create_partner,
    move,
)

PATIENCE = 20  # seconds


@pytest.fixture(scope="module", autouse=True)
def dispatcher(sessions: Served) -> Iterator[None]:
    """Delivers, as `python -m sessions_svc` does."""
    running = Dispatcher(sessions.database, tables.outbox, Courier(private=True))
    running.start()
    yield
    running.stop()


@pytest.fixture
def partner() -> Iterator[Receiver]:
    with run_receiver() as receiver:
        receiver.answers = [answer_status(201)]
        yield receiver


def wait_for(partner: Receiver, number: int) -> list[Any]:
    """Wait for this many deliveries, and return their bodies."""
    end = monotonic() + PATIENCE
    while len(partner.received) < number and monotonic() < end:
        sleep(0.02)
    assert len(partner.received) == number
    return [json.loads(each.body) for each in partner.received]


def test_it_works(
    http: FlaskClient, sessions: Served, body: Any, unique: str, partner: Receiver
) -> None:
    headers = {"X-Partner-Key": "k", "Authorization": "Bearer b"}
    configuration = {
        "products": ["example1", "example2"],
        "stores": [{"id": "store_1234"}],
        "endpoint": {"url": partner.url, "headers": headers, "secret": "whsec_" + "A" * 32},
    }
    caller = {"Authorization": create_partner(sessions, unique, **configuration)}
    keys = {"user_key": "user1", "session_key": unique}
    assert post(http, {**body("session"), **keys}, headers=caller).status_code == 201
    file = {"content_type": "application/pdf", "source": "JVBERi0xLjcK"}
    dispensed = [build_dispensed_contacts(assets=[file]), build_dispensed_glasses()]
    move(sessions, "StartExam", unique, partner=unique)
    move(sessions, "SubmitExam", unique, partner=unique)
    move(sessions, "Approve", unique, partner=unique, dispensed_prescriptions=dispensed)

    bodies = wait_for(partner, 3)
    single = http.get(SESSIONS, query_string=keys, headers=caller).get_json()
    assert [each.pop("created_at")[-1] for each in bodies] == ["Z"] * 3
    keys["store_id"] = "store_1234"
    assert bodies == [
        {**keys, "type": "session_updated", "status": "started"},
        {**keys, "type": "session_updated", "status": "awaiting_review"},
        {**keys, "type": "session_completed", "status": "approved", **single["data"]},
    ]
    for each in partner.received:
        Webhook("whsec_" + "A" * 32).verify(each.body, each.headers)
        assert (each.headers["x-partner-key"], each.headers["authorization"]) == ("k", "Bearer b")
        assert each.headers["content-type"] == "application/json"
    assert len(set(partner.ids())) == 3


def test_a_file_of_two_megabytes_arrives(
    http: FlaskClient, sessions: Served, body: Any, unique: str, partner: Receiver
) -> None:
    caller = {
        "Authorization": create_partner(
            sessions, unique, endpoint={"url": partner.url}, products=["example1", "example2"]
        ),
    }
    sent = {**body("session"), "session_key": unique, "store_id": None, "prescriptions": None}
    assert post(http, sent, headers=caller).status_code == 201
    move(sessions, "StartExam", unique, partner=unique)
    move(sessions, "SubmitExam", unique, partner=unique)
    move(sessions, "Approve", unique, partner=unique, source=bytes(range(256)) * 8192)
    completed = wait_for(partner, 3)[-1]
    query = {"user_key": sent["user_key"], "session_key": unique}
    single = http.get(SESSIONS, query_string=query, headers=caller).get_json()
    assert completed["dispensed_prescriptions"] == single["data"]["dispensed_prescriptions"]


def test_an_event_and_an_answer_leave_out_the_same_fields() -> None:
    assert (SESSION_EVENT_WRITER.nulls, SESSION.nulls) == (True, True)
    # A refund may come long after the last event; who asks with GET knows the person.
    in_answers = SESSION.optional - {"refunded_at"}
    assert SESSION_EVENT_WRITER.optional == in_answers | {"status", "person_ref"}
    assert SESSION_EVENT_WRITER.foreign == SESSION.foreign
