"""Validation of a message by a marshmallow schema: all broken rules at once, by path."""

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
    """One schema, instantiated once, for messages of one type.

    Control characters are refused in every text but those at the paths in `raw`, which are
    stored within a JSON document only.
    """

    def __init__(
        self, schema: Schema, *, reason: str = "INVALID", raw: Collection[str] = ()
    ) -> None:
        self.schema = schema
        self.accept = compile_loader(schema)
        self.reason = reason
        self.raw = frozenset(raw)

    def examine(self, request: Message) -> tuple[dict[str, Any], list[Fault]]:
        """Return the valid values of a request, and the faults of the others."""
        values = to_dict(request)
        faults: list[Fault] = []
        if not _is_clean(values):
            faults += find_control_characters(values, "", self.raw)
            values = _replace_nul(values) if faults else values
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


def find_control_characters(
    value: Any, path: str = "", raw: Collection[str] = ()
) -> Iterator[Fault]:
    """Yield a fault for each text with a control character other than tab, LF and CR."""
    if isinstance(value, str):
        if path not in raw and _CONTROL.search(value):
            yield Fault(path, "Control characters are not allowed.")
    elif isinstance(value, dict):
        for name, each in value.items():
            yield from find_control_characters(each, f"{path}.{name}" if path else name, raw)
    elif isinstance(value, list):
        for index, each in enumerate(value):
            yield from find_control_characters(each, f"{path}.{index}", raw)


def _is_clean(values: Mapping[Any, Any]) -> bool:
    """Whether no text has a control character: a fast check that most requests pass."""
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


def _replace_nul(value: Any) -> Any:
    """Replace NUL in an invalid request, so that queries can look for its other faults."""
    if isinstance(value, str):
        return value.replace("\0", "\ufffd")
    if isinstance(value, dict):
        return {name: _replace_nul(each) for name, each in value.items()}
    if isinstance(value, list):
        return [_replace_nul(each) for each in value]
    return value
