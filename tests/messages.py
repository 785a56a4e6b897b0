"""Messages of any type, drawn from its descriptor: half of them of words that mean something."""

import json
import math
from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from google.protobuf.descriptor import Descriptor, FieldDescriptor
from google.protobuf.message import Message
from google.protobuf.message_factory import GetMessageClass
from hypothesis import strategies as st

DEMO = Path(__file__).parent.parent / "demo"
MAX_ITEMS, MAX_LEVELS = 3, 5
F = FieldDescriptor
ODD_TEXTS = [
    "", " ", "\0", "\t", "a\nb", "\u2028", "\u202e", "\u200b", "\u3164", "é" * 300, "x" * 5000, "'",
    "%", "\\", "{}", "[]", "null", "-1", "2026-02-30", "9999-12-31", "0001-01-01", "US-ZZ", "a@b",
    "+34679959234", "\U0001f453", "\ud7ff", "\ufffe", "__proto__", "../../etc/passwd", "[" * 2000,
]  # fmt: skip
ODD_INTEGERS = [0, 1, -1, 2, 12, 24, 90, 180, 181, 10**6, 2**31 - 1, -(2**31), 2**53, 2**63 - 1]
ODD_DOUBLES = [0.0, -0.0, 0.25, 62.5, -30.0, 1e308, -1e308, math.inf, -math.inf, math.nan, 5e-324]

Pools = Mapping[str, Sequence[Any]]


def collect_words(*extra: Any) -> dict[str, list[Any]]:
    """The values that the demo bodies have in fields of each name, and those of `extra`."""
    found: dict[str, list[Any]] = defaultdict(list)

    def walk(value: Any, name: str) -> None:
        if isinstance(value, dict):
            for inner, each in value.items():
                walk(each, inner)
        elif isinstance(value, list):
            for each in value:
                walk(each, name)
        elif value is not None and value not in found[name]:
            found[name].append(value)

    for path in sorted(DEMO.glob("*.json")):
        walk(json.loads(path.read_text()), "")
    for each in extra:
        walk(each, "")
    return found


def draw_message(descriptor: Descriptor, words: Pools) -> st.SearchStrategy[Message]:
    """Messages of a type."""
    made = GetMessageClass(descriptor)
    return _draw_values(descriptor, words, 1).map(lambda values: made(**values))


def draw_changed(example: Message, words: Pools) -> st.SearchStrategy[Message]:
    """A message with one field, at any depth, of any other value, or without it."""
    places = list(_find_places(example, ()))
    return st.sampled_from(places).flatmap(lambda place: _draw_change(example, place, words))


def _find_places(message: Message, path: tuple[Any, ...]) -> Any:
    for field in message.DESCRIPTOR.fields:
        yield (*path, field.name)
        if field.type == F.TYPE_MESSAGE and not _is_map(field):
            if field.is_repeated:
                for index, each in enumerate(getattr(message, field.name)):
                    yield from _find_places(each, (*path, field.name, index))
            elif message.HasField(field.name):
                yield from _find_places(getattr(message, field.name), (*path, field.name))


def _draw_change(
    example: Message, place: tuple[Any, ...], words: Pools
) -> st.SearchStrategy[Message]:
    inner: Any = example
    for step in place[:-1]:
        inner = inner[step] if isinstance(step, int) else getattr(inner, step)
    field = inner.DESCRIPTOR.fields_by_name[place[-1]]

    def change(value: Any) -> Message:
        changed = type(example)()
        changed.CopyFrom(example)
        target: Any = changed
        for step in place[:-1]:
            target = target[step] if isinstance(step, int) else getattr(target, step)
        target.ClearField(field.name)
        if value is not None:
            target.MergeFrom(type(target)(**{field.name: value}))
        return changed

    return (st.none() | _draw_field(field, words, 2)).map(change)


def _draw_values(
    descriptor: Descriptor, words: Pools, level: int
) -> st.SearchStrategy[dict[str, Any]]:
    fields = {
        field.name: _draw_field(field, words, level)
        for field in descriptor.fields
        if level < MAX_LEVELS or field.type != F.TYPE_MESSAGE
    }
    return st.fixed_dictionaries({}, optional=fields)


def _draw_field(field: FieldDescriptor, words: Pools, level: int) -> st.SearchStrategy[Any]:
    inside = field.message_type
    if inside is not None and _is_map(field):
        texts = _draw_scalar(inside.fields_by_name["value"], words)
        return st.dictionaries(_draw_texts(field.name, words), texts, max_size=MAX_ITEMS)
    if inside is not None:
        one: st.SearchStrategy[Any] = _draw_values(inside, words, level + 1)
    else:
        one = _draw_scalar(field, words)
    return st.lists(one, max_size=MAX_ITEMS) if field.is_repeated else one


def _is_map(field: Any) -> bool:
    return bool(field.message_type and field.message_type.GetOptions().map_entry)


def _draw_scalar(field: FieldDescriptor, words: Pools) -> st.SearchStrategy[Any]:
    if field.type == F.TYPE_STRING:
        return _draw_texts(field.name, words)
    if field.type == F.TYPE_BOOL:
        return st.booleans()
    if field.type == F.TYPE_BYTES:
        return st.binary(max_size=200)
    known = [each for each in words.get(field.name, ()) if isinstance(each, int | float)]
    if field.type == F.TYPE_DOUBLE:
        return st.sampled_from([*map(float, known), *ODD_DOUBLES]) | st.floats()
    low, high = (-(2**31), 2**31 - 1) if field.type == F.TYPE_INT32 else (-(2**63), 2**63 - 1)
    fitting = [int(each) for each in [*known, *ODD_INTEGERS] if low <= each <= high]
    return st.sampled_from(fitting) | st.integers(low, high)


def _draw_texts(name: str, words: Pools) -> st.SearchStrategy[str]:
    known = [each for each in words.get(name, ()) if isinstance(each, str)]
    any_text = st.text(max_size=40) | st.sampled_from(ODD_TEXTS)
    return st.sampled_from(known) | any_text if known else any_text
