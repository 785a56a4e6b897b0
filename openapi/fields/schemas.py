"""JSON Schemas of messages: as a reader and rules take them, and as a writer answers them."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from google.protobuf.descriptor import Descriptor, FieldDescriptor
from marshmallow import Schema

from chassis.messages.reader import Reader, Shape
from chassis.messages.writer import Writer
from openapi.components import DISQUALIFICATIONS
from openapi.fields.rules import describe_field, describe_items, list_new_schemas
from openapi.fields.words import Constraints, read_file_units, read_number, read_text, read_unit
from orders_svc.rules.warnings.codes import CODES
from sessions_svc.rules.statuses import EVENT_TYPES, list_reported_statuses
from subscriptions_svc.rules.carts import MAX_VAT_RATE
from subscriptions_svc.rules.shapes import MAX_MONEY

F = FieldDescriptor
TIMESTAMP = "google.protobuf.Timestamp"
TYPES: dict[int, Constraints] = {
    F.TYPE_STRING: {"type": "string"},
    F.TYPE_BOOL: {"type": "boolean"},
    F.TYPE_DOUBLE: {"type": "number", "format": "double"},
    F.TYPE_INT32: {"type": "integer", "format": "int32"},
    F.TYPE_INT64: {"type": "integer", "format": "int64"},
    F.TYPE_BYTES: {"type": "string", "contentEncoding": "base64"},
}
INTEGER_BOUNDS: Mapping[str, Constraints] = {
    # None of them is negative unless its comment says so.
    "int32": {"minimum": 0, "maximum": 2**31 - 1},
    # As JSON numbers, integers are exact up to here.
    "int64": {"minimum": 0, "maximum": 2**53 - 1},
}
# Messages that stand for several things, each with a schema of its own.
READ_BY_SEVERAL = ("Prism", "NewCartItem")
# Words that the comment of a text does not list.
VALUES: Mapping[str, Sequence[str]] = {
    "optigate.orders.v1.Warning.code": CODES,
    "optigate.sessions.v1.CheckQualificationResponse.disqualifications": DISQUALIFICATIONS,
    "optigate.sessions.v1.SessionEvent.type": EVENT_TYPES,
    "optigate.sessions.v1.SessionEvent.status": list_reported_statuses(),
}
MONEY = "minor units of the currency"


class Written(NamedTuple):
    """How a writer writes a field."""

    message: str
    name: str
    repeats: bool
    is_null: bool
    is_required: bool


class Schemas:
    """The named schemas of one document."""

    def __init__(self, comments: Mapping[str, str], package: str) -> None:
        self.comments, self.package = comments, package
        self.units = read_file_units(comments[package])
        self.has_money = package.startswith("optigate.subscriptions")
        self.named: dict[str, Constraints] = {}
        self._inputs: dict[tuple[str, type | None], str] = {}
        self._outputs: dict[tuple[str, frozenset[Written]], str] = {}

    def add_input(self, reader: Reader[Any], rules: Schema | None) -> Constraints:
        """Return a reference to the schema of a request's body."""
        return self._add_input(reader.message.DESCRIPTOR, reader.shape, rules)

    def list_parameters(
        self, reader: Reader[Any], rules: Schema | None
    ) -> list[tuple[str, Constraints, bool, str]]:
        """Return name, schema, whether it is required, and comment of each field of a query."""
        return [
            (field.name, self._build_input_field(field, reader.shape, rules), *required)
            for field in reader.message.DESCRIPTOR.fields
            if field.name in reader.shape
            for required in [(_is_required(rules, field.name), self._comment(field))]
        ]

    def add_output(self, writer: Writer, descriptor: Descriptor) -> Constraints:
        """Return a reference to the schema of an answer."""
        key = (descriptor.full_name, frozenset(_list_written(writer, descriptor)))
        if key not in self._outputs:
            self._outputs[key] = name = self._name_output(writer, descriptor)
            self.named[name] = {}
            self.named[name] = self._build_output(writer, descriptor)
        return {"$ref": f"#/components/schemas/{self._outputs[key]}"}

    def describe_path_field(self, descriptor: Descriptor, name: str) -> tuple[Constraints, str]:
        """Return schema and comment of a field that is taken from the path."""
        field = descriptor.fields_by_name[name]
        return self._describe_scalar(field, {}), self._comment(field)

    def _add_input(self, descriptor: Descriptor, shape: Shape, rules: Schema | None) -> Constraints:
        key = (descriptor.full_name, type(rules) if rules else None)
        if key not in self._inputs:
            self._inputs[key] = name = self._name_input(descriptor, rules)
            self.named[name] = {}
            self.named[name] = self._build_input(descriptor, shape, rules)
        return {"$ref": f"#/components/schemas/{self._inputs[key]}"}

    def _name_output(self, writer: Writer, descriptor: Descriptor) -> str:
        """Return the message's name, with that of the whole answer where others write it fuller."""
        name: str = descriptor.name
        if any(full == descriptor.full_name for full, _ in self._inputs):
            name += "Answer"
        if name in self.named:
            name += f"Of{next(iter(writer.plans)).rpartition('.')[2]}"
        return name

    def _name_input(self, descriptor: Descriptor, rules: Schema | None) -> str:
        """Return the message's name, or that of its rules where several of them read it."""
        name: str = descriptor.name
        if rules and name in READ_BY_SEVERAL:
            stem = type(rules).__name__.removesuffix("Schema")
            name = name if stem in descriptor.file.message_types_by_name else stem
        if name in self.named:
            raise TypeError(f"{name} has two meanings")
        return name

    def _build_input(
        self, descriptor: Descriptor, shape: Shape, rules: Schema | None
    ) -> Constraints:
        allowed = [each for each in descriptor.fields if each.name in shape]
        if rules and descriptor.name == "NewCartItem":  # kept items have an id, new ones all else
            allowed = [each for each in allowed if each.name in rules.fields]
        built: Constraints = {
            "type": "object",
            "description": _say(type(rules).__doc__ or "")
            if rules and descriptor.name in READ_BY_SEVERAL
            else self.comments[descriptor.full_name],
            "properties": {
                each.name: self._build_input_field(each, shape, rules) for each in allowed
            },
            "additionalProperties": False,
        }
        if required := [each.name for each in allowed if _is_required(rules, each.name)]:
            built["required"] = required
        return built

    def _build_input_field(
        self, field: FieldDescriptor, shape: Shape, rules: Schema | None
    ) -> Constraints:
        rule = rules.fields.get(field.name) if rules else None
        demands = describe_field(rule) if rule else {}
        comment, (leaf, repeats) = self._comment(field), shape[field.name]
        built: Constraints
        if isinstance(leaf, dict):
            schemas: list[Schema | None] = [*(list_new_schemas(rule) if rule else ())] or [None]
            inner = [self._add_input(_get_message(field), leaf, each) for each in schemas]
            built = {"oneOf": inner} if len(inner) > 1 else inner[0]
        elif repeats:
            items = describe_items(rule) if rule else {}
            built = self._describe_scalar(field, items, is_checked=bool(rule))
        elif demands.get("type"):  # free JSON
            built, comment = _describe_free(demands["type"]), comment.replace(" as text", "")
            demands = {}
        else:
            items = demands.pop("items", None)
            scalar = {} if items else demands
            built = self._describe_scalar(field, scalar, is_checked=bool(rule))
            if items or "maxItems" in demands:
                built = {"type": "array", "items": built | (items or {})}
        if repeats:
            built = {"type": "array", "items": built}
        optional = not _is_required(rules, field.name) and field.name not in ("document",)
        return _finish(built, demands, comment, nullable=optional)

    def _build_output(self, writer: Writer, descriptor: Descriptor) -> Constraints:
        properties: Constraints = {}
        required: list[str] = []
        for written in _list_fields(writer, descriptor):
            field = descriptor.fields_by_name[written.name]
            built = self._build_output_field(writer, field)
            if written.repeats:
                built = {"type": "array", "items": built}
            comment = self._comment(field)
            properties[written.name] = _finish(built, {}, comment, nullable=written.is_null)
            if written.is_required:
                required.append(written.name)
        built = {
            "type": "object",
            "description": self.comments[descriptor.full_name],
            "properties": properties,
        }
        return built | ({"required": required} if required else {})

    def _build_output_field(self, writer: Writer, field: FieldDescriptor) -> Constraints:
        if field.name in writer.raw:
            return {"type": "array", "items": {}}
        if field.message_type and field.message_type.full_name == TIMESTAMP:
            return {"type": "string", "format": "date-time"}
        if field.message_type:
            return self.add_output(writer, field.message_type)
        return self._describe_scalar(field, {})

    def _describe_scalar(
        self, field: FieldDescriptor, demands: Constraints, *, is_checked: bool = False
    ) -> Constraints:
        """Return type, range, values, form and unit of a scalar field."""
        comment, built = self._comment(field), dict(TYPES[field.type])
        if field.full_name in VALUES:
            return built | {"enum": list(VALUES[field.full_name])}
        if built["type"] == "string":
            stated = read_text(comment)
            if is_checked:  # then the rules alone know the words
                stated.pop("enum", None)
            return built | (demands if "enum" in demands else stated | demands)
        if built["type"] in ("number", "integer"):
            unit = read_unit(comment) or self.units.get(field.name)
            unit = unit or self._find_common_unit(field)
            bounds = INTEGER_BOUNDS.get(built["format"], {})
            if unit == MONEY and self.has_money:
                bounds = {"minimum": 0, "maximum": MAX_MONEY}
            if field.name == "subscription_vat_rate":
                bounds = {"minimum": 0, "maximum": MAX_VAT_RATE}
            built |= bounds | read_number(comment) | demands
            if unit:
                built["x-unit"] = unit
        return built

    def _find_common_unit(self, field: FieldDescriptor) -> str | None:
        header = self.comments[self.package]
        is_length = "millimetres for all lengths" in header and field.type == F.TYPE_DOUBLE
        return "mm" if is_length and "WarningFigures" not in field.full_name else None

    def _comment(self, field: FieldDescriptor) -> str:
        return self.comments[field.full_name]


def _get_message(field: FieldDescriptor) -> Descriptor:
    assert field.message_type is not None
    return field.message_type


def _describe_free(kind: str) -> Constraints:
    """Return the schema of free JSON."""
    more: Constraints = {"items": {}} if kind == "array" else {"additionalProperties": True}
    return {"type": kind, **more}


def _is_required(rules: Schema | None, name: str) -> bool:
    return bool(rules and name in rules.fields and rules.fields[name].required)


def _finish(
    built: Constraints, demands: Constraints, comment: str, *, nullable: bool
) -> Constraints:
    """Return a field's schema with its comment, and with null where that is allowed."""
    outer = {name: each for name, each in demands.items() if name not in built.get("items", {})}
    if "$ref" in built or "oneOf" in built:
        if nullable:
            choices = built.get("oneOf", [built])
            built = {"anyOf": [*choices, {"type": "null"}]}
        return {**built, "description": comment}
    if built.get("type") == "array":
        names = ("minItems", "maxItems", "default")
        built = built | {name: outer[name] for name in names if name in outer}
    else:
        built = built | outer
    if nullable and "type" in built:
        built = built | {"type": [built["type"], "null"]}
        if "enum" in built:
            built["enum"] = [*built["enum"], None]
    return {**built, "description": comment}


def _say(docstring: str) -> str:
    return docstring.strip().split("\n")[0]


def _list_fields(writer: Writer, descriptor: Descriptor) -> Iterator[Written]:
    """Yield how a writer writes each field of a message."""
    foreign = set().union(*writer.foreign.values()) if writer.foreign else set()
    for name, repeats, has_presence, omits_empty, _, is_null in writer.plans[descriptor.full_name]:
        is_omitted = has_presence and not is_null
        is_required = not (omits_empty or is_omitted or name in foreign)
        yield Written(descriptor.full_name, name, repeats, is_null, is_required)


def _list_written(writer: Writer, descriptor: Descriptor) -> set[Written]:
    """Return how a writer writes the fields of a message and of those in it."""
    found: set[Written] = set()
    waiting, names = [descriptor], {descriptor.full_name}
    while waiting:
        for written in _list_fields(writer, message := waiting.pop()):
            found.add(written)
            inner = message.fields_by_name[written.name].message_type
            if inner and inner.full_name in writer.plans and inner.full_name not in names:
                names.add(inner.full_name)
                waiting.append(inner)
    return found
