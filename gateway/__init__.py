"""The HTTP front: it translates three JSON dialects to gRPC and back, and nothing more."""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from flask import Flask
from werkzeug.middleware.proxy_fix import ProxyFix

from chassis import telemetry
from chassis.context import MAX_CALL_SECONDS
from gateway import backends, health, orders, pages, problems, requests, sessions, subscriptions
from gateway.pages import cart, exam
from gateway.pages import orders as dashboard

ADDRESSES = {
    "sessions": "127.0.0.1:50051",
    "orders": "127.0.0.1:50052",
    "subscriptions": "127.0.0.1:50053",
}
PUBLIC_URL = "http://127.0.0.1:8080"
MAX_BODY = 1024 * 1024
RPC_TIMEOUT = 10.0


def create_app(config: Mapping[str, Any] | None = None) -> Flask:
    """The WSGI application; `config` stands before the environment."""
    folder = os.environ.get("LOG_DIR")
    telemetry.configure("gateway", folder=Path(folder) if folder else None)
    app = Flask(__name__, static_folder=None)
    app.url_map.merge_slashes = False
    app.json.sort_keys = False  # type: ignore[attr-defined]  # of Flask's own provider
    app.config.update({"MAX_CONTENT_LENGTH": MAX_BODY, **environment(), **(config or {})})
    if app.config["PROXIES"]:
        # Whose address the last of them names is who calls; without proxies anybody could write it.
        app.wsgi_app = ProxyFix(  # type: ignore[method-assign]
            app.wsgi_app, x_for=app.config["PROXIES"], x_proto=0, x_host=0, x_prefix=0
        )
    app.extensions["backends"] = backends.Backends(app.config)
    requests.register(app)
    problems.register(app)
    for module in (health, sessions, orders, subscriptions, pages, cart, dashboard):
        app.register_blueprint(module.bp)
    for blueprint in (exam.bp, exam.results):
        app.register_blueprint(blueprint)
    return app


def environment() -> dict[str, Any]:
    """The gateway's settings from the environment; a bad one stops the start."""
    settings: dict[str, Any] = {
        f"{name.upper()}_ADDR": os.environ.get(f"GATEWAY_{name.upper()}_ADDR", address)
        for name, address in ADDRESSES.items()
    }
    settings["PUBLIC_URL"] = os.environ.get("GATEWAY_PUBLIC_URL", PUBLIC_URL).rstrip("/")
    settings["EXAM_URL"] = exam.front_end(os.environ.get("GATEWAY_EXAM_URL", ""))
    settings["RPC_TIMEOUT"] = seconds("GATEWAY_RPC_TIMEOUT", RPC_TIMEOUT)
    settings["PROXIES"] = proxies("GATEWAY_PROXIES")
    return settings


def proxies(name: str) -> int:
    """How many proxies of the operator's own stand before the gateway, from the environment."""
    number = os.environ.get(name, "0")
    if number not in map(str, range(10)):
        raise SystemExit(f"{name} is the number of your proxies before the gateway, 0 to 9.")
    return int(number)


def seconds(name: str, default: float) -> float:
    """A number of seconds from the environment."""
    try:
        number = float(os.environ.get(name, default))
    except ValueError:
        number = 0
    if not 0 < number <= MAX_CALL_SECONDS:
        raise SystemExit(
            f"{name} is a number of seconds, more than 0 and at most {MAX_CALL_SECONDS:g}."
        )
    return number
