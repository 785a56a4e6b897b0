"""When two requests with one idempotency key count as the same."""

import hashlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from chassis.context import Account, Call
from chassis.errors import IDEMPOTENCY_MISMATCH
from chassis.server.accounts import Authenticate
from chassis.server.idempotency import KeyTaken, fingerprint
from chassis.server.server import Resources
from protos.subscriptions_pb2 import GetSubscriptionRequest, Subscription
from tests.chassis.probe import Probe, accounts, idempotency_keys, probe


def authenticate(resources: Resources) -> Authenticate:
    """HTTP Basic; the metadata `on-behalf-of` names the actor."""
    basic = accounts.basic_authenticator(resources.cache)

    def find(call: Call) -> Account | None:
        call.actor = call.metadata.get("on-behalf-of", "")
        return basic(call)

    return find


@pytest.fixture(scope="module")
def actors(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Probe]:
    """A service whose calls have actors, and whose answers are kept."""
    with probe(tmp_path_factory.mktemp("actors"), authenticate=authenticate) as running:

        def save() -> None:
            with running.database.write() as tx:
                idempotency_keys.save(tx, Subscription(id="s1"))

        running.servicer.act = save
        yield running


def test_a_key_is_replayed_to_the_same_actor_only(actors: Probe, unique: str) -> None:
    sent: Any = {"idempotency_key": unique, "on_behalf_of": "ada@example.com"}
    _, first = actors.call(**sent)
    _, second = actors.call(**sent)
    assert [answer.get("idempotent-replayed") for answer in (first, second)] == [None, "true"]
    for actor in ("grace@example.com", ""):
        refused = actors.refusal(**{**sent, "on_behalf_of": actor})
        assert refused.reason == IDEMPOTENCY_MISMATCH


def test_a_key_that_expires_once_it_was_found_taken_is_free(actors: Probe, unique: str) -> None:
    save, acts = actors.servicer.act, []

    def find_taken_first() -> None:
        acts.append("act")
        if len(acts) == 1:
            raise KeyTaken
        save()

    actors.servicer.act = find_taken_first
    try:
        answer, _ = actors.call(idempotency_key=unique)
    finally:
        actors.servicer.act = save
    assert (answer.id, len(acts)) == ("s1", 2)


def test_the_fingerprint_is_what_stores_hold_already() -> None:
    request = GetSubscriptionRequest(subscription_id="s1")
    call = Call("rpc", "id", {}, actor="ada@example.com")
    text = b"ada@example.com\0" + request.SerializeToString()
    assert fingerprint(call, request) == hashlib.sha256(text).digest()


@pytest.mark.parametrize("unknown", ["DeskService", "SubscriptionService/ListThings", ""])
def test_an_open_rpc_that_no_service_has_is_a_mistake(tmp_path: Path, unknown: str) -> None:
    with (
        pytest.raises(LookupError, match=f"no service has these RPCs: {unknown}"),
        probe(tmp_path, open_rpcs=[unknown]),
    ):
        pass


def test_a_service_may_be_open_as_a_whole(tmp_path: Path) -> None:
    with probe(tmp_path, open_rpcs=["SubscriptionDeskService"]) as running:
        assert running.call("ConfirmSubscription", who="")[0].id == "s1"
        assert running.refusal(who="").reason == "UNAUTHENTICATED"
