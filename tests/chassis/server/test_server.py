"""What surrounds every RPC: caller, deadline, log line and shutdown."""

import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import grpc
import pytest
from google.protobuf.descriptor_pb2 import FileDescriptorProto
from grpc import StatusCode
from grpc._cython import cygrpc  # type: ignore[attr-defined]  # compiled
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection_pb2, reflection_pb2_grpc
from sqlalchemy import insert

from chassis import context as calls
from chassis.context import Account, get_caller, get_current_call
from chassis.errors import NotFound
from chassis.server.interceptor import MAX_CALLS
from chassis.server.server import DRAIN_SECONDS, GRPC_OPTIONS, THREADS
from tests.chassis.logs import capture_log
from tests.chassis.probe import SERVICES, Probe, notes, probe
from tests.serving import build_basic

GET = f"/{SERVICES[0]}/GetSubscription"
SERVING = health_pb2.HealthCheckResponse.SERVING
NOT_SERVING = health_pb2.HealthCheckResponse.NOT_SERVING

ROOT = Path(__file__).parents[3]


def check_health(stand_in: Probe, service: str = "", timeout: float = 2) -> Any:
    stub = health_pb2_grpc.HealthStub(stand_in.channel)
    return stub.Check(health_pb2.HealthCheckRequest(service=service), timeout=timeout).status


@contextmanager
def held(stand_in: Probe, calls_held: int) -> Iterator[list[Any]]:
    """Calls that the service does not end until the block does."""
    go = threading.Event()
    stand_in.servicer.act = lambda: go.wait(10)
    get: Any = stand_in.channel.unary_unary(GET)
    metadata = [("authorization", build_basic("somebody"))]
    try:
        yield [get.future(b"", timeout=15, metadata=metadata) for _ in range(calls_held)]
    finally:
        go.set()
        stand_in.servicer.act = lambda: None


def test_it_works(stand_in: Probe) -> None:
    with capture_log() as lines:
        answer, trailers = stand_in.call(act=lambda: None, x_request_id="req-1")
    assert answer.id == "s1"
    assert "idempotent-replayed" not in trailers
    (line,) = lines()
    assert (line.pop("ms") >= 0, line.pop("timestamp")[-1]) == (True, "Z")
    assert line == {
        "event": "rpc",
        "level": "info",
        "service": "tests",
        "rpc": GET,
        "request_id": "req-1",
        "code": "OK",
        "account": "somebody",
    }


def test_a_servicer_knows_its_caller(stand_in: Probe) -> None:
    seen: list[Any] = []
    stand_in.call(act=lambda: seen.extend([get_caller(), get_current_call().rpc]))
    assert seen == [Account(1, "somebody", "client"), GET]
    with pytest.raises(LookupError):
        get_caller()


@pytest.mark.parametrize("asked", ["A.b_c-9", "x" * 128, "0"])
def test_a_request_id_from_outside_is_kept(stand_in: Probe, asked: str) -> None:
    with capture_log() as lines:
        stand_in.call(act=lambda: None, x_request_id=asked)
    assert lines()[0]["request_id"] == asked


@pytest.mark.parametrize("asked", ["", "a b", "x" * 129, "a/b", '"', "{}"])
def test_a_request_id_of_another_form_is_replaced(stand_in: Probe, asked: str) -> None:
    with capture_log() as lines:
        stand_in.call(act=lambda: None, x_request_id=asked)
    made = lines()[0]["request_id"]
    assert made != asked
    assert calls.REQUEST_ID_PATTERN.fullmatch(made)


@pytest.mark.parametrize("error", [KeyError, SystemExit])
def test_an_unforeseen_error_shows_its_caller_only_an_id(
    stand_in: Probe, error: type[BaseException]
) -> None:
    def crash() -> None:
        raise error("Ada Canary")

    with capture_log() as lines:
        failure = stand_in.refusal(act=crash, x_request_id="req-2")
    assert failure.code is StatusCode.INTERNAL
    assert failure.message == "Something went wrong; its id is req-2."
    (line,) = lines()
    named = error.__name__
    assert (line["code"], line["request_id"], line["error"]) == ("INTERNAL", "req-2", named)
    assert line["where"].startswith("test_server.py:")
    assert "crash" in line["where"]
    assert "Canary" not in str(line)


def test_a_database_error_does_not_log_its_values(stand_in: Probe) -> None:
    def crash() -> None:
        with stand_in.database.write() as tx:
            tx.execute(insert(notes).values(id="Ada Canary", text="Ada Canary"))

    with capture_log() as lines:
        failure = stand_in.refusal(act=crash)
    assert failure.code is StatusCode.INTERNAL
    assert "Canary" not in f"{failure}{lines()}"
    assert lines()[0]["error"] == "IntegrityError"


def test_a_refusal_is_logged_with_its_reason_and_without_its_text(stand_in: Probe) -> None:
    def refuse() -> None:
        raise NotFound("No such Canary.")

    with capture_log() as lines:
        stand_in.refusal(act=refuse)
    assert (lines()[0]["code"], lines()[0]["reason"]) == ("NOT_FOUND", "NOT_FOUND")
    assert "Canary" not in str(lines())


@pytest.mark.parametrize(
    "authorization",
    [
        "",
        "Basic",
        "Basic ",
        "Basic !!!",
        "Basic c29tZWJvZHk=",
        "Basic /w==",
        "Basic AA==",
        "Bearer c29tZWJvZHk6c29tZWJvZHktc2VjcmV0",
        build_basic("somebody", "wrong"),
        build_basic("nobody"),
        build_basic("SOMEBODY", "somebody-secret"),
        "Basic c29tZWJvZHk6",
        "Basic bm9ib2R5Og==",
        build_basic("some body"),
        build_basic("x" * 65),
        build_basic("é"),
        build_basic("somebody") + " x",
    ],
)
def test_a_caller_without_name_and_secret_is_refused(stand_in: Probe, authorization: str) -> None:
    stand_in.servicer.act = lambda: pytest.fail("was served")
    failure = stand_in.refusal(authorization=authorization)
    assert (failure.code, failure.reason) == (StatusCode.UNAUTHENTICATED, "UNAUTHENTICATED")


def test_the_scheme_may_be_written_in_any_case(stand_in: Probe) -> None:
    stand_in.call(act=lambda: None, authorization=build_basic("somebody").replace("Basic", "bAsIc"))


def test_only_staff_may_call_the_desk_and_only_clients_the_rest(stand_in: Probe) -> None:
    assert stand_in.call("ConfirmSubscription", "staff", act=lambda: None)[0].id == "s1"
    for rpc_name, who, role in [
        ("ConfirmSubscription", "somebody", "staff"),
        ("GetSubscription", "staff", "client"),
    ]:
        failure = stand_in.refusal(rpc_name, who)
        assert (failure.code, failure.reason) == (StatusCode.PERMISSION_DENIED, "FORBIDDEN")
        assert failure.message == f"This needs an account with role {role}."


def test_an_open_rpc_asks_for_nobody(stand_in: Probe) -> None:
    with capture_log() as lines:
        stand_in.call("ListSubscriptions", "", act=lambda: None)
        stand_in.call("ListSubscriptions", authorization="Basic !!!")
    assert [line["account"] for line in lines()] == [None, None]


def test_a_call_past_its_deadline_commits_nothing(stand_in: Probe) -> None:
    def answer_late() -> None:
        with stand_in.database.write() as tx:
            tx.execute(insert(notes).values(text="late"))
            time.sleep(0.4)

    with capture_log() as lines:
        failure = stand_in.refusal(act=answer_late, timeout=0.2)
        assert failure.code is StatusCode.DEADLINE_EXCEEDED
        for _ in range(50):
            if lines():
                break
            time.sleep(0.02)
    assert lines()[0]["reason"] == "DEADLINE_EXCEEDED"
    assert "late" not in stand_in.notes()


def test_a_cancelled_call_commits_nothing(stand_in: Probe) -> None:
    started, go = threading.Event(), threading.Event()

    def work() -> None:
        with stand_in.database.write() as tx:
            tx.execute(insert(notes).values(text="cancelled"))
            started.set()
            go.wait(5)

    stand_in.servicer.act = work
    metadata = [("authorization", build_basic("somebody"))]
    with capture_log() as lines:
        get: Any = stand_in.channel.unary_unary(GET)
        future = get.future(b"", metadata=metadata)
        assert started.wait(5)
        future.cancel()
        time.sleep(0.1)
        go.set()
        for _ in range(50):
            if lines():
                break
            time.sleep(0.02)
    assert lines()[0]["reason"] == "DEADLINE_EXCEEDED"
    assert "cancelled" not in stand_in.notes()


def test_a_call_without_a_deadline_has_ours(stand_in: Probe, monkeypatch: Any) -> None:
    seen: list[float] = []
    stand_in.call(act=lambda: seen.append(get_current_call().get_seconds_left()), timeout=None)
    stand_in.call(timeout=1000)
    stand_in.call(timeout=5)
    assert [round(left, 0) for left in seen] == [30, 30, 5]

    monkeypatch.setattr(calls, "MAX_CALL_SECONDS", 0.1)

    def answer_late() -> None:
        with stand_in.database.write() as tx:
            tx.execute(insert(notes).values(text="without a deadline"))
            time.sleep(0.15)

    failure = stand_in.refusal(act=answer_late, timeout=None)
    assert (failure.code, failure.reason) == (StatusCode.DEADLINE_EXCEEDED, "DEADLINE_EXCEEDED")
    assert "without a deadline" not in stand_in.notes()


def test_health_is_reported_for_each_service_by_its_full_name(stand_in: Probe) -> None:
    assert [check_health(stand_in, name) for name in ("", *SERVICES)] == [SERVING] * 3
    with pytest.raises(grpc.RpcError) as raised:
        check_health(stand_in, "SubscriptionService")
    assert raised.value.code() is StatusCode.NOT_FOUND


def test_health_answers_while_all_threads_are_at_work(stand_in: Probe) -> None:
    with held(stand_in, THREADS * 3) as futures:
        assert check_health(stand_in) == SERVING
        watch = health_pb2_grpc.HealthStub(stand_in.channel).Watch(health_pb2.HealthCheckRequest())
        assert next(iter(watch)).status == SERVING
        watch.cancel()
        assert not any(future.done() for future in futures)
    assert all(future.exception() is None for future in futures)


def test_health_watchers_hold_no_thread_of_the_rpcs(stand_in: Probe) -> None:
    stub = health_pb2_grpc.HealthStub(stand_in.channel)
    watches = [iter(stub.Watch(health_pb2.HealthCheckRequest())) for _ in range(10)]
    assert {next(watch).status for watch in watches} == {SERVING}
    assert stand_in.call(act=lambda: None, timeout=2)[0].id == "s1"
    for watch in watches:
        watch.cancel()


def test_watchers_that_leave_during_a_status_change_stop_nothing(stand_in: Probe) -> None:
    stub, name = health_pb2_grpc.HealthStub(stand_in.channel), SERVICES[0]
    request = health_pb2.HealthCheckRequest(service=name)
    for _ in range(20):
        watches = [iter(stub.Watch(request, timeout=30)) for _ in range(10)]
        assert {next(watch).status for watch in watches} == {SERVING}
        going = threading.Thread(target=lambda all_: [one.cancel() for one in all_], args=[watches])
        going.start()
        for _ in range(10):
            stand_in.running.health.set(name, SERVING)
        going.join()
    assert check_health(stand_in, name) == SERVING


def test_grpc_knows_every_option_that_it_is_given() -> None:
    # It passes over one that it does not know. What that does shows after minutes only: a gateway
    # that pings while nobody calls is cut off, and the call of that moment with it.
    library = Path(cygrpc.__file__).read_bytes()
    assert [name for name, _ in GRPC_OPTIONS if name.encode() + b"\0" not in library] == []


def test_reflection_lists_the_services_and_returns_their_files(stand_in: Probe) -> None:
    stub: Any = reflection_pb2_grpc.ServerReflectionStub(stand_in.channel)
    ask = reflection_pb2.ServerReflectionRequest
    symbols = (SERVICES[0], "google.rpc.BadRequest", "google.rpc.ErrorInfo")
    questions = [ask(list_services=""), *(ask(file_containing_symbol=name) for name in symbols)]
    listed, *files = stub.ServerReflectionInfo(iter(questions), timeout=5)
    assert {each.name for each in listed.list_services_response.service} == {
        *SERVICES,
        "grpc.health.v1.Health",
        "grpc.reflection.v1.ServerReflection",
        "grpc.reflection.v1alpha.ServerReflection",
    }
    packed = [each.file_descriptor_response.file_descriptor_proto[0] for each in files]
    details = "google/rpc/error_details.proto"
    assert [FileDescriptorProto.FromString(each).name for each in packed] == [
        *("protos/subscriptions.proto", details, details),
    ]


def test_beyond_the_bound_calls_are_refused_and_none_hangs(stand_in: Probe) -> None:
    with held(stand_in, MAX_CALLS + 20) as futures:
        soon = time.monotonic() + 5
        while sum(future.done() for future in futures) < 20 and time.monotonic() < soon:
            time.sleep(0.01)
        refused = [future for future in futures if future.done()]
        assert [future.code() for future in refused] == [StatusCode.RESOURCE_EXHAUSTED] * 20
    assert {future.exception() for future in futures if future not in refused} == {None}


def test_a_stop_waits_for_the_call_at_work_and_refuses_new_ones(tmp_path: Path) -> None:
    begun = threading.Event()

    def work() -> None:
        begun.set()
        time.sleep(DRAIN_SECONDS + 0.4)
        stand_in.note("done")

    with probe(tmp_path) as stand_in, ThreadPoolExecutor(2) as pool:
        first = pool.submit(stand_in.call, act=work)
        assert begun.wait(5)
        stopping = pool.submit(stand_in.running.stop, 5)
        time.sleep(0.2)
        assert check_health(stand_in) == NOT_SERVING
        assert first.result()[0].id == "s1"
        stopping.result()
        failure = stand_in.refusal(act=lambda: None, timeout=1)
        assert failure.code in (StatusCode.UNAVAILABLE, StatusCode.DEADLINE_EXCEEDED)
        assert stand_in.notes() == ["done"]


def test_a_port_has_one_server(stand_in: Probe, tmp_path: Path) -> None:
    with pytest.raises(RuntimeError), probe(tmp_path, stand_in.address):
        pass
    assert stand_in.call(act=lambda: None)[0].id == "s1"


def test_grpc_is_told_how_to_poll_before_it_is_loaded_and_knows_the_word(tmp_path: Path) -> None:
    script = """
import os, sys
import chassis.server
assert "grpc" not in sys.modules
print(os.environ["GRPC_EXPERIMENTS"])
import grpc
from chassis.server.pool import CallPool
server = grpc.server(CallPool(1, "rpc"))
server.add_insecure_port("127.0.0.1:0")
server.start()
server.stop(0)
import orders_svc.definition
"""
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    environment.pop("GRPC_EXPERIMENTS", None)
    command = [sys.executable, "-c", script]
    done = subprocess.run(
        command, capture_output=True, text=True, check=True, cwd=tmp_path, env=environment
    )
    assert (done.stdout, done.stderr) == ("-event_engine_listener\n", "")
