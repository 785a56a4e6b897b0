"""What schemathesis loads: every second good body is one of the document's own examples.

Random bodies that fit a schema seldom fit the rules as well; with these, a walk along the links has
an order, a subscription or a session to go on with.
"""

import copy
from itertools import count
from typing import Any

import schemathesis
from schemathesis import Case, GenerationMode, HookContext
from schemathesis.generation.meta import TestPhase

JSON = "application/json"
PHASES = (TestPhase.FUZZING, TestPhase.STATEFUL)
NUMBERS = count()


@schemathesis.hook
def before_call(_context: HookContext, case: "Case[Any]", _kwargs: dict[str, object]) -> None:
    """Replace a good body by an example, which is sent under no key and names no taken session."""
    meta, number = case.meta, next(NUMBERS)
    if number % 2 or meta is None or meta.phase.name not in PHASES:
        return
    if meta.generation.mode != GenerationMode.POSITIVE or case.media_type != JSON:
        return
    content = case.operation.definition.raw.get("requestBody", {}).get("content", {})
    examples = list(content.get(JSON, {}).get("examples", {}).values())
    if examples:
        body = copy.deepcopy(examples[number // 2 % len(examples)]["value"])
        if case.operation.method == "post" and "session_key" in body:
            body["session_key"] = f"schema-{number}"
        case.body = body
        case.headers.pop("Idempotency-Key", None)
