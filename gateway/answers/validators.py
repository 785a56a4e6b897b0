"""ETags of single things, and the requests that depend on them.

The ETag of a session or an order is the version of its row, `"v7"`, which `If-Match` may name in a
change: the service compares it within the change itself. What is computed from more than one row,
or from the clock, has a weak ETag of its body.
"""

from hashlib import blake2b

from flask import Response, request
from werkzeug.exceptions import HTTPException

CODED = "-gzip"  # ends the ETag of a coded answer, whose bytes differ
IF_MATCH_HEADER = "If-Match"
WEAK_TAG_BYTES = 12
READ_METHODS = frozenset({"GET", "HEAD"})


class PreconditionRequired(HTTPException):
    """A change that has to name what it changes."""

    code = 428
    description = "Send If-Match with the ETag of a GET, so that nobody's change is overwritten."


def require_if_match() -> None:
    """Raise 428 for a request without If-Match: for PUT routes that never took one without it."""
    if IF_MATCH_HEADER not in request.headers:
        raise PreconditionRequired


def name_version(if_match: str) -> str:
    """Return If-Match with the ETags of answers as they are without their coding."""
    return if_match.replace(f'{CODED}"', '"')


def add_validator(response: Response, version: str | None) -> None:
    """Add its ETag to the answer to a GET of a single thing, or to a change of one.

    `version` is that of its row, if the service has named it.
    """
    if version is not None:
        response.set_etag(f"v{version}")
    elif _is_single():
        digest = blake2b(response.get_data(), digest_size=WEAK_TAG_BYTES).hexdigest()
        response.set_etag(digest, weak=True)


def mark_coded(response: Response) -> None:
    """Make its strong ETag that of the coded answer."""
    tag, is_weak = response.get_etag()
    if tag is not None and not is_weak:
        response.set_etag(tag + CODED)


def answer_not_modified(response: Response, *, is_coded: bool) -> bool:
    """Make the answer a 304 if the caller has it already; return whether it is one.

    Its ETag is that of the 200 for which it stands, which would be coded or not.
    """
    if "HTTP_IF_NONE_MATCH" not in request.environ:
        return False
    tag, _ = response.get_etag()
    wanted = request.if_none_match
    if tag is None or not wanted:
        return False
    if not (wanted.contains_weak(tag) or wanted.contains_weak(tag + CODED)):
        return False
    response.status_code = 304
    response.set_data(b"")
    if is_coded:
        mark_coded(response)
    return True


def _is_single() -> bool:
    """Return whether the view returns one thing: lists are called list_..."""
    name = str(request.endpoint).rpartition(".")[2]
    return name.startswith(("get_", "who_"))
