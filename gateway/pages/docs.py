"""The documentation of each API: its OpenAPI document in a reader that the package ships.

The reader is Swagger UI, as the package flask-swagger-ui bundles it; no page loads anything from
another host, and calls that a page tries go to this gateway alone.
"""

from functools import cache
from importlib.util import find_spec
from pathlib import Path

from flask import Blueprint, Response, current_app, redirect, send_from_directory, url_for
from werkzeug.exceptions import NotFound
from werkzeug.wrappers import Response as BaseResponse

from gateway.openapi import APIS
from gateway.pages import render_page

bp = Blueprint("docs", __name__, template_folder="templates")
TITLES = {
    "sessions": "Vision-test sessions",
    "orders": "Eyeglass lab orders",
    "subscriptions": "Contact-lens subscriptions",
}
READER_FILES = ("swagger-ui-bundle.js", "swagger-ui.css")
# The reader draws its icons from data: URLs in its style sheet.
CONTENT_SECURITY_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; "
    "connect-src 'self'; form-action 'none'; base-uri 'none'; frame-ancestors 'none'"
)


@bp.get("/docs")
def show_apis() -> BaseResponse:
    return redirect(url_for("docs.show_api", api=APIS[0]))


@bp.get("/docs/<api>")
def show_api(api: str) -> Response:
    if api not in APIS:
        raise NotFound("There is no such API.")
    headers = {"Content-Security-Policy": CONTENT_SECURITY_POLICY}
    demo = (current_app.config["DEMO"] or {}).get("credentials", {}).get(api)
    return render_page("docs.html", headers=headers, api=api, titles=TITLES, demo=demo)


@bp.get("/assets/reader/<name>")
def get_reader_file(name: str) -> Response:
    """Return a file of the reader; browsers revalidate it on each use."""
    if name not in READER_FILES:
        raise NotFound("There is no such file.")
    response = send_from_directory(find_reader(), name)
    response.headers["X-Content-Type-Options"] = "nosniff"
    return response


@cache
def find_reader() -> Path:
    """Return the folder of the reader's files, without importing the package that has them."""
    spec = find_spec("flask_swagger_ui")
    assert spec is not None
    assert spec.submodule_search_locations is not None
    return Path(spec.submodule_search_locations[0]) / "dist"
