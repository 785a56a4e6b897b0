"""The alerts of deploy/prometheus, and the tool that checks them."""

import shutil
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML

ROOT = Path(__file__).parents[2]
ALERTS = YAML(typ="safe").load((ROOT / "deploy/prometheus/alerts.yaml").read_text())


def list_rules() -> list[dict[str, Any]]:
    """The alerts."""
    return [rule for group in ALERTS["groups"] for rule in group["rules"]]


def find_promtool() -> str:
    """Return promtool of Debian's package prometheus."""
    found = shutil.which("promtool")
    assert found, "promtool is missing: apt-get install prometheus"
    return found
