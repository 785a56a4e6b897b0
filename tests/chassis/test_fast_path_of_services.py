"""The fast path never accepts what the schema refuses: for every schema that a service uses.

The schemas are found, not listed: whatever a service wraps in `Rules` is tested here.
`FUZZ_EXAMPLES` sets how many data each is tried with.
"""

import gc
import importlib
import os
import pkgutil
from copy import deepcopy
from functools import cache
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from marshmallow import Schema, ValidationError, fields, validate

from chassis.fast_path import Unsure
from chassis.messages.texts import find_text_faults
from chassis.validation import Rules
from tests.serving import SERVICES
from tests.test_any_value import values

TEXTS = [
    "", " ", "x", "0", "1", "2026-02-28", "2026-02-30", "1990-05-17", "2026-01-31T12:00:00Z",
    "ada@example.com", "https://a.example/x", "7c9e6679-7425-40de-944b-e07fc1e90ae7", "US-CA", "ES",
    "28001", "12345678Z", "+34600000000", "es-ES", "tok_abc", "left", "right", "\0", "\ud800",
    "é" * 300, "two\nlines", "a\u202eb", "\u200b",
]  # fmt: skip
NUMBERS = [0, 1, -1, 2, 10, 90, 180, 10**6, 2**31, 2**63, 0.0, 0.25, 1.5, -2.0, 62.5, 1e308]
UNUSUAL = settings(
    max_examples=int(os.environ.get("FUZZ_EXAMPLES", "50")),
    derandomize=True,
    deadline=None,
    suppress_health_check=list(HealthCheck),
)


@cache
def find_rules() -> dict[str, Rules]:
    """Every `Rules` of the services, wherever it is held: "orders.CREATE_ORDER"."""
    found: dict[str, Rules] = {}
    for service in SERVICES:
        package = importlib.import_module(f"{service}_svc")
        for module in pkgutil.walk_packages(package.__path__, f"{package.__name__}."):
            if ".migrations" not in module.name and not module.name.endswith("__main__"):
                for name, value in vars(importlib.import_module(module.name)).items():
                    if type(value) is Rules:
                        found[f"{service}.{name}"] = value
    named = set(map(id, found.values()))
    for each in gc.get_objects():  # those that no module holds by a name
        service = type(each.schema).__module__.partition("_svc")[0] if type(each) is Rules else ""
        if service in SERVICES and id(each) not in named:
            found[f"{service}.{type(each.schema).__qualname__}.{len(found)}"] = each
    return found


def draw_field(field: Any) -> st.SearchStrategy[Any]:
    """Values that a field may accept; its validators say which."""
    if isinstance(field, fields.Nested):
        inner = draw_schema(field.schema)
        return st.lists(inner, max_size=3) if field.many else inner
    if isinstance(field, fields.List):
        return st.lists(draw_field(field.inner), max_size=3)
    if isinstance(field, fields.Dict):
        return st.dictionaries(st.sampled_from(TEXTS), st.sampled_from(TEXTS), max_size=2)
    if isinstance(field, fields.Boolean):
        return st.booleans()
    choices: list[st.SearchStrategy[Any]] = []
    for validator in field.validators:
        if isinstance(validator, validate.OneOf):
            choices.append(st.sampled_from(list(validator.choices)))
        elif isinstance(validator, validate.Range):
            edges = [edge for edge in (validator.min, validator.max) if edge is not None]
            choices.append(st.sampled_from(edges + [edge + 1 for edge in edges]))
        elif isinstance(validator, validate.Regexp):
            choices.append(st.from_regex(validator.regex, fullmatch=True))
        elif isinstance(validator, validate.Length):
            sizes = [validator.min or 0, validator.max or 9, (validator.max or 9) + 1]
            choices.append(st.sampled_from(["x" * min(size, 3000) for size in sizes]))
    if isinstance(field, fields.Float):
        choices.append(st.sampled_from([float(each) for each in NUMBERS]))
    elif isinstance(field, fields.Integer):
        choices.append(st.sampled_from([each for each in NUMBERS if isinstance(each, int)]))
    else:
        choices.append(st.sampled_from(TEXTS))
    return st.one_of(choices)


def draw_schema(schema: Schema) -> st.SearchStrategy[Any]:
    """Objects that a schema may accept."""
    required = {
        name: draw_field(each) for name, each in schema.load_fields.items() if each.required
    }
    others = {
        name: draw_field(each) for name, each in schema.load_fields.items() if not each.required
    }
    return st.fixed_dictionaries(required, optional=others)


def draw_broken(schema: Schema) -> st.SearchStrategy[Any]:
    """Such an object with any JSON value in one of its fields."""
    names = st.sampled_from([*schema.load_fields, "unknown"])
    return st.tuples(draw_schema(schema), names, values).map(
        lambda parts: {**parts[0], parts[1]: parts[2]}
    )


def test_every_service_has_rules() -> None:
    assert {name.split(".")[0] for name in find_rules()} == set(SERVICES)
    assert len(find_rules()) >= 30


def count_accepted(rules: Rules) -> int:
    """How many of the tried data the fast path accepted; the schema accepts them all."""
    accepted: list[Any] = []

    @UNUSUAL
    @given(draw_schema(rules.schema) | draw_broken(rules.schema) | values)
    def holds(data: Any) -> None:
        before = deepcopy(data)
        try:
            loaded = rules.accept(data)
        except Unsure:
            return
        except Exception as error:  # noqa: BLE001 - no message holds such data, nor does the schema
            with pytest.raises(type(error)):
                rules.schema.load(data)
            return
        assert data == before
        assert not list(find_text_faults(data, "", rules.raw, rules.paragraphs))
        try:
            expected = rules.schema.load(data)
        except ValidationError as error:
            raise AssertionError(f"accepted, but refused by the schema: {error}") from None
        assert loaded == expected
        accepted.append(data)

    holds()
    return len(accepted)


@pytest.mark.parametrize("service", SERVICES)
def test_the_fast_path_accepts_only_what_the_schema_accepts(service: str) -> None:
    names = [name for name in find_rules() if name.startswith(service)]
    accepted = {name: count_accepted(find_rules()[name]) for name in names}
    # The data are random but the same in each run: enough of them have to get through.
    assert sum(map(bool, accepted.values())) > len(names) / 2, accepted
