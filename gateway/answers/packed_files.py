"""Files that are served as they are, or as gzip to those who ask: read and packed once."""

import hashlib
from dataclasses import dataclass

from flask import Response

from gateway.answers.coding import MIN_BYTES, is_gzip_wanted, pack
from gateway.answers.validators import answer_not_modified, mark_coded


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
    is_coded = len(file.content) >= MIN_BYTES and is_gzip_wanted()
    if not answer_not_modified(response, is_coded=is_coded) and is_coded:
        response.set_data(file.packed)
        mark_coded(response)
        response.headers["Content-Encoding"] = "gzip"
    return response
