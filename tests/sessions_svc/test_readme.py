"""The examples in sessions_svc/README.md work as written."""

import json
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from sessions_svc.reference import REFERENCE
from sessions_svc.rules.statuses import ALLOWED_MOVES
from tests.serving import Served

ROOT = Path(__file__).parents[2]
README = (ROOT / "sessions_svc" / "README.md").read_text()
BLOCK = re.compile(r"^```(\w*)\n(.*?)^```\n", re.DOTALL | re.MULTILINE)
MOMENT = re.compile(r"[0-9-]{10}T[0-9:]{8}Z")
STEPS = [
    (language, code, answer)
    for (language, code), (kind, answer) in zip(
        BLOCK.findall(README), BLOCK.findall(README)[1:], strict=False
    )
    if language and not kind
]


def parse_answer(text: str) -> object:
    """Return an answer without the times of the run; parsed, if it is JSON."""
    text = MOMENT.sub("(then)", text)
    return json.loads(text) if text.startswith("{") else text.split()


def test_every_example_answers_as_written(site: str, sessions: Served) -> None:
    assert [language for language, _, _ in STEPS] == ["sh", "sh", "python", "sh"]
    for language, code, answer in STEPS:
        here = code.replace("http://127.0.0.1:8080", site)
        here = here.replace("127.0.0.1:50051", sessions.address)
        command = ["sh", "-c", here] if language == "sh" else [sys.executable, "-c", here]
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60)
        assert done.returncode == 0, done.stderr
        assert parse_answer(done.stdout) == parse_answer(answer)


def test_the_configuration_in_the_readme_is_valid() -> None:
    (written,) = [code for language, code in BLOCK.findall(README) if language == "toml"]
    (partner,) = REFERENCE.load(tomllib.loads(written))["partners"]
    assert partner["endpoint"]["url"] == "https://partner.example/events"


@pytest.mark.parametrize("origin", ALLOWED_MOVES)
def test_the_table_has_every_move(origin: str) -> None:
    (row,) = re.findall(rf"^\| `{origin}` \| (.*) \|$", README, re.MULTILINE)
    assert set(re.findall(r"`([a-z_]+)`", row)) == ALLOWED_MOVES[origin]  # type: ignore[index]
