"""The fast path through a schema returns what the schema returns, or leaves it to the schema."""

import copy
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from marshmallow import Schema, ValidationError, fields, post_load, validate

from chassis.fast_path import Unsure, compile_loader
from tests.chassis.test_fast_path_of_services import find_rules
from tests.test_any_value import find_places, put, values

DEMO = Path(__file__).parent.parent.parent / "demo"
SCHEMAS: dict[str, Schema] = {
    name: find_rules()[f"{name}s.CREATE_{name.upper()}"].schema
    for name in ("order", "session", "subscription")
}


def load_demo(name: str) -> dict[str, Any]:
    """A demo body as the rules see it: null is absent, free JSON is text."""
    body: dict[str, Any] = json.loads((DEMO / f"{name}.json").read_text(), object_hook=drop_nulls)
    if "partner_info" in body:
        body["partner_info"] = json.dumps(body["partner_info"])
    if name == "order":
        body["frame"] = {
            key: float(value) if isinstance(value, int) else value
            for key, value in body["frame"].items()
        }
        for eye in body["rx"].values():
            for key in eye.keys() - {"axis"}:
                eye[key] = float(eye[key]) if isinstance(eye[key], int) else eye[key]
    return body


def drop_nulls(value: Any) -> Any:
    """A value as it can stand in a message."""
    if isinstance(value, dict):
        return {key: drop_nulls(each) for key, each in value.items() if each is not None}
    if isinstance(value, list):
        return [drop_nulls(each) for each in value if each is not None]
    return value


@pytest.mark.parametrize("name", SCHEMAS)
def test_a_valid_body_takes_the_fast_path(name: str) -> None:
    sent = load_demo(name)
    assert compile_loader(SCHEMAS[name])(sent) == SCHEMAS[name].load(sent)
    assert sent == load_demo(name)


@pytest.mark.parametrize("name", SCHEMAS)
def test_it_accepts_nothing_that_the_schema_refuses(name: str) -> None:
    schema, accept, body = SCHEMAS[name], compile_loader(SCHEMAS[name]), load_demo(name)

    @given(st.sampled_from(list(find_places(body))), values)
    def holds(place: tuple[Any, ...], value: Any) -> None:
        sent = drop_nulls(put(copy.deepcopy(body), place, value))
        try:
            taken = accept(copy.deepcopy(sent))
        except Unsure:
            return
        assert taken == schema.load(sent)

    holds()


class Odd(Schema):
    """What our own schemas do not have all of."""

    word = fields.String(load_default="none", validate=validate.Length(max=4))
    many = fields.Nested(lambda: Inner(), many=True)
    half = fields.Float(allow_none=True)
    loose = fields.Integer()

    @post_load
    def done(self, data: dict[str, Any], **_: Any) -> dict[str, Any]:
        return {**data, "done": True}


class Inner(Schema):
    """Nested in Odd."""

    number = fields.Integer(required=True, strict=True)


@pytest.mark.parametrize(
    "sent",
    [
        {},
        {"word": "four", "half": 0.5},
        {"many": [{"number": 1}, {"number": 2}]},
        {"loose": "12"},
        {"half": None},
        {"word": "fives"},
        {"many": [{"number": 1.5}]},
        {"many": [{}]},
        {"half": float("nan")},
        {"unknown": 1},
        [],
    ],
)
def test_unusual_fields_are_asked_of_the_schema(sent: Any) -> None:
    try:
        expected = Odd().load(sent)
    except ValidationError:
        with pytest.raises(Unsure):
            compile_loader(Odd())(sent)
    else:
        try:
            assert compile_loader(Odd())(sent) == expected
        except Unsure:
            assert sent == {"half": None}
