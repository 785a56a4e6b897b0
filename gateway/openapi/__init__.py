"""The OpenAPI documents: files that `python -m openapi` writes, served as they are."""

from functools import cache
from importlib.resources import files

from flask import Blueprint, Response
from werkzeug.exceptions import NotFound

from gateway.answers.packed_files import PackedFile, answer_file, pack_file

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
    return answer_file(read_document(name), "application/json")


@cache
def read_document(name: str) -> PackedFile:
    """Return a document."""
    return pack_file((files(__package__) / f"{name}.json").read_bytes())


@cache
def list_event_schemas() -> frozenset[str]:
    """Return the names of the documents that are schemas of events."""
    folders = (files(__package__) / "events").iterdir()
    return frozenset(
        f"events/{folder.name}/{each.name.removesuffix('.json')}"
        for folder in folders
        for each in folder.iterdir()
    )
