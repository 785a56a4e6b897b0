"""The HTTP gateway: translates three JSON dialects to gRPC and back, and nothing more."""

import json
import os
from collections.abc import Callable, Mapping
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple

from flask import Flask, Request, Response
from flask.globals import request_ctx
from werkzeug.middleware.proxy_fix import ProxyFix
from werkzeug.routing import MapAdapter
from werkzeug.wsgi import get_host

from chassis import telemetry
from chassis.context import MAX_CALL_SECONDS
from chassis.settings.transport import (
    ClientFiles,
    allows_plaintext,
    find_remote,
    read_client_files,
)
from chassis.settings.variables import DEFAULT_PUBLIC_URL, check_public_url
from gateway import (
    backends,
    callbacks,
    health,
    openapi,
    orders,
    pages,
    problems,
    requests,
    routes,
    sessions,
    subscriptions,
)
from gateway.answers import deprecations, manners, origins
from gateway.bodies import PageRequest
from gateway.channel import Tls
from gateway.metrics import spans
from gateway.pages import cart, docs, exam, home, reminders, tracking
from gateway.pages import orders as dashboard
from gateway.pages.staff import events as staff_events
from gateway.rates import hooks, policies

DEFAULT_ADDRESSES = {
    "sessions": "127.0.0.1:50051",
    "orders": "127.0.0.1:50052",
    "subscriptions": "127.0.0.1:50053",
}
DIALECTS = (sessions.DIALECT, orders.DIALECT, subscriptions.DIALECT)
MAX_BODY_BYTES = 1024 * 1024
DEFAULT_RPC_TIMEOUT_SECONDS = 10.0
MAX_PROXIES = 9
NO_TLS = (
    "Calls to {} would leave this machine in plaintext, for everybody on the way to read. "
    "Set GRPC_TLS_CA, or GRPC_PLAINTEXT=allow where the network is trusted."
)


class Hooks(NamedTuple):
    """What runs before and after the views of a blueprint, in this order."""

    before: tuple[Callable[..., Any], ...]
    after: tuple[Callable[..., Any], ...]


class Gateway(Flask):
    """The application. None of its views is a coroutine, and it has no sessions of Flask's.

    So Flask need not look at each call, nor gather its hooks anew.
    """

    request_class = PageRequest

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self._hooks: dict[str | None, Hooks] = {}  # by blueprint

    def ensure_sync(self, func: Callable[..., Any]) -> Callable[..., Any]:
        return func

    def preprocess_request(self) -> Any:
        """Run what is to run before the view; the first answer of these is the answer."""
        for hook in self._find_hooks().before:
            if (answer := hook()) is not None:
                return answer
        return None

    def process_response(self, response: Response) -> Response:
        """Run what finishes an answer."""
        for hook in self._find_hooks().after:
            response = hook(response)
        return response

    def _find_hooks(self) -> Hooks:
        asked = request_ctx.request
        found = self._hooks.get(asked.blueprint)
        if found is None:
            inward = [None, *reversed(asked.blueprints)]
            before, after = self.before_request_funcs, self.after_request_funcs
            found = self._hooks[asked.blueprint] = Hooks(
                tuple(hook for name in inward for hook in before.get(name, ())),
                tuple(hook for name in inward for hook in after.get(name, ()))[::-1],
            )
        return found

    def create_url_adapter(self, request: Request | None) -> MapAdapter | None:
        """Bind the routes to a request; whether its host can be one is looked at once for each."""
        if request is None:
            return super().create_url_adapter(request)
        asked = request.environ
        host = asked.get("HTTP_HOST")
        request.host = routes.read_host(request.scheme, host) if host else get_host(asked)
        path = asked["PATH_INFO"].encode("latin-1").decode(errors="replace")
        scheme, method, query = request.scheme, request.method, asked.get("QUERY_STRING")
        below = request.root_path  # SCRIPT_NAME of gunicorn's own environment
        return routes.Adapter(
            self.short_cuts, self.url_map, request.host, below, "", scheme, path, method, query
        )

    @cached_property
    def short_cuts(self) -> routes.ShortCuts:
        """The routes that are found at once; made at the first request, when there are all."""
        return routes.ShortCuts(self.url_map.iter_rules())


def create_app(config: Mapping[str, Any] | None = None) -> Flask:
    """Return the WSGI application; `config` overrides the environment."""
    folder = os.environ.get("LOG_DIR")
    telemetry.configure("gateway", folder=Path(folder) if folder else None)
    app = Gateway(__name__, static_folder=None)
    app.url_map.merge_slashes = False
    app.json.sort_keys = False  # type: ignore[attr-defined]  # Flask's default provider has it
    app.config.update(
        {"MAX_CONTENT_LENGTH": MAX_BODY_BYTES, **read_environment(), **(config or {})}
    )
    if app.config["PROXIES"]:
        # Trust the address that the outermost proxy wrote, and the scheme that the nearest one did;
        # without proxies anybody could forge them.
        app.wsgi_app = ProxyFix(  # type: ignore[method-assign]
            app.wsgi_app, x_for=app.config["PROXIES"], x_proto=1, x_host=0, x_prefix=0
        )
    app.extensions["backends"] = backends.Backends(app.config)
    if app.config["METRICS"]:
        from gateway.metrics import instruments

        instruments.register(app)
    spans.register(app, os.environ)
    requests.register(app)
    origins.register(app)
    hooks.register(app)
    manners.register(app)
    deprecations.register(app)
    problems.register(app, DIALECTS, routes.describe_http_exception)
    routes.register(app)
    apis = (sessions, orders, subscriptions)
    for module in (health, *apis, openapi, pages, home, docs, cart, dashboard, tracking):
        app.register_blueprint(module.bp)
    for blueprint in (exam.bp, exam.results, staff_events.bp, callbacks.bp, reminders.bp):
        app.register_blueprint(blueprint)
    return app


def read_environment() -> dict[str, Any]:
    """Return the gateway's settings; an invalid variable ends the process."""
    settings: dict[str, Any] = {
        f"{name.upper()}_ADDR": os.environ.get(f"GATEWAY_{name.upper()}_ADDR", address)
        for name, address in DEFAULT_ADDRESSES.items()
    }
    settings |= _read_trust(list(settings.values()))
    settings["EXAM_URL"] = exam.check_exam_url(os.environ.get("GATEWAY_EXAM_URL", ""))
    settings["RPC_TIMEOUT"] = read_seconds("GATEWAY_RPC_TIMEOUT", DEFAULT_RPC_TIMEOUT_SECONDS)
    settings["PROXIES"] = read_proxies("GATEWAY_PROXIES")
    settings["CORS_ORIGINS"] = origins.read_origins()
    settings["LIMITS"] = policies.read_policies()
    settings["LIMIT_STORE"] = policies.read_store()
    settings["METRICS"] = bool(os.environ.get("METRICS_LISTEN"))
    settings["DEMO"] = read_demo("GATEWAY_DEMO")
    return settings


def _read_trust(addresses: list[str]) -> dict[str, Any]:
    """Return how the services are called, and where links begin.

    Plaintext to another machine ends the process, unless the operator allows it.
    """
    try:
        files, url = read_client_files(os.environ), os.environ.get("GATEWAY_PUBLIC_URL")
        remote, is_allowed = find_remote(addresses), allows_plaintext(os.environ)
        if remote and files is None and not is_allowed:
            raise ValueError(NO_TLS.format(", ".join(remote)))
        return {
            "PUBLIC_URL": check_public_url(url or DEFAULT_PUBLIC_URL),
            "GRPC_TLS": files and _load_tls(files),
            "REMOTE": remote,
        }
    except (OSError, ValueError) as error:
        raise SystemExit(str(error)) from None


def _load_tls(files: ClientFiles) -> Tls:
    """Return TLS with these files; raises OSError or ValueError unless they can be read."""
    tls = Tls(files.ca, files.certificate, files.key, files.hostname)
    tls.context()
    return tls


def read_demo(name: str) -> dict[str, Any] | None:
    """Return the credentials and calls that the pages of a demo show; None where none is run."""
    path = os.environ.get(name)
    if not path:
        return None
    try:
        guide: dict[str, Any] = json.loads(Path(path).read_text())
        guide["credentials"].items(), [each["lines"] for each in guide["calls"]]
    except (OSError, ValueError, TypeError, AttributeError, KeyError):
        raise SystemExit(f"{name} must be the path of a demo's guide.json.") from None
    return guide


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
