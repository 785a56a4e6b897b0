"""Single requests outside the load: tokens, things to read, and what a contender refuses."""

import http.client
import json
from collections.abc import Mapping
from typing import Any

from bench.load.sockets import Address

TIMEOUT_SECONDS = 20


def send_request(
    address: Address, method: str, path: str, headers: Mapping[str, str], body: Any = None
) -> tuple[int, Any]:
    """Send one request; return its status and its parsed answer."""
    connection = http.client.HTTPConnection(*address, timeout=TIMEOUT_SECONDS)
    try:
        content = None if body is None else json.dumps(body)
        content_type = {"Content-Type": "application/json"} if content else {}
        connection.request(method, path, content, {**content_type, **headers})
        response = connection.getresponse()
        return response.status, _parse(response.read())
    finally:
        connection.close()


def _parse(body: bytes) -> Any:
    """Return what a body says; its text where it is not JSON, as a server's own errors are."""
    try:
        return json.loads(body or b"null")
    except ValueError:
        return body.decode(errors="replace")


def require_success(answer: tuple[int, Any]) -> Any:
    """Return the body of an answer with status 200 or 201; raise RuntimeError for others."""
    status, body = answer
    if status not in (200, 201):
        raise RuntimeError(f"refused with {status}: {str(body)[:200]}")
    return body
