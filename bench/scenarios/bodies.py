"""What is sent: the demo bodies, and whole HTTP requests made of bytes beforehand."""

import base64
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

DEMO = Path(__file__).parents[2] / "demo"
USER_EMAIL = "optician@example.com"


def demo(name: str) -> dict[str, Any]:
    """A demo body."""
    body: dict[str, Any] = json.loads((DEMO / f"{name}.json").read_text())
    return body


def _order() -> dict[str, Any]:
    order = demo("order")
    del order["frame"]["tracing"]
    return order


ORDER = _order()  # without a tracing
CLIENT = {"client_id": "demo-client", "client_secret": "demo-client-secret"}


def basic(name: str) -> str:
    """The Authorization header of a demo account."""
    return "Basic " + base64.b64encode(f"{name}:{name}-secret".encode()).decode()


def http_request(
    method: str, path: str, headers: Mapping[str, str] | None = None, body: Any = None
) -> bytes:
    """A whole HTTP/1.1 request."""
    content = b"" if body is None else json.dumps(body).encode()
    lines = [f"{method} {path} HTTP/1.1", "Host: 127.0.0.1"]
    lines += [f"{name}: {value}" for name, value in (headers or {}).items()]
    if body is not None:
        lines += ["Content-Type: application/json", f"Content-Length: {len(content)}"]
    return "\r\n".join([*lines, "", ""]).encode() + content
