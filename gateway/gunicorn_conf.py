"""All settings of gunicorn: `python -m gunicorn --config python:gateway.gunicorn_conf`.

The command line takes precedence.
"""

import logging
import os
import signal
import sys
from typing import Any

from gateway.server.limits import from_environment

worker_class = "gateway.worker.Worker"
workers = 2
worker_connections = from_environment().connections
keepalive = 75  # seconds between two requests
timeout = 30  # seconds without a sign of life after which a worker is killed
graceful_timeout = 25  # seconds for running requests at a stop; containers are given 30
limit_request_line = 8190
limit_request_fields = 100
limit_request_field_size = 8190
sendfile = False  # the worker's own bound holds for files, too
control_socket_disable = True
certfile = os.environ.get("GATEWAY_TLS_CERT") or None
keyfile = os.environ.get("GATEWAY_TLS_KEY") or None
# Only GATEWAY_PROXIES says whose headers are trusted, and the application reads it.
forwarded_allow_ips = ""
secure_scheme_headers: dict[str, str] = {}
# The thread that writes the log lines wants the interpreter's lock for a moment. Until it has it,
# each system call of the requests' thread wakes it in vain, and begins its wait anew, which is 5 ms
# by default: it waited nearly always.
SWITCH_SECONDS = 0.0001


def on_starting(server: Any) -> None:
    """Let no log line block this process, and refuse settings with which no worker may start."""
    from gateway.server.output import take_outputs
    from gateway.server.start import check_start

    take_outputs(server.log)
    check_start(server.cfg.address, is_https=bool(server.cfg.is_ssl))
    server.exporter = None
    if address := os.environ.get("METRICS_LISTEN"):
        from gateway.metrics.exporter import start_exporter

        server.exporter = start_exporter(server, address)


def when_ready(server: Any) -> None:
    """Have old workers that wait for new ones know of a stop at once.

    gunicorn heeds the signal only when they have ended, or after `graceful_timeout`.
    """

    def stop(number: int, frame: Any) -> None:
        if os.getpid() == server.pid and (board := server.worker_class.board):
            board.begin_stop()
        server.signal(number, frame)

    signal.signal(signal.SIGTERM, stop)


def post_fork(server: Any, worker: Any) -> None:
    """Leave the port of the metrics to the parent, and make each request cheaper.

    A stop that comes before the worker has its own handlers would reach those of the parent.
    """
    sys.setswitchinterval(SWITCH_SECONDS)
    # gunicorn looks a setting up some twenty times a request, through two calls each time.
    vars(worker.cfg).update({name: each.get() for name, each in worker.cfg.settings.items()})
    signal.signal(signal.SIGTERM, worker.handle_exit)
    if server.exporter:
        server.exporter.listener.leave()


def child_exit(server: Any, worker: Any) -> None:
    """Take a worker that has ended out of the metrics of the present, and replace a new one."""
    from gateway.server.handover import replace_failed

    if server.exporter:
        server.exporter.bury(worker)
    replace_failed(server, worker)


def on_exit(server: Any) -> None:
    """End the metrics."""
    if server.exporter:
        server.exporter.stop()


def worker_exit(_server: object, _worker: object) -> None:
    """Send the spans that wait.

    Drop the lock of logging: gevent is gone before the interpreter ends its handlers.
    """
    from chassis.spans.start import stop

    stop()
    logging._lock = None  # type: ignore[attr-defined]
