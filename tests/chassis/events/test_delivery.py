"""The dispatcher: delivery, order, retries and giving up."""

import json
import threading
from datetime import timedelta
from typing import Any

import pytest
from standardwebhooks.webhooks import Webhook

from chassis.events import dispatcher as delivery
from chassis.events.courier import Courier
from chassis.events.dispatcher import BACKOFF
from chassis.events.formats import FORM_TYPE
from tests.chassis.events.outboxes import Box
from tests.chassis.events.receiver import Receiver, answer_status, hang, redirect, reset
from tests.chassis.logs import capture_log


def test_it_works(box: Box, partner: Receiver, unique: str) -> None:
    box.put(unique, url=partner.url, headers={"X-Key": "k"})
    id_ = box.add(unique, body='{"größe":1}')
    box.move_on(seconds=1)
    box.deliver()
    (received,) = partner.received
    assert received.headers["webhook-id"] == id_
    assert received.headers["webhook-timestamp"] == str(int(box.now.timestamp()))
    assert (received.headers["x-key"], received.body) == ("k", '{"größe":1}'.encode())
    (row,) = box.rows(unique)
    assert (row.state, row.attempts, row.ended_at) == ("delivered", 1, box.now)
    assert (row.last_status, row.last_error) == (204, None)
    box.deliver()
    assert len(partner.received) == 1


def test_the_signature_is_made_with_the_endpoints_secret(
    box: Box, partner: Receiver, unique: str
) -> None:
    box.put(unique, url=partner.url)
    box.now = box.now.now(box.now.tzinfo)  # the verifier looks at the clock
    box.add(unique)
    box.deliver()
    (received,) = partner.received
    secret = box.endpoint(unique).secret
    assert Webhook(secret).verify(received.body, received.headers) == {"a": 1}


def test_an_answer_500_is_tried_again_with_the_same_id(
    box: Box, partner: Receiver, unique: str
) -> None:
    box.put(unique, url=partner.url)
    id_ = box.add(unique)
    partner.answers = [answer_status(500), answer_status(200)]
    box.deliver()
    assert box.read_last(unique) == ("pending", 1, 500, "status")
    box.move_on(seconds=9)
    box.deliver()
    assert len(partner.received) == 1
    box.move_on(seconds=1)
    box.deliver()
    assert box.read_last(unique) == ("delivered", 2, 200, None)
    assert partner.ids() == [id_, id_]
    first, second = (each.headers["webhook-timestamp"] for each in partner.received)
    assert int(second) - int(first) == 10


def test_after_ten_retries_it_is_given_up(box: Box, partner: Receiver, unique: str) -> None:
    box.put(unique, url=partner.url)
    box.add(unique)
    partner.answers = [answer_status(503)]
    began, tried = box.now, []
    while box.states(unique) == ["pending"]:
        box.now = box.rows(unique)[0].due_at
        tried.append((box.now - began).total_seconds())
        box.deliver()
    assert tried == [0, 10, 40, 130, 400, 1210, 3640, 10930, 32800, 76000, 119200]
    assert len(partner.received) == 11
    assert len(set(partner.ids())) == 1
    assert box.read_last(unique) == ("dead", 11, 503, "status")


def test_backoff_has_jitter() -> None:
    assert BACKOFF.compute_delay(1, 0) == timedelta(seconds=8)
    assert BACKOFF.compute_delay(1, 0.5) == timedelta(seconds=10)
    assert BACKOFF.compute_delay(1, 1) == timedelta(seconds=12)
    assert BACKOFF.compute_delay(10, 1) == timedelta(hours=14.4)


def test_no_answer_is_a_failure(box: Box, partner: Receiver, unique: str) -> None:
    for answering, word in ((hang, "timeout"), (reset, "reset")):
        partner.answers = [answering]
        box.put(f"{unique}-{word}", url=partner.url)
        box.add(f"{unique}-{word}")
        box.deliver(timeout=0.3)
        assert box.read_last(f"{unique}-{word}") == ("pending", 1, None, word)


def test_an_unforeseen_error_is_a_failure(
    box: Box, partner: Receiver, unique: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: Any) -> Any:
        raise LookupError("secret")

    monkeypatch.setattr(Courier, "deliver", fail)
    box.put(unique, url=partner.url)
    box.add(unique)
    with capture_log() as lines:
        box.deliver()
    assert box.read_last(unique) == ("pending", 1, None, "error")
    assert [line.get("error") for line in lines()] == ["LookupError", None]
    assert "secret" not in str(lines())


def test_501_declines_the_event_and_the_next_one_comes(
    box: Box, partner: Receiver, unique: str
) -> None:
    box.put(unique, url=partner.url)
    box.add(unique)
    box.add(unique)
    partner.answers = [answer_status(501), answer_status(200)]
    box.deliver()
    assert box.states(unique) == ["declined", "delivered"]
    assert box.rows(unique)[0].ended_at == box.now


def test_410_disables_the_endpoint_and_cancels_what_waits(
    box: Box, partner: Receiver, unique: str
) -> None:
    box.put(unique, url=partner.url)
    for stream in ("a", "a", "b"):
        box.add(unique, stream)
    partner.answers = [answer_status(410)]
    box.deliver()
    assert box.endpoint(unique).disabled_at == box.now
    assert box.states(unique) == ["cancelled"] * 3
    assert box.rows(unique)[0].last_status == 410
    assert len(partner.received) <= 2

    box.add(unique, "c")
    box.deliver()
    assert len(partner.received) <= 2

    partner.answers, partner.received = [answer_status(200)], []
    box.put(unique, url=f"{partner.url}/new")
    with box.database.write() as tx:
        assert box.outbox.replay_all(tx, unique, ["cancelled"], box.now) == 4
    box.deliver()
    assert box.states(unique) == ["delivered"] * 4
    assert sorted(partner.ids()) == sorted(row.id for row in box.rows(unique))
    assert {each.path for each in partner.received} == {"/events/new"}


def test_concurrent_410_answers_disable_the_endpoint_once(
    box: Box, partner: Receiver, unique: str
) -> None:
    together = threading.Barrier(4)

    def answer_gone(handler: Any) -> None:
        together.wait(20)
        answer_status(410)(handler)

    box.put(unique, url=partner.url)
    for stream in ("a", "b", "c", "d"):
        box.add(unique, stream)
    partner.answers = [answer_gone]
    box.deliver(timeout=30)
    assert [(row.state, row.last_status) for row in box.rows(unique)] == [("cancelled", 410)] * 4


def test_410_of_a_url_that_was_replaced_meanwhile_is_a_failure(
    box: Box, partner: Receiver, unique: str
) -> None:
    def replace_url(handler: Any) -> None:
        box.put(unique, url=f"{partner.url}/new")
        answer_status(410)(handler)

    box.put(unique, url=partner.url)
    box.add(unique)
    partner.answers = [replace_url]
    box.deliver()
    assert box.endpoint(unique).disabled_at is None
    assert box.read_last(unique) == ("pending", 1, 410, "status")


def test_a_redirect_is_followed(box: Box, partner: Receiver, unique: str) -> None:
    box.put(unique, url=partner.url)
    id_ = box.add(unique)
    partner.at["/events"] = redirect(307, "/moved")
    box.deliver()
    assert box.read_last(unique) == ("delivered", 1, 204, None)
    assert [(each.path, each.headers["webhook-id"]) for each in partner.received] == [
        ("/events", id_),
        ("/moved", id_),
    ]


def test_the_order_of_a_stream_is_kept_while_one_fails(
    box: Box, partner: Receiver, unique: str
) -> None:
    box.put(unique, url=partner.url)
    one, two, three = (box.add(unique, "a") for _ in range(3))
    partner.answers = [answer_status(500), answer_status(200)]
    box.deliver()
    assert partner.ids() == [one]
    other = box.add(unique, "b")
    box.deliver()
    assert partner.ids() == [one, other]
    box.move_on(seconds=10)
    box.deliver()
    assert partner.ids() == [one, other, one, two, three]


@pytest.mark.parametrize(
    ("status", "asked", "waited"),
    [
        (503, "120", 120),
        (429, "3", 10),  # less than the backoff
        (500, "Sun, 01 Mar 2026 12:05:00 GMT", 300),
        (503, "Sun, 01 Mar 2026 11:00:00 GMT", 10),
        (503, "999999999999", 12 * 3600),
        (503, "soon", 10),
        (503, "-5", 10),
        (503, "Thu, 99 Foo 2026 12:05:00 GMT", 10),
    ],
)
def test_a_receiver_may_ask_for_more_time(
    box: Box, partner: Receiver, unique: str, status: int, asked: str, waited: int
) -> None:
    box.put(unique, url=partner.url)
    box.add(unique)
    partner.answers = [answer_status(status, **{"Retry-After": asked}), answer_status(200)]
    box.deliver()
    box.move_on(seconds=waited - 1)
    box.deliver()
    assert len(partner.received) == 1
    box.move_on(seconds=1)
    box.deliver()
    assert len(partner.received) == 2


def test_a_form_arrives_as_json_where_the_endpoint_asks_for_it(
    box: Box, partner: Receiver, unique: str
) -> None:
    box.put(unique, url=partner.url, format="json")
    box.add(unique, body="event=a%2Fb&list[][id]=1&list[][id]=2", content_type=FORM_TYPE)
    box.deliver()
    (received,) = partner.received
    assert received.headers["content-type"] == "application/json"
    assert json.loads(received.body) == {"event": "a/b", "list": [{"id": "1"}, {"id": "2"}]}


def test_an_event_that_is_given_up_lets_the_next_one_go(
    box: Box, partner: Receiver, unique: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(delivery, "MAX_RETRIES", 0)
    box.put(unique, url=partner.url)
    box.add(unique)
    box.add(unique)
    partner.answers = [answer_status(500), answer_status(200)]
    box.deliver()
    assert box.states(unique) == ["dead", "delivered"]


def test_one_line_is_logged_without_the_events_content(
    box: Box, partner: Receiver, unique: str
) -> None:
    url = f"{partner.url}?token=secret-in-query"
    box.put(unique, url=url, headers={"X-Key": "secret-in-header"})
    id_ = box.add(unique, "secret-stream", body='{"name":"Ada"}')
    partner.answers = [answer_status(500)]
    with capture_log() as lines:
        box.deliver()
    (line,) = lines()
    assert line.pop("ms") >= 0
    assert line.pop("timestamp")
    assert line == {
        "service": "tests",
        "level": "info",
        "event": "delivery",
        "event_id": id_,
        "type": "thing.moved",
        "account": unique,
        "attempt": 1,
        "status": 500,
        "reason": "status",
        "outcome": "retry",
    }
