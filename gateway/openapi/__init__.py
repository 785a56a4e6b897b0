"""The OpenAPI documents: files that `python -m openapi` writes, served as they are."""

import hashlib
from functools import cache
from importlib.resources import files

from flask import Blueprint, Response
from werkzeug.exceptions import NotFound

from gateway.answers.coding import MIN_BYTES, is_gzip_wanted, pack
from gateway.answers.validators import CODED, answer_not_modified

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


@bp.get("/openapi/events/<api>/<event>.json")
def get_event_schema(api: str, event: str) -> Response:
    if f"events/{api}/{event}" not in list_event_schemas():
        raise NotFound("There is no such event. `x-events` of /openapi.json lists them.")
    return answer_document(f"events/{api}/{event}")


def answer_document(name: str) -> Response:
    """Return a document, or 304 to those who have it."""
    text, packed, tag = read_document(name)
    response = Response(text, content_type="application/json")
    response.set_etag(tag)
    response.vary.add("Accept-Encoding")
    response.headers["Cache-Control"] = "no-cache"
    response.headers["X-Content-Type-Options"] = "nosniff"
    if not answer_not_modified(response) and len(text) >= MIN_BYTES and is_gzip_wanted():
        response.set_data(packed)
        response.set_etag(tag + CODED)
        response.headers["Content-Encoding"] = "gzip"
    return response


@cache
def read_document(name: str) -> tuple[bytes, bytes, str]:
    """Return a document, as it is and as gzip, and its ETag."""
    text = (files(__package__) / f"{name}.json").read_bytes()
    return text, pack(text), hashlib.sha256(text).hexdigest()[:32]


@cache
def list_event_schemas() -> frozenset[str]:
    """Return the names of the documents that are schemas of events."""
    folders = (files(__package__) / "events").iterdir()
    return frozenset(
        f"events/{folder.name}/{each.name.removesuffix('.json')}"
        for folder in folders
        for each in folder.iterdir()
    )
