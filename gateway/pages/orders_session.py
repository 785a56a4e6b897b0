"""The session of the dashboard in a browser: its cookies, and the seal of its forms."""

import hashlib
import hmac
import re
from urllib.parse import urlsplit

from flask import Response, current_app, redirect, request

# The names of the cookies: of a session, and of a browser in which somebody has logged in before.
SESSION, DEVICE = "orders", "orders-device"
_DASHBOARD_PATH = re.compile(r"/orders(/ord_[0-9a-f]{24})?")
_TOKEN = re.compile(r"[A-Za-z0-9_-]{43}")


def is_same_origin() -> bool:
    """Return whether a page of this gateway sent the form; clients other than browsers may."""
    site, origin = request.headers.get("Sec-Fetch-Site"), request.headers.get("Origin")
    if site is not None:
        return site in ("same-origin", "none")
    hosts = {request.host, urlsplit(current_app.config["PUBLIC_URL"]).netloc}
    return origin is None or origin.partition("://")[2] in hosts


def redirect_to(path: str) -> Response:
    """Return a redirect that a browser follows with GET."""
    response: Response = redirect(path, 303)  # type: ignore[assignment]
    response.headers["Cache-Control"] = "no-store"
    return response


def is_https() -> bool:
    """Return whether browsers come by https."""
    return bool(current_app.config["PUBLIC_URL"].startswith("https:"))


def choose_cookie_name(cookie: str = SESSION) -> str:
    """Return the name of a cookie; over https, one that no other host can set."""
    return f"__Host-{cookie}" if is_https() else cookie


def read_token(cookie: str = SESSION) -> str:
    """Return the token of the browser's session, or of the browser itself; '' if it has none."""
    token = request.cookies.get(choose_cookie_name(cookie), "")
    return token if _TOKEN.fullmatch(token) else ""


def authorize() -> str:
    """Return the authorization of the browser's session."""
    return f"Session {read_token()}"


def make_seal() -> str:
    """Return the seal that the forms of this session carry."""
    return hmac.digest(read_token().encode(), b"forms of the dashboard", hashlib.sha256).hex()


def restrict_path(path: str) -> str:
    """Return the path if it is one of the dashboard, to which a login may lead; else /orders."""
    return path if _DASHBOARD_PATH.fullmatch(path) else "/orders"


def redirect_logged_out(path: str) -> Response:
    """Return a redirect that removes the session's cookie."""
    response = redirect_to(path)
    response.delete_cookie(choose_cookie_name(), secure=is_https(), httponly=True, samesite="Lax")
    return response
