"""A marshmallow schema over a message: all broken rules at once, by path."""

import re
from collections.abc import Collection, Iterable, Iterator, Mapping
from typing import Any

from google.protobuf.message import Message
from marshmallow import Schema, ValidationError

from chassis.errors import Fault, Invalid
from chassis.fast_path import Unsure, compile_loader
from chassis.messages.plain import to_dict

_CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]")


class Rules:
    """One schema, instantiated once, for the messages of one type.

    Control characters are refused in every text but those at the paths in
    `raw`, where only NUL is: no store can keep it.
    """

    def __init__(
        self, schema: Schema, *, reason: str = "INVALID", raw: Collection[str] = ()
    ) -> None:
        self.schema = schema
        self.accept = compile_loader(schema)
        self.reason = reason
        self.raw = frozenset(raw)

    def examine(self, request: Message) -> tuple[dict[str, Any], list[Fault]]:
        """What is valid in the request, and what is at fault in the rest."""
        values = to_dict(request)
        faults: list[Fault] = []
        if not _is_clean(values):
            faults += find_control_characters(values, "", self.raw)
            values = _storable(values) if faults else values
        try:
            return self.accept(values), faults
        except Unsure:
            pass
        try:
            valid: Any = self.schema.load(values)
        except ValidationError as error:
            faults += flatten(error.messages_dict)
            valid = error.valid_data or {}
        return valid, faults

    def check(self, request: Message) -> dict[str, Any]:
        """The values of a request that breaks no rule; raises Invalid."""
        values, faults = self.examine(request)
        refuse(faults, reason=self.reason)
        return values


def refuse(*faults: Iterable[Fault | tuple[str, str]], reason: str = "INVALID") -> None:
    """Raise Invalid with all of the faults, if there are any."""
    found = [Fault(*each) if isinstance(each, tuple) else each for some in faults for each in some]
    if found:
        raise Invalid("The request breaks rules.", reason=reason, faults=found)


def flatten(messages: Mapping[Any, Any] | list[str], path: str = "") -> Iterator[Fault]:
    """Marshmallow's nested messages as faults with dotted paths."""
    if isinstance(messages, Mapping):
        for name, each in messages.items():
            inner = path if name == "_schema" else f"{path}.{name}" if path else str(name)
            yield from flatten(each, inner)
    else:
        yield from (Fault(path, text) for text in messages)


def find_control_characters(
    value: Any, path: str = "", raw: Collection[str] = ()
) -> Iterator[Fault]:
    """Every text that holds a control character other than tab, LF and CR."""
    if isinstance(value, str):
        if _CONTROL.search(value) and (path not in raw or "\0" in value):
            yield Fault(path, "Control characters are not allowed.")
    elif isinstance(value, dict):
        for name, each in value.items():
            yield from find_control_characters(each, f"{path}.{name}" if path else name, raw)
    elif isinstance(value, list):
        for index, each in enumerate(value):
            yield from find_control_characters(each, f"{path}.{index}", raw)


def _is_clean(values: Mapping[Any, Any]) -> bool:
    """Whether no text has a control character: the quick answer for most requests."""
    for value in values.values():
        if isinstance(value, str):
            if not value.isprintable() and _CONTROL.search(value):
                return False
        elif isinstance(value, dict):
            if not _is_clean(value):
                return False
        elif isinstance(value, list) and not _is_clean(dict(enumerate(value))):
            return False
    return True


def _storable(value: Any) -> Any:
    """The values of a request that is refused anyway, for queries that look for more faults."""
    if isinstance(value, str):
        return value.replace("\0", "\ufffd")
    if isinstance(value, dict):
        return {name: _storable(each) for name, each in value.items()}
    if isinstance(value, list):
        return [_storable(each) for each in value]
    return value
