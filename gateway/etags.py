"""ETags of versioned resources, and the changes that depend on them (RFC 9110, section 13)."""

from flask import request
from werkzeug.exceptions import PreconditionRequired

MAX_DIGITS = 18  # of a version
MAX_TAGS = 20
NO_VERSION = 0  # no resource has it
NO_IF_MATCH = (
    "Send If-Match with the ETag of GET: it names the version that the change is based on."
)


def build_etag(version: int) -> str:
    """Return the ETag of a version."""
    return f'"{version}"'


def require_if_match() -> list[int]:
    """Return the versions that If-Match names; raises 428 without, and for `*`, which names none.

    A tag that is none of ours is a version that nothing has.
    """
    if "If-Match" not in request.headers or request.if_match.star_tag:
        raise PreconditionRequired(NO_IF_MATCH)
    return read_if_match()


def read_if_match() -> list[int]:
    """Return the versions that If-Match names; an empty list where any will do."""
    if "If-Match" not in request.headers or request.if_match.star_tag:
        return []
    tags = sorted(request.if_match.as_set())[:MAX_TAGS]
    return [read_version(tag) for tag in tags] or [NO_VERSION]


def read_version(tag: str) -> int:
    """Return the version that a tag of ours, or a form, names; one that nothing has for others."""
    is_ours = tag.isascii() and tag.isdecimal() and len(tag) <= MAX_DIGITS
    return int(tag) if is_ours else NO_VERSION
