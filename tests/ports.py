"""Ports on which nobody listens."""

import socket
from contextlib import ExitStack
from random import SystemRandom

# Below those that the system takes for the near end of any connection: one of these would be taken
# again before the process that is to listen on it has started.
FIRST_PORT, LAST_PORT = 10_000, 32_000
HOST = "127.0.0.1"


def find_free_port(count: int = 1) -> int:
    """Return a port on which nobody listens, nor on the `count` - 1 after it."""
    while True:
        first = SystemRandom().randint(FIRST_PORT, LAST_PORT)
        with ExitStack() as taken:
            try:
                for number in range(count):
                    taken.enter_context(socket.create_server((HOST, first + number)))
            except OSError:
                continue
            return first


def find_free_address() -> str:
    """Return host:port of a free port."""
    return f"{HOST}:{find_free_port()}"
