"""The HTTP gateway: translates three JSON dialects to gRPC and back, and nothing more."""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from flask import Flask
from werkzeug.middleware.proxy_fix import ProxyFix

from chassis import telemetry
from chassis.context import MAX_CALL_SECONDS
from gateway import (
    backends,
    health,
    orders,
    pages,
    problems,
    requests,
    routes,
    sessions,
    subscriptions,
)
from gateway.pages import cart, exam, tracking
from gateway.pages import orders as dashboard

DEFAULT_ADDRESSES = {
    "sessions": "127.0.0.1:50051",
    "orders": "127.0.0.1:50052",
    "subscriptions": "127.0.0.1:50053",
}
DEFAULT_PUBLIC_URL = "http://127.0.0.1:8080"
DIALECTS = (sessions.DIALECT, orders.DIALECT, subscriptions.DIALECT)
MAX_BODY_BYTES = 1024 * 1024
DEFAULT_RPC_TIMEOUT_SECONDS = 10.0
MAX_PROXIES = 9


def create_app(config: Mapping[str, Any] | None = None) -> Flask:
    """Return the WSGI application; `config` overrides the environment."""
    folder = os.environ.get("LOG_DIR")
    telemetry.configure("gateway", folder=Path(folder) if folder else None)
    app = Flask(__name__, static_folder=None)
    app.url_map.merge_slashes = False
    app.json.sort_keys = False  # type: ignore[attr-defined]  # Flask's default provider has it
    app.config.update(
        {"MAX_CONTENT_LENGTH": MAX_BODY_BYTES, **read_environment(), **(config or {})}
    )
    if app.config["PROXIES"]:
        # Trust the address that the outermost proxy wrote; without proxies anybody could forge it.
        app.wsgi_app = ProxyFix(  # type: ignore[method-assign]
            app.wsgi_app, x_for=app.config["PROXIES"], x_proto=0, x_host=0, x_prefix=0
        )
    app.extensions["backends"] = backends.Backends(app.config)
    requests.register(app)
    problems.register(app, DIALECTS, routes.describe_http_exception)
    routes.register(app)
    for module in (health, sessions, orders, subscriptions, pages, cart, dashboard, tracking):
        app.register_blueprint(module.bp)
    for blueprint in (exam.bp, exam.results):
        app.register_blueprint(blueprint)
    return app


def read_environment() -> dict[str, Any]:
    """Return the gateway's settings; an invalid variable ends the process."""
    settings: dict[str, Any] = {
        f"{name.upper()}_ADDR": os.environ.get(f"GATEWAY_{name.upper()}_ADDR", address)
        for name, address in DEFAULT_ADDRESSES.items()
    }
    settings["PUBLIC_URL"] = os.environ.get("GATEWAY_PUBLIC_URL", DEFAULT_PUBLIC_URL).rstrip("/")
    settings["EXAM_URL"] = exam.check_exam_url(os.environ.get("GATEWAY_EXAM_URL", ""))
    settings["RPC_TIMEOUT"] = read_seconds("GATEWAY_RPC_TIMEOUT", DEFAULT_RPC_TIMEOUT_SECONDS)
    settings["PROXIES"] = read_proxies("GATEWAY_PROXIES")
    return settings


def read_proxies(name: str) -> int:
    """Return the number of the operator's own proxies in front of the gateway."""
    number = os.environ.get(name, "0")
    if number not in map(str, range(MAX_PROXIES + 1)):
        raise SystemExit(f"{name} must be the number of your own proxies, 0 to {MAX_PROXIES}.")
    return int(number)


def read_seconds(name: str, default: float) -> float:
    """Return a number of seconds from the environment."""
    try:
        number = float(os.environ.get(name, default))
    except ValueError:
        number = 0
    if not 0 < number <= MAX_CALL_SECONDS:
        raise SystemExit(
            f"{name} must be a number of seconds, more than 0 and at most {MAX_CALL_SECONDS:g}."
        )
    return number
