"""The channel against a server of grpc's, refereed by grpc's client: every test holds for both."""

import json
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from chassis.status import Code
from tests.gateway.channel.callers import Caller, Outcome
from tests.gateway.channel.conftest import Connect
from tests.gateway.channel.peers import PATIENCE_SECONDS, Server, server

TEXTS = ["", "plain words", "100% of é, 眼鏡 and 👓", "line\nline\ttab", "%41 %zz %", "x" * 3000]


def ask(caller: Caller, **asked: object) -> Outcome:
    """A call that fails as it is asked to."""
    return caller.call("Fail", json.dumps(asked).encode())


def test_it_works(connect_any: Connect) -> None:
    with server() as at:
        outcome = connect_any(at.target).call("Echo", b"eyes")
    assert outcome == Outcome(Code.OK, "", b"eyes")


def test_every_code_arrives(connect_any: Connect) -> None:
    with server() as at:
        caller = connect_any(at.target)
        for code in list(Code)[1:]:
            assert ask(caller, code=code, message="words") == Outcome(code, "words")


@pytest.mark.parametrize("text", TEXTS, ids=range(len(TEXTS)))
def test_a_message_arrives_as_it_was_meant(connect_any: Connect, text: str) -> None:
    with server() as at:
        assert ask(connect_any(at.target), code=9, message=text).message == text


def test_details_and_trailers_of_a_failure_arrive(connect_any: Connect) -> None:
    trailers = [["retry-after", "3"], ["a", "1"], ["a", "2"]]
    with server() as at:
        outcome = ask(
            connect_any(at.target), code=3, message="no", trailers=trailers, details="é" * 2000
        )
    details = ("é" * 2000).encode()
    assert outcome.details == details
    expected = [("a", "1"), ("a", "2"), ("grpc-status-details-bin", details), ("retry-after", "3")]
    assert sorted(outcome.metadata, key=str) == sorted(expected, key=str)


def test_trailers_of_an_answer_arrive(connect_any: Connect) -> None:
    with server() as at:
        outcome = connect_any(at.target).call("Trailers", b"x")
    assert outcome.value == b"x"
    expected = [("one", "1"), ("one", "2"), ("two-bin", b"\0\xff")]
    assert sorted(outcome.metadata, key=str) == sorted(expected, key=str)


def test_metadata_arrives(connect_any: Connect) -> None:
    metadata = (
        ("authorization", "Basic secret"),
        ("x-request-id", "r" * 300),
        ("data-bin", bytes(range(256))),
        ("many", "1"),
        ("many", "2"),
        ("empty", ""),
    )
    with server() as at:
        outcome = connect_any(at.target).call("Metadata", metadata=metadata)
    came = [(name, value.hex() if isinstance(value, bytes) else value) for name, value in metadata]
    assert json.loads(outcome.value) == sorted(map(list, came))


def test_an_unknown_method_is_unimplemented(connect_any: Connect) -> None:
    with server() as at:
        assert connect_any(at.target).call("Nothing").code is Code.UNIMPLEMENTED


@pytest.mark.parametrize("size", [0, 1, 16_379, 16_380, 65_535, 1_000_000, 12_000_000])
def test_messages_of_any_size_travel_both_ways(connect_any: Connect, size: int) -> None:
    with server() as at:
        caller = connect_any(at.target)
        value = bytes(size % 251 for _ in range(1000)) * (size // 1000) + b"x" * (size % 1000)
        outcome = caller.call("Echo", value, 60)
        assert (outcome.code, outcome.message) == (Code.OK, "")
        assert outcome.value == value
        assert caller.call("Echo", b"next").value == b"next"


def test_the_deadline_ends_a_call_here_and_there(connect_any: Connect) -> None:
    with server() as at:
        caller = connect_any(at.target)
        assert caller.call("Echo")
        began = time.monotonic()
        assert caller.call("Wait", timeout=0.5).code is Code.DEADLINE_EXCEEDED
        assert time.monotonic() - began >= 0.4
        assert at.cancelled.wait(PATIENCE_SECONDS)
        assert caller.call("Echo", b"next").value == b"next"


def test_calls_run_side_by_side(connect_any: Connect) -> None:
    with server() as at, ThreadPoolExecutor(12) as pool:
        caller = connect_any(at.target)
        waiting = [pool.submit(caller.call, "Wait", b"%d" % number) for number in range(8)]
        assert at.started.wait(PATIENCE_SECONDS)
        values = [b"%d" % number * 5000 for number in range(40)]
        outcomes = pool.map(lambda value: caller.call("Echo", value), values)
        assert [each.value for each in outcomes] == values
        at.may_end.set()
        assert [each.result().value for each in waiting] == [b"%d" % each for each in range(8)]


def test_no_more_streams_are_open_than_the_server_allows(connect: Connect) -> None:
    # Not asked of grpc's client: it now and then loses such a call to the server's refusals.
    with server(max_concurrent_streams=2) as at, ThreadPoolExecutor(12) as pool:
        caller = connect(at.target)
        assert caller.call("Echo")
        outcomes = pool.map(lambda number: caller.call("Echo", b"%d" % number), range(30))
        assert [each.value for each in outcomes] == [b"%d" % number for number in range(30)]


def test_calls_go_on_after_a_restart(connect_any: Connect) -> None:
    first = Server()
    caller = connect_any(first.target)
    assert caller.call("Echo")
    first.stop()
    assert caller.call("Echo").code is Code.UNAVAILABLE
    with server(first.target):
        until = time.monotonic() + PATIENCE_SECONDS
        while not caller.call("Echo"):
            assert time.monotonic() < until
            time.sleep(0.05)


def test_running_calls_end_well_when_the_server_stops_with_grace(connect_any: Connect) -> None:
    at = Server()
    caller = connect_any(at.target)
    with ThreadPoolExecutor(1) as pool:
        running = pool.submit(caller.call, "Wait", b"mine")
        assert at.started.wait(PATIENCE_SECONDS)
        stopping = threading.Thread(target=at.stop, args=(PATIENCE_SECONDS,))
        stopping.start()
        until = time.monotonic() + PATIENCE_SECONDS
        while (outcome := caller.call("Echo", timeout=1)) and time.monotonic() < until:
            time.sleep(0.01)
        assert not outcome
        at.may_end.set()
        assert running.result().value == b"mine"
        stopping.join(PATIENCE_SECONDS)


def test_nobody_at_the_address_is_unavailable_at_once(connect_any: Connect) -> None:
    began = time.monotonic()
    assert connect_any("127.0.0.1:1").call("Echo").code is Code.UNAVAILABLE
    assert time.monotonic() - began < PATIENCE_SECONDS / 2


def test_a_socket_file_is_an_address(
    connect_any: Connect, tmp_path_factory: pytest.TempPathFactory
) -> None:
    with server(f"unix:{tmp_path_factory.mktemp('s')}/s") as at:
        assert connect_any(at.target).call("Echo", b"x").value == b"x"
