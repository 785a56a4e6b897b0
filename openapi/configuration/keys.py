"""The keys of the TOML files that `load` takes, from the schemas that check them."""

from collections.abc import Iterator, Mapping
from typing import Any

from marshmallow import Schema, fields, missing, validate

from openapi.configuration.meanings import ALLOWED, MEANINGS
from orders_svc.reference import REFERENCE as ORDERS
from orders_svc.rules.warnings.limits import Limits as WarningLimits
from sessions_svc.reference import REFERENCE as SESSIONS
from sessions_svc.rules.qualification import Limits
from subscriptions_svc.reference import REFERENCE as SUBSCRIPTIONS

FILES: Mapping[str, Schema] = {
    "sessions": SESSIONS,
    "orders": ORDERS,
    "subscriptions": SUBSCRIPTIONS,
}
# Defaults that stand beside a schema, by service and table.
DEFAULTS: Mapping[tuple[str, str], Any] = {
    ("sessions", "partners.limits"): Limits(),
    ("orders", "labs.settings.limits"): WarningLimits(),
}
TYPES: tuple[tuple[type[fields.Field[Any]], str], ...] = (
    (fields.Email, "e-mail address"),
    (fields.Url, "URL"),
    (fields.String, "text"),
    (fields.Integer, "integer"),
    (fields.Float, "number"),
    (fields.Boolean, "boolean"),
    (fields.Dict, "table of texts"),
)
HEAD = "| key | type | default | allowed | meaning |\n|---|---|---|---|---|\n"
MAX_WORDS = 12  # of which a key may be one, that are listed


def write_keys() -> str:
    """Return the sections of the page about the three files."""
    parts = []
    for service, schema in FILES.items():
        parts.append(f"## The file for `python -m {service}_svc load`\n\n")
        for path, title, table in _list_tables("", schema):
            rows = [
                _write_row(service, path, name, field)
                for name, field in table.fields.items()
                if _find_schema(field) is None
            ]
            words = _find_meaning(path)
            parts.append(f"### {title}\n\n{words}\n\n{HEAD}{''.join(rows)}\n")
    return "".join(parts).rstrip("\n") + "\n"


def list_paths(service: str) -> Iterator[str]:
    """Yield the path of every table and every key of a file."""
    for path, _, table in _list_tables("", FILES[service]):
        yield path
        yield from (f"{path}.{name}" for name in table.fields)


def _list_tables(path: str, schema: Schema) -> Iterator[tuple[str, str, Schema]]:
    """Yield path, heading and schema of the tables below one."""
    for name, field in schema.fields.items():
        if inner := _find_schema(field):
            below = f"{path}.{name}" if path else name
            title = f"`[[{below}]]`" if isinstance(field, fields.List) else f"`[{below}]`"
            yield below, title, inner
            yield from _list_tables(below, inner)


def _find_schema(field: fields.Field[Any]) -> Schema | None:
    inner = field.inner if isinstance(field, fields.List) else field
    found: Schema | None = inner.schema if isinstance(inner, fields.Nested) else None
    return found


def shorten(path: str) -> str:
    """Return the last table of a path and the key in it: endpoints are alike everywhere."""
    return ".".join(path.split(".")[-2:])


def _find_meaning(path: str) -> str:
    return MEANINGS.get(shorten(path), "")


def _write_row(service: str, table: str, name: str, field: fields.Field[Any]) -> str:
    default = _write_default(field, getattr(DEFAULTS.get((service, table)), name, None))
    cells = (
        f"`{name}`",
        _write_type(field),
        default,
        "; ".join(_list_demands(field)),
        _find_meaning(f"{table}.{name}"),
    )
    return f"| {' | '.join(each.replace('|', chr(92) + '|') for each in cells)} |\n"


def _write_type(field: fields.Field[Any]) -> str:
    if isinstance(field, fields.List):
        return f"list of {_write_type(field.inner)}s".replace("texts of", "tables of")
    return next(word for kind, word in TYPES if isinstance(field, kind))


def _write_default(field: fields.Field[Any], beside: Any) -> str:
    default = field.load_default
    if field.required:
        return "**required**"
    if default is missing or default is None:
        if beside is None:
            return ""
        shown = f"`{beside:g}`" if isinstance(beside, int | float) else ""
        return shown or f"{len(beside)} codes"
    if callable(default):
        default = default()
    return {True: "`true`", False: "`false`"}.get(default, f"`{default}`") if default else "empty"


def _list_demands(field: fields.Field[Any]) -> Iterator[str]:
    """Yield what a field demands, and what it demands of the entries of a list."""
    for validator in field.validators:
        noun = "entries" if isinstance(field, fields.List) else "characters"
        if words := _describe(validator, noun):
            yield words
    if isinstance(field, fields.List):
        yield from (f"each {words}" for words in _list_demands(field.inner))


def _describe(validator: Any, noun: str) -> str:
    match validator:
        case validate.Range():
            return f"{validator.min:g} to {validator.max:g}"
        case validate.Length():
            if validator.max is None:
                return f"{validator.min} or more {noun}"
            if validator.min is None:
                return f"at most {validator.max} {noun}"
            return f"{validator.min} to {validator.max} {noun}"
        case validate.OneOf() if len(list(validator.choices)) > MAX_WORDS:
            return f"one of {len(list(validator.choices))} words"
        case validate.OneOf():
            return " ".join(f"`{each}`" for each in validator.choices)
        case validate.Email() | validate.URL():
            return ""
        case validate.Regexp():
            return str(validator.error) if validator.error in ALLOWED else _show(validator)
    return ALLOWED.get(getattr(validator, "__name__", ""), "")


def _show(validator: validate.Regexp) -> str:
    pattern = str(validator.regex.pattern).removesuffix(r"\Z")
    return f"`{pattern}`"
