"""The documentation of each API: its OpenAPI document in a reader that the package ships.

The reader is Swagger UI, as the package flask-swagger-ui bundles it; no page loads anything from
another host, and calls that a page tries go to this gateway alone.
"""

from functools import cache
from importlib.util import find_spec
from pathlib import Path

from flask import Blueprint, Response, current_app, redirect, url_for
from werkzeug.exceptions import NotFound
from werkzeug.wrappers import Response as BaseResponse

from gateway.answers.packed_files import PackedFile, answer_file, pack_file
from gateway.openapi import APIS
from gateway.pages import render_page

bp = Blueprint("docs", __name__, template_folder="templates")
TITLES = {
    "sessions": "Vision-test sessions",
    "orders": "Eyeglass lab orders",
    "subscriptions": "Contact-lens subscriptions",
}
READER_FILES = {
    "swagger-ui-bundle.js": "text/javascript; charset=utf-8",
    "swagger-ui.css": "text/css; charset=utf-8",
}
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
    return answer_file(read_reader_file(name), READER_FILES[name])


@cache
def read_reader_file(name: str) -> PackedFile:
    """Return a file of the reader, without importing the package that has it."""
    spec = find_spec("flask_swagger_ui")
    assert spec is not None
    assert spec.submodule_search_locations is not None
    return pack_file((Path(spec.submodule_search_locations[0]) / "dist" / name).read_bytes())
