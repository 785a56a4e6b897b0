"""All settings of gunicorn: `python -m gunicorn --config python:gateway.gunicorn_conf`.

The command line takes precedence.
"""

import logging

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


def worker_exit(_server: object, _worker: object) -> None:
    """Drop the lock of logging: gevent is gone before the interpreter ends its handlers."""
    logging._lock = None  # type: ignore[attr-defined]
