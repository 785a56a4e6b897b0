"""Which requests count for which limit."""

from flask import Flask, Response, g, request
from flask.globals import request_ctx

from gateway.callers import SERVICES
from gateway.pages.orders import LOGIN_ACTION
from gateway.pages.orders_session import read_token
from gateway.rates.limiter import build_limiter, limit_address, limit_request, write_fields

TOKEN_ENDPOINT = "orders.create_token"  # counts in its view, which reads the credentials
MESSAGES = {"subscriptions.send_email": "emails", "subscriptions.send_sms": "sms"}
# Pages that anybody may open; assets and health are free.
OPEN_PAGES = frozenset({"callbacks", "cart", "exam", "reminders", "results", "tracking"})
STAFF_PAGES = "staff"  # opened with credentials, as the APIs are called
# Those whose link has a code that is all one needs: each code has a limit of its own.
CODED_PAGES = {"cart": "carts", "reminders": "carts", "tracking": "tracking"}


def register(app: Flask) -> None:
    """Make the application count its requests, if any limit is on."""
    policies = app.config["LIMITS"]
    if not policies:
        return
    limiter = build_limiter(policies, app.config["LIMIT_STORE"])
    limiter.observe_refusal = app.extensions.get("observe_limit")
    app.extensions["limiter"] = limiter
    has_callers = "callers" in policies

    @app.before_request
    def limit() -> None:
        blueprint = request.blueprint
        if blueprint in SERVICES or blueprint == STAFF_PAGES:
            _limit_call(has_callers=has_callers)
        elif blueprint == "dashboard":
            _limit_dashboard(has_callers=has_callers)
        elif blueprint in OPEN_PAGES:
            limit_address("anonymous")
            if policy := CODED_PAGES.get(blueprint):
                limit_request(policy, str((request.view_args or {}).get("code", "")))
        elif request.endpoint is None:
            limit_address("anonymous")

    @app.after_request
    def add_fields(response: Response) -> Response:
        if quotas := g.get("quotas"):
            write_fields(response, quotas)
        return response


def _limit_call(*, has_callers: bool) -> None:
    """Limit a call of an API by its credentials, or else by its address."""
    asked = request_ctx.request
    headers, endpoint = asked.environ, asked.endpoint
    authorization = headers.get("HTTP_AUTHORIZATION")
    if endpoint == TOKEN_ENDPOINT or asked.method == "OPTIONS":
        return
    if not authorization:
        limit_address("anonymous")
        return
    if has_callers:
        limit_request("callers", authorization)
    if endpoint in MESSAGES:
        subscription_id = (asked.view_args or {}).get("subscription_id", "")
        limit_request(MESSAGES[endpoint], authorization, subscription_id)


def _limit_dashboard(*, has_callers: bool) -> None:
    if request.endpoint == LOGIN_ACTION and request.method == "POST":
        limit_address("logins")
    elif not (token := read_token()):
        limit_address("anonymous")
    elif has_callers:
        limit_request("callers", f"Session {token}")
