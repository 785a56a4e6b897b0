"""Messages as dicts: each type of ours, empty and with every field set."""

from concurrent.futures import ThreadPoolExecutor
from threading import Barrier
from typing import Any

import pytest
from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.message import Message
from google.protobuf.message_factory import GetMessageClass

from chassis.messages import plain
from chassis.messages.plain import to_dict
from protos import orders_pb2, sessions_pb2, subscriptions_pb2

DEPTH = 4
SAMPLES: dict[int, Any] = {
    FieldDescriptor.CPPTYPE_STRING: "ä",
    FieldDescriptor.CPPTYPE_DOUBLE: -0.25,
    FieldDescriptor.CPPTYPE_FLOAT: 0.5,
    FieldDescriptor.CPPTYPE_BOOL: True,
}
TYPES = [
    each
    for file in (orders_pb2, sessions_pb2, subscriptions_pb2)
    for each in file.DESCRIPTOR.message_types_by_name.values()
]


def is_map(field: Any) -> bool:
    return bool(field.message_type and field.message_type.GetOptions().map_entry)


def fill(message: Message, depth: int = DEPTH) -> Message:
    """Set every field, as deep as that."""
    for field in message.DESCRIPTOR.fields:
        found = getattr(message, field.name)
        if is_map(field):
            entry: Any = field.message_type
            kind = entry.fields_by_name["value"].cpp_type
            found["key"] = SAMPLES.get(kind, 7)
        elif field.type == FieldDescriptor.TYPE_MESSAGE:
            if depth:
                fill(found.add() if field.is_repeated else found, depth - 1)
                if not field.is_repeated:
                    found.SetInParent()
        elif field.is_repeated:
            value: Any = SAMPLES.get(field.cpp_type, 7)
            found.append(b"x" if field.type == FieldDescriptor.TYPE_BYTES else value)
        elif field.type == FieldDescriptor.TYPE_BYTES:
            setattr(message, field.name, b"x")
        else:
            setattr(message, field.name, SAMPLES.get(field.cpp_type, 7))
    return message


def read(message: Message) -> dict[str, Any]:
    """Return the fields that are set, asking the message for each."""
    values: dict[str, Any] = {}
    for field, value in message.ListFields():
        if is_map(field):
            values[field.name] = dict(value)
        elif field.type != FieldDescriptor.TYPE_MESSAGE:
            values[field.name] = list(value) if field.is_repeated else value
        elif field.is_repeated:
            values[field.name] = [read(each) for each in value]
        else:
            values[field.name] = read(value)
    return values


@pytest.mark.parametrize("descriptor", TYPES, ids=lambda each: str(each.full_name))
def test_a_message_is_what_is_set_in_it(descriptor: Any) -> None:
    empty = GetMessageClass(descriptor)()
    assert to_dict(empty) == {}
    full = fill(GetMessageClass(descriptor)())
    assert to_dict(full) == read(full)


def test_threads_may_need_a_type_at_the_same_moment(monkeypatch: pytest.MonkeyPatch) -> None:
    message = fill(subscriptions_pb2.CreateSubscriptionRequest())
    for _ in range(20):
        monkeypatch.setattr(plain, "_ready", {})
        monkeypatch.setattr(plain, "_functions", {})
        together = Barrier(8)

        def convert(_number: int, together: Barrier = together) -> dict[str, Any]:
            together.wait(10)
            return to_dict(message)

        with ThreadPoolExecutor(8) as threads:
            found = list(threads.map(convert, range(8)))
        assert found == [read(message)] * 8
