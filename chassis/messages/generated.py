"""Functions of messages that are generated once for each type, as `dataclasses` does.

To go through a plan of the fields for each message takes half as long again.
"""

from collections.abc import Iterable
from typing import Any


def define(name: str, lines: Iterable[str], functions: dict[str, Any]) -> Any:
    """Define a function of a `message` among others that it calls, from its lines; return it.

    The lines hold no text but the names of our own protos.
    """
    source = "\n    ".join([f"def {name}(message):", *lines])
    exec(source, functions)  # nosec B102
    return functions[name]


def name_builder(descriptor: Any) -> str:
    """Return the name of the function that builds what stands for messages of a type."""
    return "build_" + str(descriptor.full_name).replace(".", "_")
