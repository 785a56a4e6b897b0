"""TLS: whom the channel trusts, who it is, and certificates that change."""

import time
from pathlib import Path

import grpc
import pytest
import trustme

from chassis.status import Code
from gateway.channel import Tls
from tests.gateway.channel.callers import OnThreads
from tests.gateway.channel.peers import PATIENCE_SECONDS, Server, server

HOST = "localhost"


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


def credentials(
    authority: trustme.CA, host: str = "127.0.0.1", client: trustme.CA | None = None
) -> grpc.ServerCredentials:
    """What a server proves, and whose clients it wants."""
    own = authority.issue_cert(host)
    chain = b"".join(each.bytes() for each in own.cert_chain_pems)
    trusted = client.cert_pem.bytes() if client else None
    pair = [(own.private_key_pem.bytes(), chain)]
    return grpc.ssl_server_credentials(pair, trusted, client is not None)


def trust(authority: trustme.CA, folder: Path) -> Path:
    file = folder / "ca.pem"
    authority.cert_pem.write_to_path(file)
    return file


def identify(authority: trustme.CA, folder: Path) -> tuple[Path, Path]:
    """A client's certificate and key, in the same files each time."""
    made = authority.issue_cert("gateway.example")
    made.cert_chain_pems[0].write_to_path(folder / "cert.pem")
    made.private_key_pem.write_to_path(folder / "key.pem")
    return folder / "cert.pem", folder / "key.pem"


def test_it_works(authority: trustme.CA, tmp_path: Path) -> None:
    with server(credentials=credentials(authority)) as at:
        caller = OnThreads(at.target, tls=Tls(ca=trust(authority, tmp_path)))
        for size in (0, 1000, 3_000_000):
            assert caller.call("Echo", bytes(size)).value == bytes(size)
        caller.close()


def test_another_authority_is_not_trusted(authority: trustme.CA, tmp_path: Path) -> None:
    with server(credentials=credentials(trustme.CA())) as at:
        caller = OnThreads(at.target, tls=Tls(ca=trust(authority, tmp_path)))
        outcome = caller.call("Echo")
        caller.close()
    assert outcome.code is Code.UNAVAILABLE
    assert "certificate verify failed" in outcome.message


def test_the_name_must_be_the_one_that_is_called(authority: trustme.CA, tmp_path: Path) -> None:
    with server(credentials=credentials(authority, "orders.example")) as at:
        ca = trust(authority, tmp_path)
        caller = OnThreads(at.target, tls=Tls(ca=ca))
        assert caller.call("Echo").code is Code.UNAVAILABLE
        caller.close()
        caller = OnThreads(at.target, tls=Tls(ca=ca, hostname="orders.example"))
        assert caller.call("Echo")
        caller.close()


def test_a_server_without_tls_is_unavailable(authority: trustme.CA, tmp_path: Path) -> None:
    with server() as at:
        caller = OnThreads(at.target, tls=Tls(ca=trust(authority, tmp_path)), connect_seconds=2)
        assert caller.call("Echo").code is Code.UNAVAILABLE
        caller.close()


def test_a_client_certificate_is_shown(authority: trustme.CA, tmp_path: Path) -> None:
    with server(credentials=credentials(authority, client=authority)) as at:
        ca = trust(authority, tmp_path)
        caller = OnThreads(at.target, tls=Tls(ca=ca))
        assert caller.call("Echo").code is Code.UNAVAILABLE
        caller.close()
        certificate, key = identify(authority, tmp_path)
        caller = OnThreads(at.target, tls=Tls(ca, certificate, key))
        assert caller.call("Echo")
        caller.close()


def test_new_files_are_used_for_the_next_connection(tmp_path: Path) -> None:
    old, new = trustme.CA(), trustme.CA()
    first = Server(credentials=credentials(old, client=old))
    certificate, key = identify(old, tmp_path)
    caller = OnThreads(first.target, tls=Tls(trust(old, tmp_path), certificate, key))
    assert caller.call("Echo")
    first.stop()
    key.write_text("half a file")
    with server(first.target, credentials=credentials(new, client=new)):
        assert caller.call("Echo").code is Code.UNAVAILABLE
        trust(new, tmp_path)
        identify(new, tmp_path)
        until = time.monotonic() + PATIENCE_SECONDS
        while not caller.call("Echo"):
            assert time.monotonic() < until
            time.sleep(0.05)
    caller.close()


def test_files_that_are_not_there_make_calls_fail_not_hang(tmp_path: Path) -> None:
    caller = OnThreads("127.0.0.1:1", tls=Tls(ca=tmp_path / "none.pem"))
    assert caller.call("Echo").code is Code.UNAVAILABLE
    caller.close()
