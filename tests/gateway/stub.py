"""The gateway before dead services, with some routes that need none."""

import hashlib
import os
import sys
import time
from pathlib import Path

from flask import Flask, Response, jsonify

from chassis.telemetry import log
from gateway import create_app as create_gateway
from gateway.bodies import read_body
from tests.serving import SERVICES


def create_app() -> Flask:
    """The application; it waits for the file that BOOT_FILE names, if it does."""
    if boot := os.environ.get("BOOT_FILE"):
        while not Path(boot).exists():
            time.sleep(0.01)
    app = create_gateway({f"{name.upper()}_ADDR": "127.0.0.1:1" for name in SERVICES})

    def echo() -> Response:
        body = read_body()
        return jsonify(bytes=len(body), sha=hashlib.sha256(body).hexdigest())

    for prefix in ("/v1", "/api/v2/partners", "/api/public/v1"):
        app.add_url_rule(f"{prefix}/echo", prefix.replace("/", "_"), echo, methods=["POST"])
    app.add_url_rule("/pid", "pid", lambda: jsonify(pid=os.getpid()))
    app.add_url_rule("/sleep/<seconds>", "sleep", sleep)
    app.add_url_rule("/large/<int:size>", "large", lambda size: Response(b"x" * size))
    app.add_url_rule("/log/<int:lines>", "log", write_log)
    return app


def sleep(seconds: str) -> Response:
    time.sleep(float(seconds))
    return jsonify(slept=seconds)


def write_log(lines: int) -> Response:
    for number in range(lines):
        log().info("x" * 1000, attempt=number)
    print("printed", file=sys.stderr)
    return jsonify(lines=lines)
