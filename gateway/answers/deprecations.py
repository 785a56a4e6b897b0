"""Routes that are to go: their views are marked, and answers say so.

The headers are `Deprecation` (RFC 9745) and `Sunset` (RFC 8594); docs/upgrade.md has their rule.
"""

from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from typing import Any, NamedTuple, TypeVar

from flask import Flask, Response, request
from werkzeug.http import http_date

LEAST_DAYS = 180  # between the two
MARK = "deprecation"  # the attribute of a view
LINK = '<{}>; rel="deprecation"; type="text/html"'
View = TypeVar("View", bound=Callable[..., Any])


class Deprecation(NamedTuple):
    """Since when a route is deprecated, when it may go, and the page that says what to use."""

    since: datetime
    sunset: datetime
    url: str


def deprecate(since: date, sunset: date, url: str) -> Callable[[View], View]:
    """Mark a view as deprecated; raises ValueError for a sunset that comes too soon."""
    if sunset - since < timedelta(days=LEAST_DAYS):
        raise ValueError(f"A route stays for {LEAST_DAYS} days after it is deprecated.")
    found = Deprecation(_begin(since), _begin(sunset), url)

    def mark(view: View) -> View:
        setattr(view, MARK, found)
        return view

    return mark


def find_deprecation(view: Callable[..., Any] | None) -> Deprecation | None:
    """Return what a view is marked with, if it is."""
    return getattr(view, MARK, None)


def register(app: Flask) -> None:
    """Make the application announce each deprecated route, whatever it answers."""

    @app.after_request
    def add_headers(response: Response) -> Response:
        view = app.view_functions.get(request.endpoint or "")
        if found := find_deprecation(view):
            response.headers["Deprecation"] = f"@{int(found.since.timestamp())}"
            response.headers["Sunset"] = http_date(found.sunset)
            response.headers.add("Link", LINK.format(found.url))
        return response


def _begin(day: date) -> datetime:
    return datetime(day.year, day.month, day.day, tzinfo=UTC)
