"""The marshmallow schemas of an RPC's request, and what their fields demand, as JSON Schema."""

import inspect
from collections.abc import Callable, Iterator, Sequence
from importlib import import_module
from pkgutil import iter_modules
from types import FunctionType, ModuleType
from typing import Any

from marshmallow import Schema, fields, missing, validate

from chassis.validation import Rules
from openapi.fields.words import Constraints
from orders_svc.rules.order import MAX_TRACING_BYTES
from sessions_svc.rules.fields import MAX_ITEMS, limit_items
from sessions_svc.rules.links import MAX_HOST_CHARACTERS, MAX_REDIRECT_URL_CHARACTERS
from sessions_svc.rules.sessions import MAX_NAME_CHARACTERS
from subscriptions_svc.rules.changes import KeptItemSchema, KeptOrNew
from subscriptions_svc.rules.shapes import MAX_ITEMS as MAX_ENTRIES
from subscriptions_svc.rules.shapes import CommaSeparated

NOT_BLANK = r"\S"
EMAIL: Constraints = {"format": "idn-email"}  # of any script
DATE: Constraints = {"format": "date"}
# Validators that are functions, by their names.
FUNCTIONS: dict[str, Constraints] = {
    "check_not_blank": {"minLength": 1, "pattern": NOT_BLANK},
    "check_email": EMAIL,
    "check_date": DATE,
    "check_day": DATE,
    "check_time_zone": {"minLength": 1},
    "check_period": {
        "anyOf": [{"format": "date"}, {"enum": ["current_month", "current_year"]}],
    },
    "check_tracing_size": {"maxLength": MAX_TRACING_BYTES},
    "check_partner_info": {"type": "object"},
    "check_json_array": {"type": "array"},
    "_check_name": {"minLength": 1, "maxLength": MAX_NAME_CHARACTERS, "pattern": NOT_BLANK},
    "check_link_host": {"maxLength": MAX_HOST_CHARACTERS},
    "check_redirect_url": {"format": "uri", "maxLength": MAX_REDIRECT_URL_CHARACTERS},
}


def find_schema(service: str, rpc: str) -> Schema | None:
    """Return the schema that checks an RPC's request; None where nothing is left to check."""
    for module, servicer in _list_servicers(service):
        if method := vars(servicer).get(rpc):
            found = list(_find_rules(method, module, [servicer, *_list_helpers(module)], set()))
            if len(found) > 1:
                raise TypeError(f"{rpc} has several rules")
            return found[0].schema if found else None
    raise LookupError(rpc)


def _list_servicers(service: str) -> Iterator[tuple[ModuleType, type]]:
    package = import_module(f"{service}_svc.rpcs")
    for each in iter_modules(package.__path__):
        if each.name.endswith("_service"):
            module = import_module(f"{package.__name__}.{each.name}")
            for _, kind in inspect.getmembers(module, inspect.isclass):
                if kind.__module__ == module.__name__:
                    yield module, kind


def _list_helpers(module: ModuleType) -> Iterator[type]:
    """Yield the classes of other modules beside a servicer's, which it may call."""
    package = module.__name__.rpartition(".")[0]
    for _, kind in inspect.getmembers(module, inspect.isclass):
        if kind.__module__.startswith(f"{package}.") and kind.__module__ != module.__name__:
            yield kind


def _find_rules(
    function: FunctionType, module: ModuleType, classes: Sequence[type], visited: set[str]
) -> Iterator[Rules]:
    """Yield the Rules that a method names, or else those that a method that it calls names."""
    names = function.__code__.co_names
    direct = [each for name in names if isinstance(each := vars(module).get(name), Rules)]
    yield from direct
    for name in () if direct else names:
        kind = next((each for each in classes if name in vars(each)), None)
        method = vars(kind).get(name) if kind else None
        if isinstance(method, FunctionType) and kind and name not in visited:
            visited.add(name)
            yield from _find_rules(method, import_module(kind.__module__), classes, visited)


def describe_field(field: fields.Field[Any]) -> Constraints:
    """Return what a field demands of its value; raises TypeError for an unknown validator."""
    found: Constraints = {}
    is_list = isinstance(field, fields.List | CommaSeparated)
    for validator in field.validators:
        _merge(found, _describe_validator(validator, is_list=is_list))
    if isinstance(field, fields.Email):
        found |= EMAIL
    if isinstance(field, CommaSeparated):
        found |= {"minItems": 1, "maxItems": MAX_ENTRIES}
    if limit_items in field.pre_load:
        found["maxItems"] = MAX_ITEMS
    default = field.load_default
    if default is not missing and not callable(default):
        found["default"] = default
    return found


def list_new_schemas(field: fields.Field[Any]) -> list[Schema]:
    """Return the schemas of which a nested field's value has one."""
    inner = field.inner if isinstance(field, fields.List) else field
    if isinstance(inner, KeptOrNew):
        return [inner.new, KeptItemSchema()]
    return [inner.schema] if isinstance(inner, fields.Nested) else []


def describe_items(field: fields.Field[Any]) -> Constraints:
    """Return what a list demands of each entry."""
    return describe_field(field.inner) if isinstance(field, fields.List) else {}


def _merge(found: Constraints, more: Constraints) -> None:
    for name, value in more.items():
        if name == "minLength":
            value = max(value, found.get(name, 0))
        if name == "maxLength":
            value = min(value, found.get(name, value))
        found[name] = value


def _describe_validator(validator: Callable[[Any], Any], *, is_list: bool) -> Constraints:
    match validator:
        case validate.Range():
            bounds = {"minimum": validator.min, "maximum": validator.max}
            return {name: each for name, each in bounds.items() if each is not None}
        case validate.Email():
            return EMAIL
        case validate.Regexp():
            return _describe_pattern(str(validator.regex.pattern))
        case validate.Length():
            noun = "Items" if is_list else "Length"
            sizes = {f"min{noun}": validator.min, f"max{noun}": validator.max}
            return {name: each for name, each in sizes.items() if each is not None}
        case validate.ContainsOnly():
            return {"items": {"enum": [str(each) for each in validator.choices]}}
        case validate.OneOf():
            words = validator.choices
            return {"enum": sorted(words) if isinstance(words, frozenset) else list(words)}
        case validate.Equal():
            return {"enum": [validator.comparable]}
    name = getattr(validator, "__name__", "")
    if name == "check_filled":  # of optics.fields.filled
        limit = inspect.getclosurevars(validator).nonlocals["limit"]
        return {"minLength": 1, "maxLength": limit, "pattern": NOT_BLANK}
    if name not in FUNCTIONS:
        raise TypeError(f"what does {validator!r} demand?")
    return FUNCTIONS[name]


def _describe_pattern(pattern: str) -> Constraints:
    r"""Return a pattern as JavaScript reads it; where \w is any script, an address."""
    if r"\w" in pattern.lower():
        return EMAIL
    return {"pattern": f"^{pattern}".replace(r"\Z", "$").replace("^^", "^")}
