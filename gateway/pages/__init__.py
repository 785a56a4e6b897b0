"""The few HTML pages: rendered by the server, complete without JavaScript, self-contained.

Each module of a page holds a blueprint whose views end in `render_page(...)`.
Failures are pages too below the blueprints in `PAGE_BLUEPRINTS`, and where a
browser asks for a route that does not exist.
"""

from collections.abc import Iterable
from http import HTTPStatus
from typing import Any

from flask import Blueprint, Response, g, render_template, request, send_from_directory

bp = Blueprint("pages", __name__, template_folder="templates")
PAGE_BLUEPRINTS = frozenset({"pages", "cart", "dashboard", "docs", "exam", "staff", "tracking"})
# A page loads from this gateway alone, and its forms lead nowhere else.
CONTENT_SECURITY_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
    "form-action {forms}; base-uri 'none'; frame-ancestors 'none'"
)
HEADERS = {
    "Cache-Control": "no-store",
    "Referrer-Policy": "same-origin",
    "X-Content-Type-Options": "nosniff",
}
BEGINNINGS = (
    ("/", "What runs here"),
    ("/docs", "Documentation of the APIs"),
    ("/orders", "Dashboard: the orders of an optician"),
)
# Where a page that was not found leads, by the blueprint below which it was looked for.
LEADS: dict[str | None, tuple[tuple[str, str], ...]] = {
    None: BEGINNINGS,
    "pages": BEGINNINGS,
    "staff": (
        ("/staff/sessions/events", "Events of sessions"),
        ("/staff/orders/events", "Events of orders"),
        ("/staff/subscriptions/events", "Events of subscriptions"),
    ),
    "dashboard": (("/orders", "All orders"),),
    "docs": (("/docs", "Documentation of the APIs"), ("/", "What runs here")),
}
TITLES = {
    403: "This is not allowed",
    404: "Page not found",
    410: "No longer available",
    413: "This form is too large",
    429: "Too many requests",
    503: "Temporarily unavailable",
    504: "Temporarily unavailable",
}


def render_page(
    template: str,
    status: int = 200,
    *,
    forms_lead_to: Iterable[str] = (),
    headers: dict[str, str] | None = None,
    **values: Any,
) -> Response:
    """Return a template as an answer that is neither cached nor framed.

    `forms_lead_to` lists the origins, besides this gateway, to which its forms may
    lead, redirects included.
    """
    response = Response(render_template(template, **values), status, mimetype="text/html")
    response.headers.update(HEADERS)
    response.headers["Content-Security-Policy"] = CONTENT_SECURITY_POLICY.format(
        forms=" ".join(["'self'", *forms_lead_to])
    )
    response.headers.update(headers or {})
    return response


def wants_page() -> bool:
    """Return whether a failure of this request is to be a page."""
    if request.blueprint is not None:
        return request.blueprint in PAGE_BLUEPRINTS
    return prefers_page()


def prefers_page() -> bool:
    """Return whether the client would rather have HTML than JSON, as browsers do."""
    offered = ("application/json", "text/html")
    return request.accept_mimetypes.best_match(offered, "application/json") == "text/html"


def render_problem(status: int, detail: str, request_id: str, headers: dict[str, str]) -> Response:
    """Return a failure as a page."""
    title = TITLES.get(status, HTTPStatus(status).phrase)
    return render_page(
        "problem.html",
        status,
        headers=headers,
        title=title,
        detail=detail,
        request_id=request_id,
        leads=_list_leads() if status == 404 else (),
    )


def _list_leads() -> list[tuple[str, str]]:
    """Return path and name of where to go on: first what may be meant, if anything may."""
    right = g.get("right_path")
    return [*([(right, right)] if right else ()), *LEADS.get(request.blueprint, ())]


@bp.get("/assets/<path:name>")
def get_asset(name: str) -> Response:
    """Return a static file of the pages; browsers revalidate it on each use."""
    response = send_from_directory(f"{bp.root_path}/static", name)
    response.headers["X-Content-Type-Options"] = "nosniff"
    return response
