"""A TOML file of reference data: reading it, and reporting what is wrong with it."""

import tomllib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import click
from marshmallow import Schema, ValidationError

from chassis.messages.texts import find_text_faults
from chassis.validation import flatten


def read_reference(file: Path, schema: Schema) -> dict[str, Any]:
    """Return the values of a file; raises ValidationError, or an error of the parser."""
    return read_text(file.read_text("utf-8"), schema)


def read_text(text: str, schema: Schema) -> dict[str, Any]:
    """Return the values of a file's text; raises ValidationError, or an error of the parser."""
    values = tomllib.loads(text)
    for fault in find_text_faults(values):
        raise ValidationError({fault.path: [fault.message]})
    reference: dict[str, Any] = schema.load(values)
    return reference


@contextmanager
def report_faults(file: Path) -> Iterator[None]:
    """Report the faults of a reference file with its name, and their tables and fields."""
    try:
        yield
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise click.ClickException(f"{file}: {error}") from None
    except ValidationError as error:
        faults = flatten(error.messages_dict)
        lines = (f"{file}: {fault.path}: {fault.message}" for fault in faults)
        raise click.ClickException("\n".join(lines)) from None
