"""Two processes of each service behind PgBouncer and two gateways, in a short form."""

import socket

import pytest
from click.testing import CliRunner

from bench.__main__ import cli
from bench.experiments.scale_out.names import run_name_server

# Nine processes are started, which takes long on a busy machine.
pytestmark = pytest.mark.timeout(600)
QUERY = b"\x12\x34\x01\x00\x00\x01\x00\x00\x00\x00\x00\x00"
QUESTION = b"\x06orders\x08optigate\x04test\x00\x00\x01\x00\x01"


def ask(port: int, question: bytes) -> bytes:
    """The answer of a name server."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
        client.settimeout(10)
        client.sendto(QUERY + question, ("127.0.0.1", port))
        return client.recv(512)


def test_it_works() -> None:
    words = ("scale-out", "--replicas", "2", "--seconds", "0.5", "--orders", "8")
    done = CliRunner().invoke(cli, words)
    assert done.exit_code == 0, done.output
    lines = done.stdout.splitlines()
    assert lines[0].startswith("2 of each: ")
    for kind in ("orders", "gateway", "pgbouncer", "postgres"):
        assert f" {kind} " in lines[1].replace("(", " ")
    assert ", 0 failed requests; " in lines[2]
    assert lines[3:] == ["  promises: kept"]


def test_a_name_has_the_addresses_of_the_moment() -> None:
    with run_name_server() as names:
        assert ask(names.port, QUESTION)[3] & 15 == 3  # there is no such name
        names.addresses["orders.optigate.test"] = ["127.0.2.1", "127.0.2.2"]
        answer = ask(names.port, QUESTION)
        assert answer[:2] == QUERY[:2]
        assert int.from_bytes(answer[6:8]) == 2
        assert answer.endswith(b"\x00\x04\x7f\x00\x02\x02")
        assert (
            int.from_bytes(ask(names.port, QUESTION.replace(b"\0\1\0\1", b"\0\x1c\0\1"))[6:8]) == 0
        )
