"""Protobuf messages to JSON, by a plan made once per message type."""

from collections.abc import Callable, Collection, Mapping
from functools import partial
from typing import Any

import msgspec
from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.message import Message

_TIMESTAMP = "google.protobuf.Timestamp"

# For each field: its name; whether it repeats, has presence, is omitted when empty; a converter;
# and whether it is null when it is not set.
Plan = tuple[str, bool, bool, bool, Callable[[Any], Any] | None, bool]


class Writer:
    """Writes messages of one type as JSON.

    A field that is not set is omitted, or written as null with `nulls`; the
    fields in `optional` are omitted either way. Texts and lists are always
    written, except empty ones in `optional`; of those, lists of the message itself that
    are in `kept` are written. `raw` names fields that hold JSON
    text. `foreign` maps a message's `type` to the fields that the messages in it
    do not have and therefore omit.
    """

    def __init__(
        self,
        message: type[Message],
        *,
        nulls: bool = False,
        optional: Collection[str] = (),
        kept: Collection[str] = (),
        raw: Collection[str] = (),
        foreign: Mapping[str, Collection[str]] | None = None,
    ) -> None:
        self.nulls = nulls
        self.optional = frozenset(optional)
        self.foreign = {kind: frozenset(names) for kind, names in (foreign or {}).items()}
        self.raw = frozenset(raw)
        self.plans: dict[str, list[Plan]] = {}
        self._add_plan(message.DESCRIPTOR)
        self.root = [
            (name, repeats, has_presence, omits_empty and name not in kept, convert, is_null)
            for name, repeats, has_presence, omits_empty, convert, is_null in self.plans[
                message.DESCRIPTOR.full_name
            ]
        ]

    def write(self, message: Message) -> bytes:
        """Write a message as a JSON object."""
        return msgspec.json.encode(self._build_object(self.root, message))

    def _add_plan(self, descriptor: Any) -> None:
        plan = self.plans[descriptor.full_name] = []
        for field in descriptor.fields:
            convert: Callable[[Any], Any] | None = None
            if field.name in self.raw:
                convert = _wrap_raw
            elif field.type == FieldDescriptor.TYPE_MESSAGE:
                convert = self._make_converter(field.message_type)
            texts = field.is_repeated or field.type == FieldDescriptor.TYPE_STRING
            omits_empty = field.name in self.optional and texts and not field.has_presence
            is_null = field.has_presence and self.nulls and field.name not in self.optional
            plan.append(
                (
                    field.name,
                    field.is_repeated,
                    field.has_presence,
                    omits_empty,
                    convert,
                    is_null,
                )
            )

    def _make_converter(self, descriptor: Any) -> Callable[[Any], Any]:
        if descriptor.full_name == _TIMESTAMP:
            return _format_timestamp
        if descriptor.full_name not in self.plans:
            self._add_plan(descriptor)
        return partial(self._build_object, self.plans[descriptor.full_name])

    def _build_object(self, plan: Any, message: Message) -> dict[str, Any]:
        values: dict[str, Any] = {}
        for name, repeats, has_presence, omits_empty, convert, is_null in plan:
            if has_presence and not message.HasField(name):
                if is_null:
                    values[name] = None
                continue
            value = getattr(message, name)
            if omits_empty and not value:
                continue
            if repeats:
                value = list(value) if convert is None else [convert(each) for each in value]
            elif convert is not None:
                value = convert(value)
            values[name] = value
        if self.foreign and "type" in values:
            self._omit(values, self.foreign.get(values["type"], ()))
        return values

    @staticmethod
    def _omit(values: dict[str, Any], foreign: Collection[str]) -> None:
        for inner in values.values():
            if isinstance(inner, dict):
                for name in foreign:
                    inner.pop(name, None)


def _wrap_raw(text: str) -> msgspec.Raw:
    return msgspec.Raw(text)


def _format_timestamp(message: Any) -> str:
    text: str = message.ToJsonString()
    return text
