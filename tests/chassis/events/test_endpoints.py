"""Endpoints in reference data: their rules, and the effect of loading them."""

from typing import Any

import pytest
from marshmallow import ValidationError

from chassis.errors import NotFound
from chassis.events.endpoints import decode_secret, generate_signing_secret
from chassis.validation import flatten
from tests.chassis.events.outboxes import SCHEMA, Box

URL = "https://partner.example/events?a=1"


def test_it_works(box: Box, unique: str) -> None:
    secret = generate_signing_secret()
    box.put(unique, url=URL, headers={"X-Key": "a b"}, secret=secret, events=["thing.moved"])
    assert tuple(box.endpoint(unique)) == (
        unique,
        URL,
        {"X-Key": "a b"},
        secret,
        " thing.moved ",
        None,  # format
        None,
    )


def test_a_secret_that_no_file_names_is_made_once(box: Box, unique: str) -> None:
    box.put(unique, url=URL)
    made = box.endpoint(unique).secret
    assert len(decode_secret(made)) == 32
    box.put(unique, url=f"{URL}&b=2")
    assert box.endpoint(unique).secret == made
    box.put(unique, url=URL, secret=(given := generate_signing_secret()))
    assert box.endpoint(unique).secret == given != made


def test_another_url_enables_it_and_the_same_one_does_not(box: Box, unique: str) -> None:
    box.put(unique, url=URL)
    box.disable(unique)
    assert box.endpoint(unique).disabled_at == box.now
    box.put(unique, url=URL, headers={"a": "b"})
    assert box.endpoint(unique).disabled_at == box.now
    box.put(unique, url=f"{URL}&b=2")
    assert box.endpoint(unique).disabled_at is None


def test_only_the_url_that_answered_is_disabled(box: Box, unique: str) -> None:
    box.put(unique, url=URL)
    with box.database.write() as tx:
        box.outbox.endpoints.disable(tx, unique, f"{URL}&old=1", box.now)
    assert box.endpoint(unique).disabled_at is None


def test_pending_events_end_with_their_endpoint(box: Box, unique: str) -> None:
    box.put(unique)
    box.add(unique)
    box.remove(unique)
    assert box.states(unique) == ["cancelled"]
    with pytest.raises(NotFound):
        box.endpoint(unique)
    with pytest.raises(NotFound), box.database.write() as tx:
        box.outbox.endpoints.enable(tx, unique)


@pytest.mark.parametrize(
    ("endpoint", "path"),
    [
        ({}, "url"),
        ({"url": None}, "url"),
        ({"url": ""}, "url"),
        ({"url": "partner.example/events"}, "url"),
        ({"url": "ftp://partner.example/"}, "url"),
        ({"url": "file:///etc/passwd"}, "url"),
        ({"url": "https://"}, "url"),
        ({"url": "https://user@x/"}, "url"),
        ({"url": "https://user:pass@x/"}, "url"),
        ({"url": "https://x/#part"}, "url"),
        ({"url": "https://x/a b"}, "url"),
        ({"url": "https://x/\r\nHost: y"}, "url"),
        ({"url": "https://x\\@y/"}, "url"),
        ({"url": "https://größe.example/"}, "url"),
        ({"url": "https://x:99999/"}, "url"),
        ({"url": "https://[::1/"}, "url"),
        ({"url": "https://x/" + "a" * 2000}, "url"),
        ({"url": URL, "headers": {"a b": "c"}}, "headers.a b.key"),
        ({"url": URL, "headers": {"a": ""}}, "headers.a.value"),
        ({"url": URL, "headers": {"a": "b\r\nc: d"}}, "headers.a.value"),
        ({"url": URL, "headers": {"a": "ü"}}, "headers.a.value"),
        ({"url": URL, "headers": {"a": 1}}, "headers.a.value"),
        ({"url": URL, "headers": {"Host": "x"}}, "headers"),
        ({"url": URL, "headers": {"Webhook-Id": "x"}}, "headers"),
        ({"url": URL, "headers": {"content-LENGTH": "0"}}, "headers"),
        ({"url": URL, "headers": {"a": "1", "A": "2"}}, "headers"),
        ({"url": URL, "headers": {f"a{n}": "1" for n in range(21)}}, "headers"),
        ({"url": URL, "secret": "hunter2"}, "secret"),
        ({"url": URL, "secret": "whsec_"}, "secret"),
        ({"url": URL, "secret": "whsec_c2hvcnQ="}, "secret"),
        ({"url": URL, "secret": "whsec_" + "ü" * 32}, "secret"),
        ({"url": URL, "secret": "whsec_" + "a" * 88}, "secret"),
        ({"url": URL, "events": "thing.moved"}, "events"),
        ({"url": URL, "events": ["thing moved"]}, "events.0"),
        ({"url": URL, "events": ["thing.move"]}, "events"),
        ({"url": URL, "event": []}, "event"),
    ],
)
def test_faults_of_a_file_are_named(endpoint: dict[str, Any], path: str) -> None:
    with pytest.raises(ValidationError) as caught:
        SCHEMA.load(endpoint)
    assert [fault.path for fault in flatten(caught.value.messages_dict)] == [path]
