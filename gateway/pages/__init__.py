"""The few HTML pages: server-rendered, whole without JavaScript, nothing from elsewhere.

A page's module holds a blueprint whose views end in `page(...)`. Below the
blueprints named in `BLUEPRINTS`, and for a browser that asks for what does not
exist, failures are answered as a page too.
"""

from collections.abc import Iterable
from http import HTTPStatus
from typing import Any

from flask import Blueprint, Response, render_template, request, send_from_directory

bp = Blueprint("pages", __name__, template_folder="templates")
BLUEPRINTS = frozenset({"pages", "cart", "dashboard", "exam"})
# What a page may load and where its forms may lead: this gateway alone.
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
    "form-action {forms}; base-uri 'none'; frame-ancestors 'none'"
)
HEADERS = {
    "Cache-Control": "no-store",
    "Referrer-Policy": "same-origin",
    "X-Content-Type-Options": "nosniff",
}
TITLES = {
    403: "This is not allowed",
    404: "There is nothing here",
    410: "This is over",
    503: "Out of reach for a moment",
    504: "Out of reach for a moment",
}


def page(
    template: str,
    status: int = 200,
    *,
    forms_lead_to: Iterable[str] = (),
    headers: dict[str, str] | None = None,
    **values: Any,
) -> Response:
    """A template as an answer that nobody keeps and nobody frames.

    `forms_lead_to` are origins to which its forms may lead, redirects
    included, beside this gateway.
    """
    response = Response(render_template(template, **values), status, mimetype="text/html")
    response.headers.update(HEADERS)
    response.headers["Content-Security-Policy"] = POLICY.format(
        forms=" ".join(["'self'", *forms_lead_to])
    )
    response.headers.update(headers or {})
    return response


def wanted() -> bool:
    """Whether a failure of this request is to be a page."""
    if request.blueprint is not None:
        return request.blueprint in BLUEPRINTS
    offered = ("application/json", "text/html")
    return request.accept_mimetypes.best_match(offered, "application/json") == "text/html"


def problem(status: int, detail: str, request_id: str, headers: dict[str, str]) -> Response:
    """A failure as a page."""
    title = TITLES.get(status, HTTPStatus(status).phrase)
    return page(
        "problem.html",
        status,
        headers=headers,
        title=title,
        detail=detail,
        request_id=request_id,
    )


@bp.get("/assets/<path:name>")
def asset(name: str) -> Response:
    """A file of the pages; browsers ask each time whether theirs is the newest."""
    response = send_from_directory(f"{bp.root_path}/static", name)
    response.headers["X-Content-Type-Options"] = "nosniff"
    return response
