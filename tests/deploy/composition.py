"""The services of compose.yaml, as an engine would start them."""

import re
from typing import Any

from ruamel.yaml import YAML

from tests.deploy.image import ROOT

VARIABLE = re.compile(r"\$(?:(?P<plain>\$)|\{(?P<name>\w+)(?P<kind>:?[-?])?(?P<rest>[^}]*)\})")


def read_services() -> dict[str, Any]:
    """The services of the file, with its merges done."""
    services: dict[str, Any] = YAML(typ="safe").load(ROOT / "compose.yaml")["services"]
    return services


def interpolate(value: Any, given: dict[str, str]) -> Any:
    """A value of the file with its variables replaced, as the Compose specification has it."""
    if isinstance(value, dict):
        return {key: interpolate(each, given) for key, each in value.items()}
    if isinstance(value, list):
        return [interpolate(each, given) for each in value]
    if not isinstance(value, str):
        return value

    def replace(found: re.Match[str]) -> str:
        if found["plain"]:
            return "$"
        known, kind = given.get(found["name"]), found["kind"]
        is_set = (known is not None and not (kind or "").startswith(":")) or bool(known)
        if kind is None or is_set:
            return known or ""
        assert kind.endswith("-"), f"{found['name']}: {found['rest']}"
        return found["rest"]

    return VARIABLE.sub(replace, value)
