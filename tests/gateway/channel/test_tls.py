"""TLS: which servers the channel trusts, how it identifies itself, and certificates that change."""

import time
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

import grpc
import pytest
import trustme

from chassis.status import Code
from tests.gateway.channel.conftest import Connect
from tests.gateway.channel.peers import PATIENCE_SECONDS, Server, server


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


def build_credentials(
    authority: trustme.CA, host: str = "127.0.0.1", client: trustme.CA | None = None
) -> grpc.ServerCredentials:
    """Return a server's credentials, and the authority of its clients."""
    own = authority.issue_cert(host)
    chain = b"".join(each.bytes() for each in own.cert_chain_pems)
    trusted = client.cert_pem.bytes() if client else None
    pair = [(own.private_key_pem.bytes(), chain)]
    return grpc.ssl_server_credentials(pair, trusted, client is not None)


def trust(authority: trustme.CA, folder: Path) -> dict[str, str]:
    """Options of a client that trusts an authority, by a file that is the same each time."""
    authority.cert_pem.write_to_path(folder / "ca.pem")
    return {"ca": str(folder / "ca.pem")}


def identify(authority: trustme.CA, folder: Path) -> dict[str, str]:
    """A client's certificate and key, in the same files each time."""
    made = authority.issue_cert("gateway.example")
    made.cert_chain_pems[0].write_to_path(folder / "cert.pem")
    made.private_key_pem.write_to_path(folder / "key.pem")
    return {"certificate": str(folder / "cert.pem"), "key": str(folder / "key.pem")}


def test_it_works(connect: Connect, authority: trustme.CA, tmp_path: Path) -> None:
    with server(credentials=build_credentials(authority)) as at:
        caller = connect(at.target, tls=trust(authority, tmp_path))
        for size in (0, 1000, 3_000_000):
            assert caller.call("Echo", bytes(size)).value == bytes(size)
        with ThreadPoolExecutor(8) as pool:
            values = [b"%d" % number * 3000 for number in range(100)]
            assert [each.value for each in pool.map(partial(caller.call, "Echo"), values)] == values


def test_another_authority_is_not_trusted(
    connect: Connect, authority: trustme.CA, tmp_path: Path
) -> None:
    with server(credentials=build_credentials(trustme.CA())) as at:
        outcome = connect(at.target, tls=trust(authority, tmp_path)).call("Echo")
    assert outcome.code is Code.UNAVAILABLE
    assert "certificate verify failed" in outcome.message


def test_the_name_must_be_the_one_that_is_called(
    connect: Connect, authority: trustme.CA, tmp_path: Path
) -> None:
    with server(credentials=build_credentials(authority, "orders.example")) as at:
        ca = trust(authority, tmp_path)
        assert connect(at.target, tls=ca).call("Echo").code is Code.UNAVAILABLE
        assert connect(at.target, tls={**ca, "hostname": "orders.example"}).call("Echo")


def test_a_server_without_tls_is_unavailable(
    connect: Connect, authority: trustme.CA, tmp_path: Path
) -> None:
    with server() as at:
        caller = connect(at.target, tls=trust(authority, tmp_path), connect_seconds=2)
        assert caller.call("Echo").code is Code.UNAVAILABLE


def test_a_client_certificate_is_shown(
    connect: Connect, authority: trustme.CA, tmp_path: Path
) -> None:
    with server(credentials=build_credentials(authority, client=authority)) as at:
        ca = trust(authority, tmp_path)
        assert connect(at.target, tls=ca).call("Echo").code is Code.UNAVAILABLE
        assert connect(at.target, tls={**ca, **identify(authority, tmp_path)}).call("Echo")


def test_new_files_are_used_for_the_next_connection(connect: Connect, tmp_path: Path) -> None:
    old, new = trustme.CA(), trustme.CA()
    first = Server(credentials=build_credentials(old, client=old))
    caller = connect(first.target, tls={**trust(old, tmp_path), **identify(old, tmp_path)})
    assert caller.call("Echo")
    first.stop()
    (tmp_path / "key.pem").write_text("half a file")
    with server(first.target, credentials=build_credentials(new, client=new)):
        assert caller.call("Echo").code is Code.UNAVAILABLE
        trust(new, tmp_path)
        identify(new, tmp_path)
        until = time.monotonic() + PATIENCE_SECONDS
        while not caller.call("Echo"):
            assert time.monotonic() < until
            time.sleep(0.05)


def test_files_that_are_not_there_make_calls_fail_not_hang(
    connect: Connect, tmp_path: Path
) -> None:
    caller = connect("127.0.0.1:1", tls={"ca": str(tmp_path / "none.pem")})
    assert caller.call("Echo").code is Code.UNAVAILABLE
