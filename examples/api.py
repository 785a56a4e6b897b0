"""Calls of Optigate's HTTP APIs, with the standard library alone.

A call that was not answered, or that is answered with `Retry-After`, is repeated with the same
`Idempotency-Key`, so that its effect happens once.
"""

import base64
import json
import os
import sys
import time
from http.client import HTTPException
from typing import Any
from urllib.error import HTTPError
from urllib.request import Request, urlopen

BASE = os.environ.get("OPTIGATE_URL", "http://127.0.0.1:8080")
TIMEOUT_SECONDS = 15
MAX_ATTEMPTS = 4
MAX_WAIT_SECONDS = 30
BUSY_STATUSES = (409, 429, 503)  # with Retry-After


def build_basic(name: str, secret: str) -> str:
    """Return the value of an Authorization header."""
    return "Basic " + base64.b64encode(f"{name}:{secret}".encode()).decode()


def call(
    method: str, path: str, body: Any = None, *, key: str = "", headers: dict[str, str]
) -> Any:
    """Send a call and return the answer; ends the program with the error body of a refusal."""
    sent = {**headers, "Content-Type": "application/json"}
    if key:
        sent["Idempotency-Key"] = key
    data = None if body is None else json.dumps(body).encode()
    request = Request(BASE + path, data, sent, method=method)
    is_repeatable = method == "GET" or bool(key)
    for attempt in range(1, MAX_ATTEMPTS + 1):
        is_last = attempt == MAX_ATTEMPTS or not is_repeatable
        wait: float = 2**attempt
        try:
            with urlopen(request, timeout=TIMEOUT_SECONDS) as answer:
                text = answer.read()
                return json.loads(text) if text else None
        except HTTPError as error:
            after = error.headers.get("Retry-After", "")
            if is_last or error.code not in BUSY_STATUSES or not after.isdecimal():
                sys.exit(f"{method} {path}: {error.code} {error.read().decode()}")
            wait = min(int(after), MAX_WAIT_SECONDS)
        except (OSError, HTTPException) as error:
            if is_last:
                sys.exit(f"{method} {path}: {error}")
        time.sleep(wait)
    raise AssertionError("the last attempt returns or ends the program")
