"""Files that are served as they are, or as gzip to those who ask: read and packed once."""

import hashlib
from dataclasses import dataclass

from flask import Response

from gateway.answers.coding import MIN_BYTES, is_gzip_wanted, pack
from gateway.answers.validators import CODED, answer_not_modified


@dataclass(frozen=True)
class PackedFile:
    """A file's content, the same as gzip, and its ETag."""

    content: bytes
    packed: bytes
    tag: str


def pack_file(content: bytes) -> PackedFile:
    """Pack a file; to be kept, since it takes milliseconds."""
    return PackedFile(content, pack(content), hashlib.sha256(content).hexdigest()[:32])


def answer_file(file: PackedFile, content_type: str) -> Response:
    """Return a file, or 304 to those who have it; it is revalidated on each use."""
    response = Response(file.content, content_type=content_type)
    response.set_etag(file.tag)
    response.vary.add("Accept-Encoding")
    response.headers["Cache-Control"] = "no-cache"
    response.headers["X-Content-Type-Options"] = "nosniff"
    is_large = len(file.content) >= MIN_BYTES
    if not answer_not_modified(response) and is_large and is_gzip_wanted():
        response.set_data(file.packed)
        response.set_etag(file.tag + CODED)
        response.headers["Content-Encoding"] = "gzip"
    return response
