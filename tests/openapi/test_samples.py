"""The code samples run as they are shown, in each language."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from flask.testing import FlaskClient

from openapi.samples import BASE
from tests.examples.node import NODE
from tests.openapi.stories import outline

ROOT = Path(__file__).parent.parent.parent
COMMANDS: dict[str, tuple[str | Path, ...]] = {
    "cURL": ("bash", "-euc"),
    "Python": (sys.executable, "-c"),
    "JavaScript": (NODE, "--input-type=module", "-e"),
    "PHP": ("php", "-r"),
}
pytestmark = pytest.mark.parametrize("engine", ["sqlite"], indirect=True)


def read_operation(service: str, name: str) -> dict[str, Any]:
    document = json.loads((ROOT / "gateway" / "openapi" / f"{service}.json").read_text())
    (found,) = (
        each
        for methods in document["paths"].values()
        for each in methods.values()
        if each["operationId"] == name
    )
    operation: dict[str, Any] = found
    return operation


@pytest.fixture(scope="module")
def token(http: FlaskClient) -> str:
    """A token of the demo's client."""
    body = {"client_id": "demo-client", "client_secret": "demo-client-secret"}
    found: str = http.post("/v1/oauth/token", json=body).get_json()["token"]
    return found


@pytest.mark.parametrize("language", COMMANDS)
@pytest.mark.parametrize(
    ("service", "operation"),
    [
        ("sessions", "create_session"),
        ("sessions", "who_am_i"),
        ("orders", "create_token"),
        ("orders", "create_order"),
        ("orders", "list_addons"),
        ("subscriptions", "create_subscription"),
        ("subscriptions", "list_subscriptions"),
    ],
)
def test_a_sample_runs(site: str, token: str, language: str, service: str, operation: str) -> None:
    """An order has one idempotency key in all languages, so all of them send the same request."""
    found = read_operation(service, operation)
    (sample,) = (each for each in found["x-codeSamples"] if each["label"] == language)
    # Free JSON is kept as it is sent, spaces included: so each language has keys of its own.
    source = sample["source"].replace(BASE, site).replace("example-1", f"example-{language}")
    if language == "PHP":
        assert shutil.which("php"), "No PHP for the tests: apt-get install php-cli"
        source = source.removeprefix("<?php\n")
    done = subprocess.run(
        [*COMMANDS[language], source],
        env={**os.environ, "TOKEN": token},
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    answer = json.loads(done.stdout[done.stdout.index("{") :])
    content = found["responses"][min(found["responses"])]["content"]["application/json"]
    recorded = next(iter(content["examples"].values()))["value"]
    if operation != "list_subscriptions":
        assert outline(answer) == outline(recorded)
    assert answer.keys() == recorded.keys()
