"""The OpenAPI documents: files that `python -m openapi` writes, served as they are."""

import hashlib
from functools import cache
from importlib.resources import files

from flask import Blueprint, Response, request
from werkzeug.exceptions import NotFound

bp = Blueprint("openapi", __name__)
APIS = ("sessions", "orders", "subscriptions")


@bp.get("/openapi.json")
def get_index() -> Response:
    return answer_document("index")


@bp.get("/openapi/<api>.json")
def get_document(api: str) -> Response:
    if api not in APIS:
        raise NotFound(f"There is no such document. There are those of {', '.join(APIS)}.")
    return answer_document(api)


def answer_document(name: str) -> Response:
    """Return a document, or 304 to those who have it."""
    text, tag = read_document(name)
    response = Response(text, content_type="application/json")
    response.set_etag(tag)
    response.headers["Cache-Control"] = "no-cache"
    response.headers["X-Content-Type-Options"] = "nosniff"
    response.make_conditional(request)
    return response


@cache
def read_document(name: str) -> tuple[bytes, str]:
    """Return a document and its ETag."""
    text = (files(__package__) / f"{name}.json").read_bytes()
    return text, hashlib.sha256(text).hexdigest()[:32]
