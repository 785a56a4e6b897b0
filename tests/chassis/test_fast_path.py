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
from chassis.validation import Rules
from tests.chassis.test_fast_path_of_services import find_rules
from tests.test_any_value import find_places, put, values

DEMO = Path(__file__).parent.parent.parent / "demo"
RULES: dict[str, Rules] = {
    name: find_rules()[f"{name}s.CREATE_{name.upper()}"]
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


@pytest.mark.parametrize("name", RULES)
def test_a_valid_body_takes_the_fast_path(name: str) -> None:
    sent = load_demo(name)
    assert RULES[name].accept(sent) == RULES[name].schema.load(sent)
    assert sent == load_demo(name)


@pytest.mark.parametrize("name", RULES)
def test_it_accepts_nothing_that_the_schema_refuses(name: str) -> None:
    schema, accept, body = RULES[name].schema, RULES[name].accept, load_demo(name)

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


class Note(Schema):
    """Texts of each kind."""

    title = fields.String()
    mood = fields.String(validate=validate.OneOf(["good", "bad"]))
    story = fields.String()
    source = fields.String()
    words = fields.List(fields.String())
    extra = fields.Dict()


@pytest.mark.parametrize(
    ("sent", "is_taken"),
    [
        ({"title": "José"}, True),
        ({"title": "one\ntwo"}, False),
        ({"title": "a\u202eb"}, False),
        ({"title": "\u200b"}, False),
        ({"mood": "good"}, True),
        ({"mood": "so\nso"}, False),
        ({"story": "one\ntwo"}, True),
        ({"story": "one\0two"}, False),
        ({"source": "one\0two"}, True),
        ({"words": ["one", "dos\u00f1"]}, True),
        ({"words": ["one", "one\ntwo"]}, False),
        ({"extra": {"a": ["one"]}}, True),
        ({"extra": {"a": ["one\ntwo"]}}, False),
    ],
)
def test_texts_that_their_field_cannot_hold_are_asked_of_the_schema(
    sent: Any, *, is_taken: bool
) -> None:
    accept = compile_loader(Note(), raw=("source",), paragraphs=("story",))
    if is_taken:
        assert accept(sent) == sent
    else:
        with pytest.raises(Unsure):
            accept(sent)


class Bounded(Schema):
    """Numbers with edges."""

    open_float = fields.Float(validate=validate.Range(0, 1, min_inclusive=False))
    open_int = fields.Integer(strict=True, validate=validate.Range(0, 3, max_inclusive=False))
    least = fields.Float(validate=validate.Range(min=2))
    free = fields.Float()


@pytest.mark.parametrize("name", ["open_float", "open_int", "least", "free"])
def test_numbers_are_bounded_as_by_the_schema(name: str) -> None:
    accept, schema = compile_loader(Bounded()), Bounded()
    edges = (-1, 0, 1, 2, 3, 4, 2**70)
    others = (0.0, 5e-324, 1.0, 1.0000000000000002, 2.0, 1.9999999999999998, 1e308, -1e308)
    for value in (*edges, *others, True, "1", None, float("nan"), float("inf"), float("-inf")):
        try:
            taken = accept({name: value})
        except Unsure:
            continue
        assert taken == schema.load({name: value})
    taken_edges: dict[str, list[float]] = {
        "open_float": [5e-324, 1.0],
        "open_int": [0, 2],
        "least": [2.0, 1e308],
        "free": [-1e308, 1e308],
    }
    for edge in taken_edges[name]:
        assert accept({name: edge}) == {name: edge}
