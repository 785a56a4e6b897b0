"""TLS of a service: who is accepted, by grpc's client and by the gateway's, and renewals."""

import shutil
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import grpc
import pytest
import trustme

from chassis.server.tls import Certificates
from chassis.settings.transport import read_client_files, read_server_files
from chassis.status import Code
from gateway.channel import Channel, RpcError, Tls
from protos import subscriptions_pb2 as pb
from protos import subscriptions_pb2_grpc as rpc
from tests.certificates import Files
from tests.chassis.probe import Probe, probe
from tests.serving import build_basic, decode

METADATA = (("authorization", build_basic("somebody")),)
METHOD = "/optigate.subscriptions.v1.SubscriptionService/GetSubscription"
REQUEST = pb.GetSubscriptionRequest(subscription_id="s1")
PATIENCE_SECONDS = 30.0
Call = Callable[[Probe, dict[str, str]], str]


@pytest.fixture
def files(tmp_path: Path) -> Files:
    return Files(tmp_path / "tls")


@contextmanager
def serving(folder: Path, variables: dict[str, str]) -> Iterator[Probe]:
    """The service with the certificates that these variables name."""
    found = read_server_files(variables)
    assert found
    with probe(folder, certificates=Certificates(found)) as running:
        yield running


def call_by_grpc(running: Probe, variables: dict[str, str]) -> str:
    """The code of a call on a connection of its own, by grpc's client."""
    found = read_client_files(variables)
    if found is None:
        channel = grpc.insecure_channel(running.address)
    else:
        paths = (found.ca, found.key, found.certificate)
        parts = (path.read_bytes() if path else None for path in paths)
        channel = grpc.secure_channel(
            running.address,
            grpc.ssl_channel_credentials(*parts),
            [("grpc.use_local_subchannel_pool", 1)],
        )
    with channel:
        try:
            rpc.SubscriptionServiceStub(channel).GetSubscription(
                REQUEST, timeout=10, metadata=METADATA
            )
        except grpc.RpcError as error:
            return decode(error).code.name
    return "OK"


def open_channel(address: str, variables: dict[str, str]) -> Channel:
    """The gateway's channel, as the gateway makes it."""
    found = read_client_files(variables)
    tls = Tls(found.ca, found.certificate, found.key, found.hostname) if found else None
    return Channel(address, tls=tls, connect_seconds=5)


def call_by_channel(running: Probe, variables: dict[str, str]) -> str:
    """The code of a call on a connection of its own, by the gateway's channel."""
    channel = open_channel(running.address, variables)
    try:
        channel.unary(METHOD, REQUEST, pb.Subscription, timeout=10, metadata=METADATA)
    except RpcError as error:
        return error.code.name
    finally:
        channel.close()
    return "OK"


@pytest.fixture(params=[call_by_grpc, call_by_channel], ids=["grpc", "channel"])
def call(request: pytest.FixtureRequest) -> Call:
    """Each client in turn."""
    found: Call = request.param
    return found


def test_it_works(tmp_path: Path, files: Files, call: Call) -> None:
    with serving(tmp_path, files.server(mutual=False)) as running:
        assert call(running, files.client(mutual=False)) == "OK"


def test_plaintext_is_refused(tmp_path: Path, files: Files, call: Call) -> None:
    with serving(tmp_path, files.server(mutual=False)) as running:
        assert call(running, {}) == "UNAVAILABLE"


def test_another_authority_is_not_trusted(tmp_path: Path, files: Files, call: Call) -> None:
    with serving(tmp_path, files.server(mutual=False)) as running:
        files.write_authority(trustme.CA())
        assert call(running, files.client(mutual=False)) == "UNAVAILABLE"


def test_an_expired_certificate_is_refused(tmp_path: Path, files: Files, call: Call) -> None:
    files.issue("server", expired=True)
    with serving(tmp_path, files.server(mutual=False)) as running:
        assert call(running, files.client(mutual=False)) == "UNAVAILABLE"


def test_another_name_is_refused(tmp_path: Path, files: Files, call: Call) -> None:
    files.issue("server", "orders.example")
    with serving(tmp_path, files.server(mutual=False)) as running:
        assert call(running, files.client(mutual=False)) == "UNAVAILABLE"


def test_a_client_needs_a_certificate_of_the_authority(
    tmp_path: Path, files: Files, call: Call
) -> None:
    with serving(tmp_path, files.server()) as running:
        assert call(running, files.client()) == "OK"
        assert call(running, files.client(mutual=False)) == "UNAVAILABLE"
        files.issue("client", "gateway.example", authority=trustme.CA())
        assert call(running, files.client()) == "UNAVAILABLE"
        files.issue("client", "gateway.example", expired=True)
        assert call(running, files.client()) == "UNAVAILABLE"
        files.issue("client", "gateway.example")
        assert call(running, files.client()) == "OK"


def test_certificates_are_renewed_while_calls_run(tmp_path: Path, files: Files) -> None:
    """First the certificate of the same authority, then the authority: each call is answered."""
    failures: list[str] = []
    stopped = threading.Event()
    with serving(tmp_path, files.server()) as running:
        channel = open_channel(running.address, files.client())

        def call_on() -> None:
            while not stopped.is_set():
                try:
                    channel.unary(METHOD, REQUEST, pb.Subscription, timeout=10, metadata=METADATA)
                except RpcError as error:
                    failures.append(str(error))

        callers = [threading.Thread(target=call_on) for _ in range(2)]
        for each in callers:
            each.start()
        try:
            files.issue("server")
            assert call_by_channel(running, files.client()) == "OK"
            old, new = files.authority, trustme.CA()
            files.write_authority(old, new)  # both are trusted first
            assert call_by_grpc(running, files.client()) == "OK"
            files.issue("server", authority=new)
            files.issue("client", "gateway.example", authority=new)
            files.write_authority(new)
            for call in (call_by_grpc, call_by_channel):
                assert call(running, files.client()) == "OK"
            files.issue("client", "gateway.example", authority=old)
            assert call_by_channel(running, files.client()) == "UNAVAILABLE"
        finally:
            stopped.set()
            for each in callers:
                each.join()
            channel.close()
    assert failures == []


def test_a_renewal_that_is_half_written_changes_nothing(
    tmp_path: Path, files: Files, capsys: pytest.CaptureFixture[str]
) -> None:
    with serving(tmp_path, files.server()) as running:
        key = Path(files.path("server-key"))
        kept = key.read_bytes()
        for half in (kept[:40], b"", trustme.CA().issue_cert("x").private_key_pem.bytes()):
            key.write_bytes(half)
            assert call_by_channel(running, files.client()) == "OK"
        key.unlink()
        assert call_by_channel(running, files.client()) == "OK"
        files.issue("server")
        until = time.monotonic() + PATIENCE_SECONDS
        while call_by_channel(running, files.client()) != "OK":
            assert time.monotonic() < until


@pytest.mark.parametrize("broken", ["server-cert", "server-key", "ca"])
@pytest.mark.parametrize("content", [None, b"", b"no certificate"])
def test_files_that_do_not_fit_stop_the_start(
    files: Files, broken: str, content: bytes | None
) -> None:
    path = Path(files.path(broken))
    path.unlink()
    if content is not None:
        path.write_bytes(content)
    found = read_server_files(files.server())
    assert found
    with pytest.raises((OSError, ValueError)):
        Certificates(found)


def test_a_key_of_another_certificate_stops_the_start(files: Files) -> None:
    shutil.copy(files.path("client-key"), files.path("server-key"))
    found = read_server_files(files.server())
    assert found
    with pytest.raises(OSError, match=r"(?i)key.values.mismatch"):
        Certificates(found)


def test_unavailable_says_why(tmp_path: Path, files: Files) -> None:
    with serving(tmp_path, files.server(mutual=False)) as running:
        files.write_authority(trustme.CA())
        channel = open_channel(running.address, files.client(mutual=False))
        with pytest.raises(RpcError, match="certificate verify failed") as raised:
            channel.unary(METHOD, REQUEST, pb.Subscription, timeout=10, metadata=METADATA)
        channel.close()
    assert raised.value.code is Code.UNAVAILABLE
