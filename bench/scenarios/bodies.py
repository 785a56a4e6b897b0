"""What is sent: the demo bodies, variations of the demo order, and whole HTTP requests as bytes."""

import base64
import copy
import json
import random
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

DEMO = Path(__file__).parents[2] / "demo"
PLACEHOLDER = b"#" * 32  # replaced in each request by a key of its own
VARIATIONS = 64  # of an order; a load sends them in turn
KEYED_EVERY = 4  # one order in so many carries an Idempotency-Key
COATS = ((), ("coat_123",), ("coat_456", "coat_123"), ("coat_789", "coat_456"))
GIVEN_NAMES = ("Ada", "Grace", "Alan", "Edsger", "Barbara", "Niklaus", "Frances", "Donald")
SURNAMES = ("Example", "Sample", "Specimen", "Muster", "Tester", "Model", "Instance", "Fixture")


@dataclass(frozen=True)
class Caller:
    """Credentials of an API client, and the dashboard user it acts for (orders only)."""

    name: str
    secret: str
    user_email: str = ""

    @property
    def basic(self) -> str:
        """The Authorization header."""
        return "Basic " + base64.b64encode(f"{self.name}:{self.secret}".encode()).decode()


def build_demo_caller(name: str, user_email: str = "") -> Caller:
    """Return an account of the demo data."""
    return Caller(name, f"{name}-secret", user_email)


DEMO_CALLERS = {
    "sessions": build_demo_caller("demo-partner"),
    "orders": build_demo_caller("demo-client", "optician@example.com"),
    "subscriptions": build_demo_caller("demo-merchant"),
}
DEMO_STAFF = build_demo_caller("demo-staff")


def load_demo_body(name: str) -> dict[str, Any]:
    """Return a demo body."""
    body: dict[str, Any] = json.loads((DEMO / f"{name}.json").read_text())
    return body


def load_demo_order() -> dict[str, Any]:
    """Return the demo order without its tracing: 1.2 KB."""
    order = load_demo_body("order")
    del order["frame"]["tracing"]
    return order


@dataclass(frozen=True)
class OrderVariation:
    """An order, the user who sends it, and whether it carries an Idempotency-Key."""

    user_email: str
    body: dict[str, Any]
    has_key: bool

    @property
    def headers(self) -> dict[str, str]:
        """The headers that differ from order to order."""
        key = {"Idempotency-Key": PLACEHOLDER.decode()} if self.has_key else {}
        return {"User-Email": self.user_email, **key}


def vary_demo_order() -> list[OrderVariation]:
    """Return orders of several patients, lenses, labs and users of the demo data."""
    chance = random.Random(1)
    return [_vary(load_demo_order(), chance, index) for index in range(VARIATIONS)]


def _vary(order: dict[str, Any], chance: random.Random, index: int) -> OrderVariation:
    user_email = DEMO_CALLERS["orders"].user_email
    _vary_patient(order, index)
    sphere = chance.choice((*range(-24, -1), *range(2, 13))) / 4
    for eye in order["rx"].values():  # alike and not plano, so that there is no warning
        eye["sphere"] = sphere + chance.choice((-0.25, 0, 0.25))
    order["rx"]["right_eye"]["axis"] = chance.randint(1, 180)
    if chance.random() < 0.5:
        # A lab with one style, of which two users order.
        user_email = chance.choice((user_email, "second@example.com"))
        order |= {"lab": "lab_456", "account_number": "7654321"}
        order["lens"] = {"style": "style_456", "material": "material_789", "color": "color_789"}
    else:
        order["lens"] |= {
            "style": chance.choice(("style_123", "style_789")),
            "color": chance.choice(("color_123", "color_456")),
            "coats": list(chance.choice(COATS)),
            "tint": chance.choice(("Gray", "Brown")),
        }
    if order["lens"]["style"] != "style_789":
        for eye in order["rx"].values():  # single vision: nothing for near
            for name in ("near_pd", "add", "seg_height"):
                eye.pop(name, None)
    return OrderVariation(user_email, order, index % KEYED_EVERY == 0)


def vary_patient(order: Mapping[str, Any], user_email: str) -> list[OrderVariation]:
    """Return one order for several patients: all that can vary where the catalog is unknown."""
    variations = []
    for index in range(VARIATIONS):
        body = copy.deepcopy(dict(order))
        _vary_patient(body, index)
        variations.append(OrderVariation(user_email, body, index % KEYED_EVERY == 0))
    return variations


def _vary_patient(order: dict[str, Any], index: int) -> None:
    surname, given = divmod(index, len(GIVEN_NAMES))
    name = {
        "first_name": GIVEN_NAMES[given],
        "last_name": SURNAMES[surname % len(SURNAMES)],
    }
    order["patient"] = {**order.get("patient", {}), **name}


def build_keyed_session() -> dict[str, Any]:
    """Return the demo session with a key of its own in each request."""
    return {**load_demo_body("session"), "user_key": "bench", "session_key": PLACEHOLDER.decode()}


def build_keyed_subscription() -> dict[str, Any]:
    """Return the demo subscription with a reference of its own in each request."""
    return {**load_demo_body("subscription"), "reference": PLACEHOLDER.decode()}


def build_http_request(
    method: str,
    path: str,
    headers: Mapping[str, str] | None = None,
    body: Any = None,
    host: str = "127.0.0.1",
) -> bytes:
    """Return a whole HTTP/1.1 request."""
    content = b"" if body is None else json.dumps(body).encode()
    lines = [f"{method} {path} HTTP/1.1", f"Host: {host}"]
    lines += [f"{name}: {value}" for name, value in (headers or {}).items()]
    if body is not None:
        lines += ["Content-Type: application/json", f"Content-Length: {len(content)}"]
    return "\r\n".join([*lines, "", ""]).encode() + content


def list_value_paths(document: Any, path: str = "") -> Iterator[str]:
    """Yield the dotted paths of the values in a document."""
    if isinstance(document, dict):
        for name, each in document.items():
            yield from list_value_paths(each, f"{path}.{name}" if path else name)
    elif isinstance(document, list):
        if not document:
            yield path
        for each in document:
            yield from list_value_paths(each, path)
    else:
        yield path
