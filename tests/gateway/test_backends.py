"""The calls that the gateway retries while a service is unavailable."""

from collections.abc import Iterator

import pytest
from flask.testing import FlaskClient

from chassis.errors import Busy, Overloaded, Refusal
from tests.chassis.probe import Probe, probe
from tests.gateway.front import GET, POST, front
from tests.serving import basic

CALLER = {"Authorization": basic("somebody")}
KEY = {"Idempotency-Key": "k"}


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Probe]:
    """A subscriptions service that does what a test wants."""
    with probe(tmp_path_factory.mktemp("probe")) as running:
        yield running


@pytest.fixture
def client(told: Probe) -> Iterator[FlaskClient]:
    """A client of a gateway in front of it, with new channels."""
    with front(subscriptions=told.address) as made:
        yield made


def refuse_calls(told: Probe, times: int, refusal: Refusal) -> list[int]:
    """Make the service refuse the next calls; return a list that grows by one with each."""
    calls: list[int] = []

    def act() -> None:
        calls.append(1)
        if len(calls) <= times:
            raise refusal

    told.told.act = act
    return calls


def test_a_read_is_repeated(told: Probe, client: FlaskClient) -> None:
    calls = refuse_calls(told, 2, Overloaded("Not now."))
    assert client.get(GET["subscriptions"], headers=CALLER).status_code == 200
    assert len(calls) == 3


def test_a_write_with_a_key_is_repeated(told: Probe, client: FlaskClient) -> None:
    calls = refuse_calls(told, 1, Overloaded("Not now."))
    assert client.post(POST["subscriptions"], headers={**CALLER, **KEY}).status_code == 201
    assert len(calls) == 2


def test_a_write_without_a_key_is_never_repeated(told: Probe, client: FlaskClient) -> None:
    calls = refuse_calls(told, 1, Overloaded("Not now."))
    refused = client.post(POST["subscriptions"], headers=CALLER)
    assert (refused.status_code, refused.headers["Retry-After"]) == (503, "1")
    assert refused.get_json() == {"errors": [{"code": "overloaded", "title": "Not now."}]}
    assert len(calls) == 1


def test_repeating_ends(told: Probe, client: FlaskClient) -> None:
    calls = refuse_calls(told, 99, Overloaded("Not now."))
    assert client.get(GET["subscriptions"], headers=CALLER).status_code == 503
    assert len(calls) == 4


def test_other_refusals_are_not_repeated(told: Probe, client: FlaskClient) -> None:
    calls = refuse_calls(told, 1, Busy("Somebody is at it."))
    refused = client.get(GET["subscriptions"], headers=CALLER)
    assert (refused.status_code, refused.headers["Retry-After"]) == (409, "1")
    assert len(calls) == 1


def test_no_channel_is_opened_before_its_first_use(told: Probe) -> None:
    with front(subscriptions=told.address) as client:
        behind = client.application.extensions["backends"]
        assert behind._opened == {}
        told.told.act = lambda: None
        client.get(GET["subscriptions"], headers=CALLER)
        assert list(behind._opened) == [("subscriptions", True)]
