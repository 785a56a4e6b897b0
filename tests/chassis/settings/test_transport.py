"""Which addresses leave the machine, and what the variables of TLS may say."""

from pathlib import Path

import pytest

from chassis.settings.transport import (
    ClientFiles,
    ServerFiles,
    allows_plaintext,
    find_remote,
    is_local,
    read_client_files,
    read_server_files,
)


@pytest.mark.parametrize(
    "address",
    [
        *("127.0.0.1:50051", "127.255.0.9:1", "localhost:50051", "LOCALHOST:1", "localhost.:1"),
        *("orders.localhost:1", "[::1]:50051", "[::ffff:127.0.0.1]:1", "dns:///localhost:1"),
        *("unix:/run/orders.sock", "unix:///run/orders.sock", "unix-abstract:orders"),
        *("ipv4:127.0.0.1:50051", "ipv6:[::1]:50051"),
    ],
)
def test_loopback_and_sockets_are_local(address: str) -> None:
    assert is_local(address)
    assert find_remote([address]) == []


@pytest.mark.parametrize(
    "address",
    [
        *("0.0.0.0:50051", "[::]:50051", "10.0.0.5:1", "192.168.1.20:50051", "orders:50052"),
        *("orders.example:50052", "dns:///orders:50052", "[2001:db8::1]:1", ":50051", ""),
        *("[::ffff:10.0.0.5]:1", "127.0.0.1.example:1", "localhost.example:1", "nonsense", "1"),
        *("*:50051", "127.1:50051", "0:50051"),
    ],
)
def test_everything_else_is_another_machine(address: str) -> None:
    assert not is_local(address)
    assert find_remote([address]) == [address]


def test_each_of_several_addresses_is_looked_at() -> None:
    targets = ["127.0.0.1:1, orders-1:50061,unix:/a.sock", "orders-2:50062"]
    assert find_remote(targets) == ["orders-1:50061", "orders-2:50062"]


def test_a_server_needs_a_certificate_and_its_key() -> None:
    assert read_server_files({}) is None
    assert read_server_files({"GRPC_TLS_CERT": "", "GRPC_TLS_KEY": ""}) is None
    both = {"GRPC_TLS_CERT": "c.pem", "GRPC_TLS_KEY": "k.pem"}
    assert read_server_files(both) == ServerFiles(Path("c.pem"), Path("k.pem"))
    mutual = read_server_files({**both, "GRPC_TLS_CLIENT_CA": "ca.pem"})
    assert mutual == ServerFiles(Path("c.pem"), Path("k.pem"), Path("ca.pem"))
    for name in (*both, "GRPC_TLS_CLIENT_CA"):
        with pytest.raises(ValueError, match="GRPC_TLS_CERT and GRPC_TLS_KEY are set together"):
            read_server_files({name: "x.pem"})


def test_a_client_needs_an_authority() -> None:
    assert read_client_files({}) is None
    assert read_client_files({"GRPC_TLS_CA": "system"}) == ClientFiles()
    assert read_client_files({"GRPC_TLS_CA": "ca.pem"}) == ClientFiles(Path("ca.pem"))
    own = {"GRPC_TLS_CLIENT_CERT": "c.pem", "GRPC_TLS_CLIENT_KEY": "k.pem"}
    whole = {**own, "GRPC_TLS_CA": "ca.pem", "GRPC_TLS_HOSTNAME": "orders.example"}
    files = ClientFiles(Path("ca.pem"), Path("c.pem"), Path("k.pem"), "orders.example")
    assert read_client_files(whole) == files
    with pytest.raises(ValueError, match="GRPC_TLS_CA is missing"):
        read_client_files(own)
    for name in own:
        with pytest.raises(ValueError, match="CLIENT_CERT and GRPC_TLS_CLIENT_KEY are set toget"):
            read_client_files({**whole, name: ""})


def test_plaintext_is_allowed_by_one_word() -> None:
    assert not allows_plaintext({})
    assert not allows_plaintext({"GRPC_PLAINTEXT": ""})
    assert allows_plaintext({"GRPC_PLAINTEXT": "allow"})
    for word in ("1", "yes", "deny", "ALLOW "):
        with pytest.raises(ValueError, match="GRPC_PLAINTEXT is allow, or is not set"):
            allows_plaintext({"GRPC_PLAINTEXT": word})
