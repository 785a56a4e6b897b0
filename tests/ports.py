"""Ports on which nobody listens, each given once."""

import itertools
import socket
from collections.abc import Iterator
from contextlib import ExitStack
from random import SystemRandom

# Below those that the system takes for the near end of any connection: one of these would be taken
# again before the process that is to listen on it has started.
FIRST_PORT, LAST_PORT = 10_000, 32_000
BLOCK = 100  # ports that one process gives away before it takes more
HOST = "127.0.0.1"

_taken: list[socket.socket] = []  # a process keeps its blocks until it ends


def find_free_port(count: int = 1) -> int:
    """Return a port on which nobody listens, nor on the `count` - 1 after it.

    No port is given twice, neither here nor by another process of the tests: what is to listen on
    it starts later, and in between it looks free.
    """
    assert count <= BLOCK
    while ports := list(itertools.islice(_ports, count)):
        if ports[-1] - ports[0] == count - 1 and _are_free(ports):
            return ports[0]
    raise OSError("all ports are given away")


def find_free_address() -> str:
    """Return host:port of a free port."""
    return f"{HOST}:{find_free_port()}"


def _take_ports() -> Iterator[int]:
    """The ports of one block after another, each block marked as taken by its first UDP port."""
    firsts = list(range(FIRST_PORT, LAST_PORT, BLOCK))
    SystemRandom().shuffle(firsts)
    for first in firsts:
        mark = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        try:
            mark.bind((HOST, first))
        except OSError:
            mark.close()
            continue
        _taken.append(mark)
        yield from range(first, first + BLOCK)


def _are_free(ports: list[int]) -> bool:
    with ExitStack() as listening:
        try:
            for port in ports:
                listening.enter_context(socket.create_server((HOST, port)))
        except OSError:
            return False
    return True


_ports = _take_ports()
