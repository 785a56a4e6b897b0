"""A WSGI application that calls over the channel, for tests inside a real gunicorn."""

import json
from collections.abc import Callable, Iterable
from typing import Any

from tests.gateway.channel.callers import OnThreads, pack_outcome, unpack

_made: dict[str, OnThreads] = {}


def app(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
    """Make a call, or name the states, or close, on a channel that is kept by its id."""
    asked = json.loads(environ["wsgi.input"].read())
    if asked["id"] not in _made:
        _made[asked["id"]] = OnThreads(asked["target"], **asked["options"])
    answer = DO[asked["do"]](_made[asked["id"]], *asked.get("arguments", ()))
    if asked["do"] == "close":
        del _made[asked["id"]]
    body = json.dumps(answer).encode()
    start_response("200 OK", [("Content-Length", str(len(body)))])
    return [body]


def _call(
    on: OnThreads, method: str, value: Any, timeout: float, metadata: Any, repeatable: bool
) -> list[Any]:
    unpacked = tuple((name, unpack(each)) for name, each in metadata)
    return pack_outcome(on.call(method, unpack(value), timeout, unpacked, repeatable))


DO: dict[str, Callable[..., Any]] = {
    "call": _call,
    "states": OnThreads.states,
    "close": OnThreads.close,
}
