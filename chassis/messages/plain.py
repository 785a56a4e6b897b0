"""A protobuf message as plain dicts, lists and scalars."""

import threading
from collections.abc import Callable, Iterator
from typing import Any

from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.message import Message

from chassis.messages.generated import define, name_builder

_ready: dict[type[Message], Callable[[Any], dict[str, Any]]] = {}
_functions: dict[str, Any] = {}  # by name
_defining = threading.Lock()


def to_dict(message: Message) -> dict[str, Any]:
    """Convert the fields that are set to dicts, lists and scalars."""
    build = _ready.get(type(message))
    if build is None:
        with _defining:
            build = _ready[type(message)] = _define(message.DESCRIPTOR)
    return build(message)


def _define(descriptor: Any) -> Any:
    """Define the functions of a message type, and of those in it."""
    name = name_builder(descriptor)
    if name in _functions:
        return _functions[name]
    _functions[name] = None  # a type may hold itself
    for field in descriptor.fields:
        if _holds_messages(field):
            _define(field.message_type)
    lines = [line for field in descriptor.fields for line in _generate_field(field)]
    return define(name, ["has, values = message.HasField, {}", *lines, "return values"], _functions)


def _generate_field(field: Any) -> Iterator[str]:
    """Yield the lines that take a field over."""
    builder = name_builder(field.message_type) if _holds_messages(field) else ""
    if field.has_presence:
        value = f"{builder}(message.{field.name})"
        yield f"if has({field.name!r}): values[{field.name!r}] = {value}"
        return
    value = "value"
    if _is_map(field):
        value = "dict(value)"
    elif field.is_repeated:
        value = f"[{builder}(each) for each in value]" if builder else "list(value)"
    yield f"if value := message.{field.name}: values[{field.name!r}] = {value}"


def _holds_messages(field: Any) -> bool:
    return field.type == FieldDescriptor.TYPE_MESSAGE and not _is_map(field)


def _is_map(field: Any) -> bool:
    return bool(field.message_type and field.message_type.GetOptions().map_entry)
