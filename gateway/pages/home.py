"""The page at `/`: what runs here, and where to go on."""

from flask import Blueprint, Response, current_app
from werkzeug.exceptions import NotFound

from gateway.pages import prefers_page, render_page
from gateway.pages.docs import TITLES
from gateway.problems import Dialect
from gateway.routes import describe_path

bp = Blueprint("home", __name__, template_folder="templates")


@bp.get("/")
def show_home() -> Response:
    if not prefers_page():
        raise NotFound(describe_path())
    dialects: tuple[Dialect, ...] = current_app.extensions["dialects"]
    apis = [
        {"name": name, "title": title, "prefix": dialect.prefix}
        for (name, title), dialect in zip(TITLES.items(), dialects, strict=True)
    ]
    demo = current_app.config["DEMO"]
    return render_page("home.html", apis=apis, demo=demo, url=current_app.config["PUBLIC_URL"])
