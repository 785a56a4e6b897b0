"""The examples of the documents: calls with the answers that a running gateway has returned.

Each file in `examples/` is a story: its steps run in their order against the demo data, and a later
step may name what an earlier one was answered, as {{name.path.in.the.answer}}. The tests run every
story, and `RECORD_EXAMPLES=1` makes them write the answers into the files.
"""

import copy
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from openapi.fields.words import Constraints

ROOT = Path(__file__).parent.parent
FOLDER = Path(__file__).parent / "examples"
PLACEHOLDER = re.compile(r"\{\{(\w+)\.([\w.]+)\}\}")
FALLBACKS = {
    "date": "2026-01-31",
    "date-time": "2026-01-31T12:00:00Z",
    "uuid": "a41e7c1c-8f2b-4f6e-9d0a-2b1c3d4e5f60",
    "email": "name@example.com",
    "idn-email": "name@example.com",
    "uri": "https://example.com/",
}


@dataclass
class Step:
    """One call of a story: of the API, or by staff over gRPC (`desk`)."""

    service: str
    name: str
    operation: str = ""
    summary: str = ""
    desk: str = ""
    path: dict[str, str] = field(default_factory=dict)
    query: dict[str, str] = field(default_factory=dict)
    headers: dict[str, str] = field(default_factory=dict)
    body: Any = None
    form: dict[str, str] | None = None
    anonymous: bool = False
    status: int = 200
    answer: Any = None


def read_story(service: str) -> list[dict[str, Any]]:
    """Return the steps of a story as they are written."""
    story: list[dict[str, Any]] = json.loads((FOLDER / f"{service}.json").read_text())
    return story


def load_steps(service: str) -> list[Step]:
    """Return the steps of a story, with the answers that were recorded in place of their names."""
    answers: dict[str, Any] = {}
    steps = []
    for written in read_story(service):
        answers[written["name"]] = written.get("answer")
        steps.append(resolve_step(service, written, answers))
    return steps


def resolve_step(service: str, written: dict[str, Any], answers: Mapping[str, Any]) -> Step:
    """Return a step with what earlier answers hold in place of their names."""
    return Step(service, **resolve(_read_files(written), answers))


def resolve(value: Any, answers: Mapping[str, Any]) -> Any:
    """Replace each {{name.path}} by what the answer of that name has there."""
    if isinstance(value, dict):
        return {name: resolve(each, answers) for name, each in value.items()}
    if isinstance(value, list):
        return [resolve(each, answers) for each in value]
    if not isinstance(value, str):
        return value
    if whole := PLACEHOLDER.fullmatch(value):
        return find(answers[whole[1]], whole[2])
    return PLACEHOLDER.sub(lambda found: str(find(answers[found[1]], found[2])), value)


def find(value: Any, path: str) -> Any:
    """Return what a document has at a dotted path."""
    for part in path.split("."):
        value = value[int(part)] if isinstance(value, list) else value[part]
    return value


def _read_files(written: dict[str, Any]) -> dict[str, Any]:
    """Return a step with the demo body that it names, and its changes to that."""
    body = written.get("body")
    if not isinstance(body, dict) or "$demo" not in body:
        return written
    changes = {name: each for name, each in body.items() if name != "$demo"}
    demo = json.loads((ROOT / "demo" / f"{body['$demo']}.json").read_text())
    merged = {**demo, **changes}
    return {**written, "body": {k: v for k, v in merged.items() if v != "$absent"}}


class FieldExamples:
    """Takes an example for each field of the named schemas from whole documents."""

    def __init__(self, named: dict[str, Constraints]) -> None:
        self.named = named

    def collect(self, schema: Constraints, value: Any) -> None:
        """Set what a document has as the example of each of its fields that has none yet."""
        if "$ref" in schema:
            return self.collect(self.named[schema["$ref"].rpartition("/")[2]], value)
        for each in [*schema.get("anyOf", ()), *schema.get("oneOf", ())]:
            if self._fits(each, value):
                self.collect(each, value)
        is_free = schema.get("items") == {} or schema.get("additionalProperties") is True
        if is_free and value is not None:
            schema.setdefault("examples", [value])
        elif isinstance(value, dict):
            for name, each in value.items():
                inner = schema.get("properties", {}).get(name)
                if inner is not None:
                    self.collect(inner, each)
        elif isinstance(value, list):
            if "items" in schema:
                for each in value:
                    self.collect(schema["items"], each)
        elif value is not None and "type" in schema:
            schema.setdefault("examples", [value])
        return None

    def complete(self) -> None:
        """Make up an example for each scalar field that still has none."""
        for schema in list(self.named.values()):
            self._complete(schema)

    def _complete(self, schema: Constraints) -> None:
        for each in schema.get("properties", {}).values():
            kind = each.get("type")
            kinds = [kind] if isinstance(kind, str) else kind or []
            if "array" in kinds and "items" in each:
                self._complete({"properties": {"items": each["items"]}})
            elif "object" in kinds:
                self._complete(each)
            elif kinds and "examples" not in each:
                each["examples"] = [make_up(each, kinds[0])]

    def _fits(self, schema: Constraints, value: Any) -> bool:
        if "$ref" in schema:
            schema = self.named[schema["$ref"].rpartition("/")[2]]
        if not isinstance(value, dict):
            return False
        return set(value) <= set(schema.get("properties", {}))


def make_up(schema: Constraints, kind: str) -> Any:
    """Return a value of a scalar schema."""
    if "enum" in schema:
        return schema["enum"][0]
    if "default" in schema:
        return copy.copy(schema["default"])
    if kind == "boolean":
        return True
    if kind in ("integer", "number"):
        low = schema.get("minimum", 0)
        return low if low > -1000 else 0
    return FALLBACKS.get(schema.get("format", ""), "text")
