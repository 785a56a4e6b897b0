"""Protobuf messages to JSON, by code that is made once per message type."""

from collections.abc import Callable, Collection, Iterator, Mapping
from typing import Any

import msgspec
from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.message import Message

from chassis.messages.generated import define, name_builder

_TIMESTAMP = "google.protobuf.Timestamp"

# For each field: its name; whether it repeats, has presence, is omitted when empty; the name of the
# function that converts it; and whether it is null when it is not set.
Plan = tuple[str, bool, bool, bool, str | None, bool]


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
        self._functions: dict[str, Any] = {"raw": _wrap_raw, "timestamp": _format_timestamp}
        root = self._add_plan(message.DESCRIPTOR)
        whole = [
            (name, repeats, has_presence, omits_empty and name not in kept, convert, is_null)
            for name, repeats, has_presence, omits_empty, convert, is_null in self.plans[
                message.DESCRIPTOR.full_name
            ]
        ]
        self._build: Callable[[Message], dict[str, Any]] = self._generate(f"whole_{root}", whole)

    def write(self, message: Message) -> bytes:
        """Write a message as a JSON object."""
        return msgspec.json.encode(self._build(message))

    def _add_plan(self, descriptor: Any) -> str:
        """Make the plan and the function of a message type; returns the function's name."""
        function = name_builder(descriptor)
        if descriptor.full_name in self.plans:
            return function
        plan = self.plans[descriptor.full_name] = []
        for field in descriptor.fields:
            convert = None
            if field.name in self.raw:
                convert = "raw"
            elif field.type == FieldDescriptor.TYPE_MESSAGE:
                is_timestamp = field.message_type.full_name == _TIMESTAMP
                convert = "timestamp" if is_timestamp else self._add_plan(field.message_type)
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
        self._generate(function, plan)
        return function

    def _generate(self, function: str, plan: list[Plan]) -> Any:
        """Make the function that builds the JSON object of a message."""
        lines = ["has, values = message.HasField, {}"]
        for each in plan:
            lines += _generate_field(*each)
        if self.foreign:
            self._functions["omit"] = self._omit
            lines.append("omit(values)")
        return define(function, [*lines, "return values"], self._functions)

    def _omit(self, values: dict[str, Any]) -> None:
        """Leave out, of the messages in one, the fields that its type does not have."""
        foreign = self.foreign.get(values.get("type", ""), ())
        for inner in values.values():
            if isinstance(inner, dict):
                for name in foreign:
                    inner.pop(name, None)


def _generate_field(
    name: str,
    repeats: bool,
    has_presence: bool,
    omits_empty: bool,
    convert: str | None,
    is_null: bool,
) -> Iterator[str]:
    """Yield the lines that write a field."""
    value = f"message.{name}"
    if repeats:
        value = f"[{convert}(each) for each in {value}]" if convert else f"list({value})"
    elif convert:
        value = f"{convert}({value})"
    condition = ""
    if has_presence:
        condition = f"if has({name!r}): "
    elif omits_empty:
        condition = f"if message.{name}: "
    yield f"{condition}values[{name!r}] = {value}"
    if is_null:
        yield f"else: values[{name!r}] = None"


def _wrap_raw(text: str) -> msgspec.Raw:
    return msgspec.Raw(text)


def _format_timestamp(message: Any) -> str:
    text: str = message.ToJsonString()
    return text
