"""A call takes a thread when its message has come.

With grpcio a call takes a thread as soon as its headers have come; the thread asks for the message,
sleeps, and is woken by the one that serves. Here the serving thread asks by itself, so that a call
wakes one thread in place of three and a silent one holds none. That takes names of grpcio that are
not public. Where one is missing, calls are served as grpcio means it, and
`chassis.server.watchdog` bounds their wait: see docs/decisions/0009.
"""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from importlib import import_module
from typing import Any

import grpc

from chassis.server.pool import CallPool, Job
from chassis.server.watchdog import Watchdog

try:
    internals: Any = import_module("grpc._server")
    serve_call: Any = internals._unary_response_in_pool
    take_message: Any = internals._receive_message
    look_for_message: Any = internals._RequestIterator._look_for_request
    TOKEN: Any = internals._RECEIVE_MESSAGE_TOKEN
    Ask: Any = import_module("grpc._cython.cygrpc").ReceiveMessageOperation
except (ImportError, AttributeError):  # another grpcio
    serve_call = None
NO_FLAGS = 0


class Received(Iterator[Any]):
    """The one message of a call, for the handler of a stream-unary RPC."""

    __slots__ = ("_iterator",)

    def __init__(self, iterator: Any) -> None:
        """`iterator` is grpcio's, for the same call."""
        self._iterator = iterator

    def __next__(self) -> Any:
        """Return it; raises what grpcio raises where there is none or the call was cancelled."""
        with self._iterator._state.condition:
            return look_for_message(self._iterator)


class Arrivals(ThreadPoolExecutor):
    """Hands stream-unary calls to their pool when their message has come.

    It is an executor because grpcio looks for one; it has no threads.
    """

    def __init__(self, pool: CallPool, watchdog: Watchdog) -> None:
        super().__init__(1)
        self.pool, self._watchdog = pool, watchdog

    def submit(  # type: ignore[override]  # a Job has what grpcio needs of a future
        self, work: Callable[..., object], *args: Any
    ) -> Job:
        """Have a thread of the pool call `work`; grpcio's serving thread calls this."""
        if serve_call is None or len(args) != 7 or args[0] is not serve_call:
            return self.pool.submit(work, *args)
        _, event, state, behavior, _, deserialize, serialize = args
        call = event.call
        message = Received(internals._RequestIterator(state, call, deserialize))
        take = take_message(state, call, deserialize)
        job = self.pool.admit(
            work, serve_call, event, state, behavior, lambda: message, deserialize, serialize
        )

        def arrive(result: Any) -> Any:
            """Begin the call; grpcio's serving thread calls this, where none comes too."""
            self._watchdog.release(call)
            try:
                return take(result)
            finally:
                self.pool.start(job)

        self._watchdog.watch_message(call, self.pool)
        call.start_server_batch((Ask(NO_FLAGS),), arrive)
        state.due.add(TOKEN)
        return job

    def receive(self, requests: Iterator[Any], context: grpc.ServicerContext) -> Any | None:
        """Return the message of a call in its thread, or None if it has none.

        Raises what grpcio raises where the call was cancelled.
        """
        if type(requests) is Received:
            return next(requests, None)
        return self._watchdog.receive(requests, context, self.pool)
