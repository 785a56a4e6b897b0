"""The snippets of docs/events.md, run against what the courier signs."""

import json
import re
import shutil
import subprocess
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from chassis.events.courier import Delivery, sign
from chassis.events.endpoints import generate_signing_secret
from tests.examples.node import install, run_node

DOCS = Path(__file__).parents[3] / "docs/events.md"
SECRET = generate_signing_secret()
FORM = "charset=UTF-8&event=subscriptions%2Fcreated&name=%C3%91"
JS = """
import { readFileSync } from "node:fs";

const cases = JSON.parse(readFileSync(0, "utf8"));
console.log(JSON.stringify(cases.map(([secret, headers, body]) =>
  isGenuine(secret, headers, Buffer.from(body)))));
"""
PHP = """
$cases = json_decode(stream_get_contents(STDIN), true);
echo json_encode(array_map(fn($each) => is_genuine(...$each), $cases));
"""


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


def list_cases() -> tuple[list[tuple[str, dict[str, str], str]], list[bool]]:
    """Secret, headers and body of each case, and whether each is genuine."""
    now = datetime.fromtimestamp(int(time.time()), UTC)
    headers, other = sign_form(now), generate_signing_secret()
    several = {**headers, "webhook-signature": f"v1,other {headers['webhook-signature']}"}
    genuine = [(SECRET, headers, FORM), (SECRET, several, FORM)]
    forged = [
        (SECRET, headers, FORM + "&"),
        (SECRET, {**headers, "webhook-id": "evt_2"}, FORM),
        (SECRET, {**headers, "webhook-signature": "v1"}, FORM),
        (SECRET, sign_form(now, other), FORM),
        (other, headers, FORM),
        (SECRET, sign_form(now - timedelta(minutes=6)), FORM),
        (SECRET, sign_form(now + timedelta(minutes=6)), FORM),
    ]
    return [*genuine, *forged], [True] * len(genuine) + [False] * len(forged)


@pytest.mark.timeout(200)
def test_the_javascript_snippet_verifies_the_raw_body(tmp_path: Path) -> None:
    install(tmp_path, "standardwebhooks@1.1.1")
    (tmp_path / "program.js").write_text(find_snippet("javascript") + JS)
    cases, expected = list_cases()
    assert json.loads(run_node(tmp_path, "program.js", given=json.dumps(cases))) == expected


def test_the_php_snippet_verifies_the_raw_body() -> None:
    assert shutil.which("php"), "No PHP for the tests: apt-get install php-cli"
    cases, expected = list_cases()
    done = subprocess.run(
        ["php", "-d", "display_errors=stderr", "-r", find_snippet("php") + PHP],
        input=json.dumps(cases),
        capture_output=True,
        text=True,
        timeout=30,
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert json.loads(done.stdout) == expected
