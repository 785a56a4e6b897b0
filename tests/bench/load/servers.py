"""A small HTTP server whose answers, delays and disconnects a test chooses."""

import asyncio
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from bench.load.sockets import Address

Answer = Callable[[int], tuple[int, bytes, float]]  # of the count: status, body, seconds of delay
CLOSE = 0  # a status: the connection is closed instead


@contextmanager
def serving(answer: Answer) -> Iterator[Address]:
    """Serve in a thread until the block ends."""
    ready = threading.Event()
    address: list[Address] = []
    stopping: list[Callable[[], object]] = []
    counted = 0

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal counted
        try:
            while True:
                await reader.readuntil(b"\r\n\r\n")
                counted += 1
                status, body, delay = answer(counted)
                await asyncio.sleep(delay)
                if status == CLOSE:
                    break
                head = f"HTTP/1.1 {status} Any\r\ncontent-length: {len(body)}\r\n\r\n"
                # In two pieces: an answer need not arrive at once.
                writer.write(head.encode())
                await writer.drain()
                writer.write(body)
        except (asyncio.IncompleteReadError, asyncio.CancelledError, ConnectionError):
            pass
        finally:
            writer.close()

    async def run() -> None:
        stopped, loop = asyncio.Event(), asyncio.get_running_loop()
        server = await asyncio.start_server(serve, "127.0.0.1", 0)
        address.append(("127.0.0.1", server.sockets[0].getsockname()[1]))
        stopping.append(lambda: loop.call_soon_threadsafe(stopped.set))
        ready.set()
        await stopped.wait()
        server.close()

    thread = threading.Thread(target=lambda: asyncio.run(run()))
    thread.start()
    try:
        assert ready.wait(10)
        yield address[0]
    finally:
        stopping[0]()
        thread.join()
