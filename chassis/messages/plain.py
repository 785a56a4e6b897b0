"""A protobuf message as plain dicts, lists and scalars."""

from typing import Any

from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.message import Message


def to_dict(message: Message) -> dict[str, Any]:
    """Convert the fields that are set to dicts, lists and scalars."""
    plan = _PLANS.get(message.DESCRIPTOR.full_name) or _make_plan(message.DESCRIPTOR)
    values: dict[str, Any] = {}
    for name, repeats, is_message, has_presence in plan:
        if has_presence:
            if message.HasField(name):
                value = getattr(message, name)
                values[name] = to_dict(value) if is_message else value
        elif value := getattr(message, name):
            if repeats:
                value = [to_dict(each) for each in value] if is_message else list(value)
            elif is_message:  # a map: messages have presence
                value = dict(value)
            values[name] = value
    return values


_PLANS: dict[str, list[tuple[str, bool, bool, bool]]] = {}


def _make_plan(descriptor: Any) -> list[tuple[str, bool, bool, bool]]:
    plan = _PLANS[descriptor.full_name] = [
        (
            each.name,
            each.is_repeated and not _is_map(each),
            each.type == FieldDescriptor.TYPE_MESSAGE,
            each.has_presence,
        )
        for each in descriptor.fields
    ]
    return plan


def _is_map(field: Any) -> bool:
    return bool(field.message_type and field.message_type.GetOptions().map_entry)
