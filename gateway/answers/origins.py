"""CORS: which web pages may call the APIs from a browser. Off unless origins are configured.

Pages send their credentials in Authorization, never by cookie, so no answer allows credentials.
"""

import os
import re
from collections.abc import Collection, Mapping

from flask import Flask, Response, current_app, request

from gateway.problems import DEFAULT_DIALECT, find_dialect

VARIABLE = "GATEWAY_CORS_ORIGINS"
ANY = "*"
MAX_AGE_SECONDS = 3600
ALLOWED_HEADERS = (
    "Authorization, Content-Type, Content-Encoding, Idempotency-Key, If-Match, If-None-Match, "
    "User-Email, X-Request-Id"
)
EXPOSED_HEADERS = (
    "Deprecation, ETag, Idempotent-Replayed, Link, Location, RateLimit, RateLimit-Policy, "
    "Retry-After, Sunset, WWW-Authenticate, X-Request-Id"
)
_ORIGIN = re.compile(r"https?://[a-z0-9.\[\]:_-]+")


def read_origins(environ: Mapping[str, str] = os.environ) -> frozenset[str]:
    """Return the origins that may call; an invalid one ends the process."""
    origins = {each.strip().lower() for each in environ.get(VARIABLE, "").split(",")} - {""}
    for each in origins:
        if each != ANY and not _ORIGIN.fullmatch(each):
            raise SystemExit(
                f"{VARIABLE} must be * or origins such as https://shop.example, "
                f"separated by commas and without a path; {each!r} is none."
            )
    return frozenset(origins)


def register(app: Flask) -> None:
    """Make the application answer preflights, and name the origins that may read its answers."""
    origins: Collection[str] = app.config["CORS_ORIGINS"]
    if not origins:
        return

    @app.before_request
    def answer_preflight() -> Response | None:
        if request.method != "OPTIONS" or "Access-Control-Request-Method" not in request.headers:
            return None
        if find_dialect() is DEFAULT_DIALECT:
            return None
        response = Response(status=204)
        del response.headers["Content-Type"]
        response.headers["Vary"] = "Origin"
        if allow_origin(origins):
            methods = current_app.url_map.bind("").allowed_methods(request.path)
            response.headers["Access-Control-Allow-Methods"] = ", ".join(sorted(methods))
            response.headers["Access-Control-Allow-Headers"] = ALLOWED_HEADERS
            response.headers["Access-Control-Max-Age"] = str(MAX_AGE_SECONDS)
        return response

    @app.after_request
    def name_origin(response: Response) -> Response:
        if find_dialect() is DEFAULT_DIALECT:
            return response
        if ANY not in origins:
            response.vary.add("Origin")
        if allowed := allow_origin(origins):
            response.headers["Access-Control-Allow-Origin"] = allowed
            response.headers["Access-Control-Expose-Headers"] = EXPOSED_HEADERS
        return response


def allow_origin(origins: Collection[str]) -> str:
    """Return the origin to allow for the request at hand; '' for none."""
    origin = request.headers.get("Origin", "")
    if origin and ANY in origins:
        return ANY
    return origin if origin.lower() in origins else ""
