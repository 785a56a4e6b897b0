"""The options that the wire contract sets on the fields of a message."""

from collections import defaultdict
from typing import Any

from google.protobuf.message import Message


def find_foreign_fields(message: type[Message]) -> dict[str, frozenset[str]]:
    """Return, by `type`, the fields that have no meaning in a message and those inside it.

    Read from the option `optigate.v1.foreign_to`.
    """
    option = message.DESCRIPTOR.file.pool.FindExtensionByName("optigate.v1.foreign_to")
    found: dict[str, set[str]] = defaultdict(set)
    visited: set[str] = set()

    def visit(descriptor: Any) -> None:
        visited.add(descriptor.full_name)
        for field in descriptor.fields:
            for kind in field.GetOptions().Extensions[option]:
                found[kind].add(field.name)
            if field.message_type and field.message_type.full_name not in visited:
                visit(field.message_type)

    visit(message.DESCRIPTOR)
    return {kind: frozenset(names) for kind, names in found.items()}
