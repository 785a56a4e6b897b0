"""A fast path for valid data through a marshmallow schema.

Most requests are valid, and marshmallow's error reporting costs more than the
rules themselves: 284 us for a full order, against 50 us here. The compiled
loader runs the same fields, validators and hooks of the same schema, and raises
`Unsure` at anything unusual; the caller then runs `Schema.load`, which alone
decides what is refused and how it is reported. Texts are looked at on the way: whether
their field can hold them (`chassis.messages.texts`).
"""

import sys
from collections.abc import Callable, Collection, Iterable
from math import inf, nextafter
from typing import Any, NamedTuple

from marshmallow import RAISE, Schema, ValidationError, fields, missing, validate
from marshmallow.decorators import POST_LOAD, PRE_LOAD, VALIDATES, VALIDATES_SCHEMA

from chassis.messages.texts import are_plain, find_text_fault

Load = Callable[[Any], Any]
_TEXTS = (fields.String, fields.Email)


class Unsure(Exception):
    """The data may break a rule: only the schema can tell."""


class _Place(NamedTuple):
    """Where a value is, and which texts may have several lines, or any character."""

    path: str | None  # None within a list, none of whose texts may
    raw: Collection[str]
    paragraphs: Collection[str]

    @property
    def is_raw(self) -> bool:
        return self.path in self.raw

    @property
    def is_one_line(self) -> bool:
        return self.path not in self.paragraphs

    def enter(self, name: str) -> "_Place":
        return self._replace(path=f"{self.path}.{name}" if self.path else name)

    def enter_list(self) -> "_Place":
        return _Place(None, (), ())


def compile_loader(
    schema: Schema, raw: Collection[str] = (), paragraphs: Collection[str] = ()
) -> Load:
    """Return a function that loads valid data as `schema.load` does; it raises Unsure otherwise.

    Texts are of one line, but at the paths `paragraphs` and `raw`, as `chassis.validation.Rules`
    says.
    """
    load = _compile_schema(schema, _Place("", raw, paragraphs))

    def accept(values: Any) -> Any:
        try:
            return load(values)
        except (ValidationError, KeyError):  # KeyError: a field that the schema does not know
            raise Unsure from None

    return accept


def _compile_schema(schema: Schema, place: _Place) -> Load:
    hooks = type(schema).resolve_hooks()
    if hooks[VALIDATES] or any(many for of_kind in hooks.values() for _, many, _ in of_kind):
        return _after_texts(schema.load)
    loads = {
        name: _compile_field(name, field, place.enter(name))
        for name, field in schema.load_fields.items()
    }
    required = {name for name, field in schema.load_fields.items() if field.required}
    defaults = {
        name: field.load_default
        for name, field in schema.load_fields.items()
        if field.load_default is not missing
    }
    before, checks, after = (
        [_hook(schema, *hook) for hook in hooks[kind]]
        for kind in (PRE_LOAD, VALIDATES_SCHEMA, POST_LOAD)
    )

    def load(original: Any) -> Any:
        if type(original) is not dict:
            raise Unsure
        data = original
        for process in before:
            data = process(data, original)
        if data is not original:
            _ensure_plain(original)  # a hook may have dropped a text
        if required and not required <= data.keys():
            raise Unsure
        valid = {name: loads[name](value) for name, value in data.items()}
        for name, default in defaults.items():
            if name not in valid:
                valid[name] = default() if callable(default) else default
        for check in checks:
            check(valid, original)
        for process in after:
            valid = process(valid, original)
        return valid

    return load


def _hook(schema: Schema, name: str, _many: bool, how: dict[str, Any]) -> Callable[..., Any]:
    method, usual = getattr(schema, name), {"many": False, "partial": None, "unknown": RAISE}
    if how.get("pass_original"):
        return lambda data, original: method(data, original, **usual)
    return lambda data, _: method(data, **usual)


def _compile_field(name: str, field: Any, place: _Place) -> Load:
    """Compile the loading of one field's present value."""
    if field.data_key or field.attribute:
        raise TypeError(f"{name}: a renamed field has no fast path")
    load = _compile_kind(name, field, place)
    if load is None:
        return _compile_deserialize(name, field, place)
    if not (field.pre_load or field.post_load):
        return load
    chained = _chain(field.pre_load, load, field.post_load)
    return chained if place.is_raw else _after_texts(chained)


def _compile_kind(name: str, field: Any, place: _Place) -> Load | None:
    """Compile a field without its hooks; None for one of an unusual kind."""
    kind = type(field)
    if kind is fields.Nested and not field.many and field.unknown is None:
        return _check_after(_compile_schema(field.schema, place), field.validators)
    if kind is fields.List:
        inner = _compile_field(name, field.inner, place.enter_list())
        return _check_after(_load_list(inner), field.validators)
    if kind is fields.Boolean:
        return _check_after(_load_boolean, field.validators)
    if kind is fields.Float:
        return _compile_number(float, field.validators)
    if kind is fields.Integer and field.strict:
        return _compile_number(int, field.validators)
    if kind in _TEXTS:
        return _compile_text(field.validators, place)
    return None


def _chain(before: Any, load: Load, after: Any) -> Load:
    def load_chained(value: Any) -> Any:
        for process in before:
            value = process(value)
        value = load(value)
        for process in after:
            value = process(value)
        return value

    return load_chained


def _compile_deserialize(name: str, field: Any, place: _Place) -> Load:
    def load(value: Any) -> Any:
        return field.deserialize(value, name, None)

    return load if place.is_raw else _after_texts(load)


def _after_texts(load: Load) -> Load:
    def load_plain(value: Any) -> Any:
        _ensure_plain(value)
        return load(value)

    return load_plain


def _ensure_plain(value: Any) -> None:
    if not are_plain({"": value}):
        raise Unsure


def _check_after(load: Load, validators: Iterable[Callable[[Any], Any]]) -> Load:
    checks = tuple(validators)
    if not checks:
        return load

    def load_checked(value: Any) -> Any:
        value = load(value)
        for check in checks:
            check(value)
        return value

    return load_checked


def _compile_number(kind: type[float | int], validators: Iterable[Any]) -> Load:
    """Compile a finite number; its ranges are one comparison."""
    # NaN is in no range, nor are infinite floats in this one; every int is.
    low, high = (-sys.float_info.max, sys.float_info.max) if kind is float else (-inf, inf)
    others = []
    for each in validators:
        if type(each) is not validate.Range:
            others.append(each)
            continue
        if each.min is not None:
            low = max(low, each.min if each.min_inclusive else _find_next(kind, each.min, inf))
        if each.max is not None:
            high = min(high, each.max if each.max_inclusive else _find_next(kind, each.max, -inf))

    def load(value: Any) -> Any:
        if type(value) is not kind or not low <= value <= high:
            raise Unsure
        return value

    return _check_after(load, others)


def _find_next(kind: type[float | int], number: float, towards: float) -> float:
    if kind is float:
        return nextafter(number, towards)
    return number + 1 if towards > 0 else number - 1


def _compile_text(validators: Iterable[Any], place: _Place) -> Load:
    """Compile a text; a choice is a look-up, as each of them is a text that its field can hold."""
    checks = tuple(validators)
    first = checks[0] if checks else None
    if type(first) is validate.OneOf and are_plain(dict(enumerate(first.choices))):
        return _check_after(_load_choice(first.choices), checks[1:])
    if place.is_raw:
        return _check_after(_load_any_text, checks)
    is_one_line = place.is_one_line

    def load(value: Any) -> Any:
        if type(value) is not str:
            raise Unsure
        if not (value.isascii() and value.isprintable()) and find_text_fault(
            value, one_line=is_one_line
        ):
            raise Unsure
        for check in checks:
            check(value)
        return value

    return load


def _load_choice(choices: Iterable[Any]) -> Load:
    known = frozenset(each for each in choices if type(each) is str)

    def load(value: Any) -> Any:
        if type(value) is not str or value not in known:
            raise Unsure
        return value

    return load


def _load_any_text(value: Any) -> Any:
    if type(value) is not str:
        raise Unsure
    return value


def _load_boolean(value: Any) -> Any:
    if type(value) is not bool:
        raise Unsure
    return value


def _load_list(inner: Load) -> Load:
    def load(values: Any) -> Any:
        if type(values) is not list:
            raise Unsure
        return [inner(value) for value in values]

    return load
