"""`python -m bench.peers.by_the_book orders|subscriptions`: serve one of the two."""

import os
import signal
import sys
import threading
from concurrent.futures import ThreadPoolExecutor

import grpc

from bench.peers.by_the_book.services import OrderService, SubscriptionService
from bench.peers.by_the_book.sessions import open_sessions
from protos.orders_pb2_grpc import add_OrderServiceServicer_to_server
from protos.subscriptions_pb2_grpc import add_SubscriptionServiceServicer_to_server

THREADS = 10  # as in grpc's tutorial
GRACE_SECONDS = 5
LOOK_SECONDS = 0.5  # between two looks whether a signal has come


def serve(service: str, url: str, listen: str) -> None:
    """Serve until SIGTERM."""
    server, sessions = grpc.server(ThreadPoolExecutor(THREADS)), open_sessions(url)
    if service == "orders":
        orders = OrderService(sessions)  # type: ignore[abstract]  # others: UNIMPLEMENTED
        add_OrderServiceServicer_to_server(orders, server)
    else:
        subscriptions = SubscriptionService(sessions)  # type: ignore[abstract]
        add_SubscriptionServiceServicer_to_server(subscriptions, server)
    server.add_insecure_port(listen)
    server.start()
    stopped = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: stopped.set())
    # The kernel may hand the signal to a thread of grpc's, which does not end a wait of this one.
    while not stopped.wait(LOOK_SECONDS):
        pass
    server.stop(GRACE_SECONDS).wait()


if __name__ == "__main__":
    serve(sys.argv[1], os.environ["DATABASE_URL"], os.environ["LISTEN"])
