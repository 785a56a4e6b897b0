"""Answers of the APIs as gzip, for callers that ask for it.

Pages are never coded: they hold form tokens, which the size of a coded answer could reveal
(BREACH). Neither are tokens and links.
"""

import gzip

from flask import Response, request

from gateway.answers.validators import mark_coded

VARIES = "Accept-Encoding"
MIN_BYTES = 8 * 1024
LEVEL = 5
KINDS = ("application/json", "application/problem+json", "application/fhir+json", "image/svg+xml")
TEXT = "text/plain"


def may_be_coded(response: Response) -> bool:
    """Return whether answers of this kind are coded; it then varies by who asks."""
    headers = response.headers
    # Nearly every answer has the type as it stands here, and this Vary or none: neither is parsed.
    if headers.get("Content-Type") not in KINDS and response.mimetype not in (*KINDS, TEXT):
        return False
    varies = headers.get("Vary")
    if varies is None:
        headers.add("Vary", VARIES)
    elif varies != VARIES:
        response.vary.add(VARIES)
    return True


def is_to_be_coded(response: Response) -> bool:
    """Return whether an answer that may be coded is: a large one, if the caller asks for it."""
    return (
        int(response.headers.get("Content-Length") or 0) >= MIN_BYTES
        and response.headers.get("Cache-Control") != "no-store"
        and "Content-Encoding" not in response.headers
        and is_gzip_wanted()
    )


def code_answer(response: Response) -> None:
    """Code an answer."""
    response.set_data(pack(response.get_data()))
    response.headers["Content-Encoding"] = "gzip"
    mark_coded(response)


def pack(text: bytes) -> bytes:
    """Return a text as gzip, the same bytes each time."""
    return gzip.compress(text, LEVEL, mtime=0)


def is_gzip_wanted() -> bool:
    """Return whether Accept-Encoding names gzip, or anything, with a weight above 0."""
    accepted = request.accept_encodings
    return bool(accepted) and accepted.quality("gzip") > 0
