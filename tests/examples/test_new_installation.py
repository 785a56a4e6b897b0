"""A new installation, from an empty folder, as docs/operate.md describes it."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.ports import find_free_address

ROOT = Path(__file__).parent.parent.parent
DEFAULTS = ("127.0.0.1:8080", "127.0.0.1:50051", "127.0.0.1:50052", "127.0.0.1:50053")
# What a developer's shell may have.
OURS = (
    "GRPC_",
    "GATEWAY_",
    "ENVIRONMENT",
    "LISTEN",
    "DATA",
    "REFLECTION",
    "WORKERS",
    "SMTP",
    "SMS",
)
CLEANUP = "trap 'test ! -f pids || kill $(cat pids) 2> /dev/null || true; wait' EXIT\n"


def read_section() -> str:
    """The shell blocks of the section, one after the other."""
    text = (ROOT / "docs" / "operate.md").read_text()
    section = text.split("\n## A new installation\n")[1].split("\n## ")[0]
    blocks = re.findall(r"^```sh\n(.*?)^```", section, re.DOTALL | re.MULTILINE)
    assert len(blocks) == 7
    return "".join(blocks)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The empty folder, in which the section has been followed."""
    folder = tmp_path_factory.mktemp("installation")
    script = read_section()
    for address in DEFAULTS:
        script = script.replace(address, find_free_address())
    kept = {name: value for name, value in os.environ.items() if not name.startswith(OURS)}
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", CLEANUP + script],
        cwd=folder,
        env={**kept, "PATH": path, "PYTHONPATH": str(ROOT), "NO_PROXY": "127.0.0.1"},
        capture_output=True,
        text=True,
        timeout=240,
    )
    logs = "".join(each.read_text()[-2000:] for each in folder.glob("*.log"))
    assert done.returncode == 0, done.stdout + done.stderr + logs
    (folder / "printed").write_text(done.stdout)
    return folder


def read_answers(folder: Path) -> list[Any]:
    """The answers of the gateway, in the order of their calls."""
    text, answers = (folder / "printed").read_text(), []
    decoder = json.JSONDecoder()
    while (begin := text.find("{")) >= 0:  # behind what the commands have said
        answer, end = decoder.raw_decode(text, begin)
        answers.append(answer)
        text = text[end:]
    return answers


def test_each_caller_is_who_it_was_set_up_to_be(folder: Path) -> None:
    _, partner, client, styles, shop = read_answers(folder)
    assert "clearsight" in json.dumps(partner)
    assert client["user"] == "ann@shop.example"
    assert [lab["id"] for lab in client["labs"]] == ["north"]
    assert "Single Vision" in json.dumps(styles)
    assert "optica_sol" in json.dumps(shop)


def test_everything_was_ready_and_ended_cleanly(folder: Path) -> None:
    ready = read_answers(folder)[0]
    assert ready["status"] == "ok"
    for name in ("sessions", "orders", "subscriptions", "gateway"):
        log = (folder / f"{name}.log").read_text()
        assert "Traceback" not in log
        assert '"level":"error"' not in log


def test_nobody_else_reads_the_secrets_and_the_stores(folder: Path) -> None:
    kept = [*(folder / "secrets").iterdir(), *(folder / "data").glob("*.db")]
    assert len(kept) == 8
    for path in kept:
        assert path.stat().st_mode & 0o077 == 0, path
    link = (folder / "secrets" / "ann").read_text()
    assert re.fullmatch(r"http://127\.0\.0\.1:\d+/orders/invitations/\S+\n", link)
