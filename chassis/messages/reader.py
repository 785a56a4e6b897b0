"""JSON to protobuf messages, by a decoder made once per message type.

The msgspec decoder built from the descriptor is stricter than json_format: it
refuses unknown fields, numbers in strings, booleans for numbers, fractions for
integers, NaN, invalid UTF-8 and trailing text. Null counts as absent. A double
without a fraction (90.0) is an integer, as in JSON Schema: the strict decoder
refuses it, and a second one reads the body again.
"""

import json
import re
from collections.abc import Collection, Iterable, Iterator, Mapping
from typing import Annotated, Any, Generic, TypeVar, get_origin

import msgspec
from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.message import Message

from chassis.errors import MALFORMED as MALFORMED
from chassis.errors import Fault, Invalid, cut_fault
from chassis.messages.explain import (
    UNKNOWN,
    add_suggestions,
    explain_json,
    explain_type,
    name_type,
)

TOO_DEEP = "The body is nested too deep."
MAX_FAULTS = 100  # a body of 1 MiB may hold 500,000
MAX_PATHS_BYTES = 32 * 1024  # of the paths of the faults of one request, as JSON
MORE_FAULTS = "More faults are not listed."
MAX_NODES = 20_000  # objects, arrays and keys; 1 MiB of them would take a third of a second
TOO_MANY = f"The body has more than {MAX_NODES} objects, arrays and keys."
DUPLICATE = "Duplicate key in one object."
F = FieldDescriptor
_SCALARS: dict[int, Any] = {
    F.TYPE_STRING: str,
    F.TYPE_BOOL: bool,
    F.TYPE_DOUBLE: float,
    F.TYPE_INT32: Annotated[int, msgspec.Meta(ge=-(2**31), le=2**31 - 1)],
    F.TYPE_INT64: Annotated[int, msgspec.Meta(ge=-(2**63), le=2**63 - 1)],
}
_RAW = (msgspec.Raw,)
_OPERATOR = re.compile(r"\[(\w+)\]\Z")
_encode = msgspec.json.Encoder().encode
_skim = msgspec.json.Decoder(msgspec.Raw).decode
_CHUNK_ITEMS = 100

# A message's shape: field name -> (leaf type or shape, whether it repeats).
Shape = dict[str, tuple[Any, bool]]
M = TypeVar("M", bound=Message)


class Reader(Generic[M]):
    """Reads messages of one type from JSON bodies or query strings.

    `raw` names fields of arbitrary JSON, kept as text; `path` names fields taken
    from the URL, which are unknown in a body. A recursive message may nest once.
    `reason` is the reason of its refusals; `hints` are what to say of a field of a
    query string that is not of its type.
    """

    def __init__(
        self,
        message: type[M],
        *,
        raw: Collection[str] = (),
        path: Collection[str] = (),
        reason: str = MALFORMED,
        hints: Mapping[str, str] | None = None,
    ) -> None:
        self.message = message
        self.hints = hints or {}
        self.reason = reason
        self.raw = tuple(raw)
        self.shape = _make_shape(message.DESCRIPTOR, raw, path)
        self.struct = _make_struct(message.DESCRIPTOR.name, self.shape)
        self.decoder = msgspec.json.Decoder(self.struct)
        lenient = _make_struct(message.DESCRIPTOR.name, self.shape, doubles=True)
        self.lenient_decoder = msgspec.json.Decoder(lenient)

    def read(self, body: bytes, **path: str) -> M:
        """Read a body; raises Invalid with every fault."""
        keys = body.count(b":")
        if keys + body.count(b"{") + body.count(b"[") > MAX_NODES:
            raise self._build_refusal(_explain_overfull(body))
        try:
            known, values = self._decode(body)
            for name in self.raw:
                if name in values:
                    text = bytes(values[name]).decode()
                    values[name] = None if text == "null" else text
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            raise self._build_refusal(self._explain(body)) from None
        # A duplicate key shows as a colon that is missing from the values.
        suspect = keys != _encode(known).count(b":") or b"\\u003" in body
        if suspect and (duplicates := _find_duplicate_keys(body, self.raw)):
            raise self._build_refusal(duplicates)
        return self.message(**values, **path)

    def read_query(self, query: dict[str, list[str]], **path: str) -> M:
        """Read a query string; `created[gt]` sets the field created_gt."""
        if not query:
            return self.message(**path)
        flat: dict[str, str] = {}
        faults: list[Fault] = []
        for name, given in query.items():
            field = to_field_name(name)
            if len(given) > 1 or field in flat:
                faults.append(Fault(name, "Given more than once."))
            flat[field] = given[0]
        faults += _find_faults(flat, self.shape, "", strict=False)
        if faults:
            faults = _cap(map(self._add_hint, faults))
            raise self._build_refusal(add_suggestions(faults, self.shape, in_query=True))
        values = msgspec.to_builtins(msgspec.convert(flat, self.struct, strict=False))
        return self.message(**values, **path)

    def _add_hint(self, fault: Fault) -> Fault:
        is_of_type = not fault.message.startswith("Must be an integer")
        return fault if is_of_type else Fault(fault.path, self.hints.get(fault.path, fault.message))

    def _decode(self, body: bytes) -> tuple[msgspec.Struct, Any]:
        """Return a body as a struct and as plain values; raises DecodeError."""
        try:
            known = self.decoder.decode(body)
        except msgspec.ValidationError:
            known = self.lenient_decoder.decode(body)
            values = msgspec.to_builtins(known, builtin_types=_RAW)
            return known, _convert_integers(values, self.shape)
        return known, msgspec.to_builtins(known, builtin_types=_RAW)

    def _build_refusal(self, faults: list[Fault]) -> Invalid:
        return Invalid("The request is malformed.", reason=self.reason, faults=faults)

    def _explain(self, body: bytes) -> list[Fault]:
        """List the faults of a body that cannot be read."""
        try:
            faults = _cap(_find_faults(msgspec.json.decode(body), self.shape, "", strict=True))
            # Of a duplicate key only the last value is decoded: the fault is in another one.
            return add_suggestions(faults, self.shape) or _find_duplicate_keys(body, self.raw)
        except RecursionError:
            return [Fault("", TOO_DEEP)]
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            return [Fault("", explain_json(body, error))]


def to_field_name(name: str) -> str:
    """The field that a query parameter sets: created_gt for `created[gt]`."""
    return _OPERATOR.sub(r"_\1", name)


def _make_shape(descriptor: Any, raw: Collection[str], absent: Collection[str]) -> Shape:
    shape: Shape = {}
    for field in descriptor.fields:
        if field.name in absent:
            continue
        kind: Any = _SCALARS.get(field.type)
        if field.name in raw:
            kind = msgspec.Raw
        elif field.type == F.TYPE_MESSAGE:
            inside_itself = field.message_type is descriptor
            kind = _make_shape(field.message_type, (), (field.name,) if inside_itself else ())
        shape[field.name] = (kind, field.is_repeated)
    return shape


def _make_struct(name: str, shape: Shape, *, doubles: bool = False) -> type[msgspec.Struct]:
    """Build the struct of a shape; with `doubles`, its integers may be written as doubles."""
    fields: list[tuple[str, Any, Any]] = []
    for field, (leaf, repeats) in shape.items():
        kind = _make_struct(field, leaf, doubles=doubles) if isinstance(leaf, dict) else leaf
        kind = kind | float if doubles and _is_integer(leaf) else kind
        kind = list[kind] if repeats else kind  # type: ignore[valid-type]  # built, not written
        absent = msgspec.UnsetType if leaf is msgspec.Raw else None | msgspec.UnsetType
        fields.append((field, kind | absent, msgspec.UNSET))
    return msgspec.defstruct(name, fields, forbid_unknown_fields=True, kw_only=True)


def _is_integer(leaf: Any) -> bool:
    return get_origin(leaf) is Annotated


def _convert_integers(value: Any, kind: Any, repeats: bool = False) -> Any:
    """Return a decoded value with its integers; raises ValidationError for a fraction."""
    if value is None:
        return None
    if repeats:
        return [_convert_integers(each, kind) for each in value]
    if isinstance(kind, dict):
        return {name: _convert_integers(each, *kind[name]) for name, each in value.items()}
    return _convert_leaf(value, kind) if _is_integer(kind) else value


def _convert_leaf(value: Any, kind: Any, *, strict: bool = True) -> Any:
    """Return a value as its leaf's type; raises ValidationError."""
    if type(value) is float and _is_integer(kind) and value.is_integer():
        value = int(value)
    return msgspec.convert(value, kind, strict=strict)


def _find_faults(value: Any, kind: Any, path: str, *, strict: bool) -> Iterator[Fault]:
    """Yield a fault for each place where a decoded value does not fit the shape."""
    if not isinstance(kind, dict):
        try:
            if kind is not msgspec.Raw:
                _convert_leaf(value, kind, strict=strict)
        except msgspec.ValidationError:
            yield Fault(path, explain_type(value, kind, strict=strict))
        return
    if not isinstance(value, dict):
        yield Fault(path, _explain_container(path, "an object", value, strict=strict))
        return
    for name, each in value.items():
        where = f"{path}.{name}" if path else name
        if name not in kind:
            yield Fault(where, UNKNOWN)
        elif each is not None:
            leaf, repeats = kind[name]
            if not repeats:
                yield from _find_faults(each, leaf, where, strict=strict)
            elif not isinstance(each, list):
                yield Fault(where, _explain_container(where, "an array", each, strict=strict))
            elif isinstance(leaf, dict):
                for index, item in enumerate(each):
                    yield from _find_faults(item, leaf, f"{where}.{index}", strict=strict)
            else:
                yield from _find_scalar_faults(each, leaf, where, strict=strict)


def _explain_container(path: str, expected: str, value: Any, *, strict: bool) -> str:
    if not strict:
        return f"Must be {expected}, which a query string cannot hold."
    subject = "Must" if path else "The body must"
    return f"{subject} be {expected}, is {name_type(value)}."


def _find_scalar_faults(items: list[Any], kind: Any, path: str, *, strict: bool) -> Iterator[Fault]:
    """Yield a fault for each item that is not of a scalar kind, checking whole chunks first."""
    for start in range(0, len(items), _CHUNK_ITEMS):
        chunk = items[start : start + _CHUNK_ITEMS]
        try:
            msgspec.convert(chunk, list[kind], strict=strict)
        except msgspec.ValidationError:
            for index, item in enumerate(chunk, start):
                yield from _find_faults(item, kind, f"{path}.{index}", strict=strict)


def _cap(faults: Iterable[Fault]) -> list[Fault]:
    """List the first faults, with long names cut, and whether there are more."""
    first: list[Fault] = []
    size = 0
    for fault in map(cut_fault, faults):
        size += len(json.dumps(fault.path))
        if len(first) == MAX_FAULTS or size > MAX_PATHS_BYTES:
            return [*first, Fault("", MORE_FAULTS)]
        first.append(fault)
    return first


def _explain_overfull(body: bytes) -> list[Fault]:
    """Return what is wrong with a body of too many nodes: its form, its depth or their number."""
    try:
        _skim(body)
    except RecursionError:
        return [Fault("", TOO_DEEP)]
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        return [Fault("", explain_json(body, error))]
    return [Fault("", TOO_MANY)]


def _find_duplicate_keys(body: bytes, raw: Collection[str]) -> list[Fault]:
    """Return a fault for each duplicate key of a well-formed object."""
    try:
        # The numbers do not matter, and Python refuses to parse an integer of 4301 digits.
        pairs = json.loads(body, object_pairs_hook=list, parse_int=bool, parse_float=bool)
    except RecursionError:
        return [Fault("", TOO_DEEP)]
    return _cap(_find_duplicates(pairs, "", raw))


def _find_duplicates(value: list[Any], path: str, raw: Collection[str]) -> Iterator[Fault]:
    """Yield a fault for each duplicate key in an object, which is a list of pairs, or an array."""
    first = value[0] if value else None
    if isinstance(first, tuple):
        names: set[str] = set()
        for name, each in value:
            where = f"{path}.{name}" if path else name
            if name in names:
                yield Fault(where, DUPLICATE)
            names.add(name)
            if isinstance(each, list) and where not in raw:
                yield from _find_duplicates(each, where, raw)
    elif isinstance(first, list):  # an array of scalars holds no key
        for index, each in enumerate(value):
            if isinstance(each, list):
                yield from _find_duplicates(each, f"{path}.{index}", raw)


def list_field_names(message: type[Message]) -> set[str]:
    """The names of a message's fields and of all fields of the messages in it."""
    every: dict[str, Any] = {}

    def walk(descriptor: Any) -> None:
        if descriptor.full_name not in every:
            every[descriptor.full_name] = descriptor
            for field in descriptor.fields:
                if field.type == F.TYPE_MESSAGE:
                    walk(field.message_type)

    walk(message.DESCRIPTOR)
    return {field.name for each in every.values() for field in each.fields}
