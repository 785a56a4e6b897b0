"""Validation of a message by a marshmallow schema: all broken rules at once, by path."""

from collections.abc import Collection, Iterable, Iterator, Mapping
from typing import Any

from google.protobuf.message import Message
from marshmallow import Schema, ValidationError

from chassis.errors import Fault, Invalid
from chassis.fast_path import Unsure, compile_loader
from chassis.messages.plain import to_dict
from chassis.messages.texts import CONTROL, find_text_faults


class Rules:
    """One schema, instantiated once, for messages of one type.

    Every text is of one line, but for those at the paths in `paragraphs`, which may be of several,
    and those in `raw`, which may have any character and are stored within a JSON document only.
    """

    def __init__(
        self,
        schema: Schema,
        *,
        reason: str = "INVALID",
        raw: Collection[str] = (),
        paragraphs: Collection[str] = (),
    ) -> None:
        self.schema = schema
        self.accept = compile_loader(schema, raw, paragraphs)
        self.reason = reason
        self.raw = frozenset(raw)
        self.paragraphs = frozenset(paragraphs)

    def examine(self, request: Message) -> tuple[dict[str, Any], list[Fault]]:
        """Return the valid values of a request, and the faults of the others."""
        return self.examine_values(to_dict(request))

    def examine_values(self, values: dict[str, Any]) -> tuple[dict[str, Any], list[Fault]]:
        """Return the valid ones of a request's values, and the faults of the others."""
        try:
            return self.accept(values), []
        except Unsure:
            pass
        faults: list[Fault] = []
        texts: list[Fault] = []  # reported unless a rule of the schema refuses the text as well
        for fault in find_text_faults(values, "", self.raw, self.paragraphs):
            (faults if fault.message == CONTROL else texts).append(fault)
        values = _replace_nul(values) if faults else values
        try:
            valid: Any = self.schema.load(values)
        except ValidationError as error:
            faults += flatten(error.messages_dict)
            valid = error.valid_data or {}
        named = {fault.path for fault in faults}
        return valid, faults + [fault for fault in texts if fault.path not in named]

    def check(self, request: Message) -> dict[str, Any]:
        """Return the values of a valid request; raises Invalid with every fault."""
        values, faults = self.examine(request)
        refuse(faults, reason=self.reason)
        return values


def refuse(*faults: Iterable[Fault | tuple[str, str]], reason: str = "INVALID") -> None:
    """Raise Invalid with all the faults, if there are any."""
    found = [Fault(*each) if isinstance(each, tuple) else each for some in faults for each in some]
    if found:
        raise Invalid("The request breaks rules.", reason=reason, faults=found)


def flatten(messages: Mapping[Any, Any] | list[str], path: str = "") -> Iterator[Fault]:
    """Convert marshmallow's nested messages to faults with dotted paths."""
    if isinstance(messages, Mapping):
        for name, each in messages.items():
            inner = path if name == "_schema" else f"{path}.{name}" if path else str(name)
            yield from flatten(each, inner)
    else:
        yield from (Fault(path, text) for text in messages)


def _replace_nul(value: Any) -> Any:
    """Replace NUL in an invalid request, so that queries can look for its other faults."""
    if isinstance(value, str):
        return value.replace("\0", "\ufffd")
    if isinstance(value, dict):
        return {name: _replace_nul(each) for name, each in value.items()}
    if isinstance(value, list):
        return [_replace_nul(each) for each in value]
    return value
