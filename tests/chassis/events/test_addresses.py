"""Which addresses are public."""

import socket
from typing import Any

import pytest

from chassis.events.addresses import AttemptFailed, is_public, resolve


@pytest.mark.parametrize(
    "address",
    [
        "8.8.8.8",
        "93.184.216.34",
        "2606:4700::1111",
        "64:ff9b::808:808",  # NAT64 of 8.8.8.8
        "2002:808:808::",  # 6to4 of it
        "::ffff:8.8.8.8",
    ],
)
def test_public(address: str) -> None:
    assert is_public(address)


@pytest.mark.parametrize(
    "address",
    [
        "127.0.0.1",
        "127.255.255.254",
        "0.0.0.0",
        "10.0.0.1",
        "172.16.0.1",
        "192.168.1.1",
        "169.254.169.254",  # where clouds keep credentials
        "100.64.0.1",  # carrier-grade NAT: not private to Python
        "192.0.2.1",
        "198.18.0.1",
        "224.0.0.1",
        "239.255.255.250",
        "240.0.0.1",
        "255.255.255.255",
        "::",
        "::1",
        "fe80::1",
        "fe80::1%eth0",
        "fc00::1",
        "fd12:3456::1",
        "fec0::1",
        "ff02::1",
        "2001:db8::1",
        "::ffff:127.0.0.1",
        "::ffff:10.0.0.1",
        "::127.0.0.1",
        "64:ff9b::7f00:1",
        "64:ff9b::a9fe:a9fe",
        "64:ff9b:1::7f00:1",
        "2002:7f00:1::",
        "2002:a00:1::1",
        "2001:0:4136:e378:8000:63bf:3fff:fdd2",  # Teredo
    ],
)
def test_not_public(address: str) -> None:
    assert not is_public(address)


@pytest.mark.parametrize(
    "host", ["127.0.0.1", "localhost", "0x7f.1", "2130706433", "0177.0.0.1", "127.1", "::1"]
)
def test_this_machine_is_refused_however_it_is_written(host: str) -> None:
    with pytest.raises(AttemptFailed, match="private"):
        resolve(host, 80, private=False)
    assert resolve(host, 80, private=True)


@pytest.mark.parametrize("host", ["", "nobody.invalid", "a" * 64, "a..b", "a" * 300])
def test_a_name_that_stands_for_nothing(host: str) -> None:
    with pytest.raises(AttemptFailed) as raised:
        resolve(host, 80, private=False)
    assert raised.value.reason in ("name", "private")  # an empty name is this machine


def test_every_address_of_a_name_must_be_public(monkeypatch: pytest.MonkeyPatch) -> None:
    def find(*addresses_: str) -> Any:
        return lambda *_, **__: [
            (socket.AF_INET, socket.SOCK_STREAM, 6, "", (each, 80)) for each in addresses_
        ]

    monkeypatch.setattr(socket, "getaddrinfo", find("8.8.8.8", "10.0.0.1"))
    with pytest.raises(AttemptFailed, match="private"):
        resolve("two.example", 80, private=False)
    monkeypatch.setattr(socket, "getaddrinfo", find("8.8.8.8", "1.1.1.1"))
    assert resolve("two.example", 80, private=False) == [
        (socket.AF_INET, ("8.8.8.8", 80)),
        (socket.AF_INET, ("1.1.1.1", 80)),
    ]
