"""The snippets of docs/events.md, run against what the courier signs."""

import re
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from chassis.events.courier import Delivery, sign
from chassis.events.endpoints import generate_signing_secret

DOCS = Path(__file__).parents[3] / "docs/events.md"
SECRET = generate_signing_secret()
FORM = "charset=UTF-8&event=subscriptions%2Fcreated&name=%C3%91"


def find_snippet(language: str) -> str:
    """Return the code block in a language."""
    (block,) = re.findall(rf"^```{language}\n(.*?)^```", DOCS.read_text(), re.DOTALL | re.MULTILINE)
    return str(block)


def sign_form(at: datetime, secret: str = SECRET) -> dict[str, str]:
    """Return the headers of a form as the courier sends it."""
    content_type = "application/x-www-form-urlencoded"
    delivery = Delivery("http://127.0.0.1/", {}, secret, "evt_1", content_type, FORM.encode())
    return sign(delivery, at)


def test_the_python_snippet_verifies_the_raw_body() -> None:
    names: dict[str, Any] = {}
    exec(find_snippet("python"), names)
    is_genuine = names["is_genuine"]
    now = datetime.fromtimestamp(int(time.time()), UTC)
    headers = sign_form(now)
    assert is_genuine(SECRET, headers, FORM.encode())
    several = {**headers, "webhook-signature": f"v1,other {headers['webhook-signature']}"}
    assert is_genuine(SECRET, several, FORM.encode())
    assert not is_genuine(SECRET, headers, FORM.encode() + b"&")
    assert not is_genuine(SECRET, {**headers, "webhook-id": "evt_2"}, FORM.encode())
    assert not is_genuine(SECRET, sign_form(now, generate_signing_secret()), FORM.encode())
    assert not is_genuine(SECRET, sign_form(now - timedelta(minutes=6)), FORM.encode())
