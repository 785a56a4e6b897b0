"""JSON to a protobuf message and back, prepared once per message type.

A msgspec decoder made from the descriptor is strict where json_format is not:
it refuses unknown fields, numbers in strings, booleans for numbers, fractions
for integers, NaN, bad UTF-8 and trailing text. Null counts as absent.
"""

import json
import re
from collections.abc import Callable, Collection, Iterator, Mapping
from itertools import islice
from typing import Annotated, Any, Generic, TypeVar

import msgspec
from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.message import Message

from chassis.errors import Fault, Invalid

MALFORMED = "MALFORMED"
NOT_JSON = "The body is not JSON in UTF-8."
TOO_DEEP = "The body is nested too deep."
MOST_FAULTS = 100  # a body of 1 MiB has room for 500,000
MORE_FAULTS = "More faults are not listed."
MAX_NODES = 20_000  # objects, arrays and keys; 1 MiB of them would take a third of a second
TOO_MANY = f"The body has more than {MAX_NODES} objects, arrays and keys."
TWICE = "The key stands twice in one object."
F = FieldDescriptor
_SCALARS: dict[int, Any] = {
    F.TYPE_STRING: str,
    F.TYPE_BOOL: bool,
    F.TYPE_DOUBLE: float,
    F.TYPE_INT32: Annotated[int, msgspec.Meta(ge=-(2**31), le=2**31 - 1)],
    F.TYPE_INT64: Annotated[int, msgspec.Meta(ge=-(2**63), le=2**63 - 1)],
}
_TIMESTAMP = "google.protobuf.Timestamp"
_RAW = (msgspec.Raw,)
_OPERATOR = re.compile(r"\[(\w+)\]\Z")
_encode = msgspec.json.Encoder().encode
_skim = msgspec.json.Decoder(msgspec.Raw).decode
_CHUNK_ITEMS = 100

# A message's shape: field name -> (leaf type or shape, whether it repeats).
Shape = dict[str, tuple[Any, bool]]
M = TypeVar("M", bound=Message)
# A field to write: its name, whether it repeats, has presence, is left out when empty; how.
Plan = tuple[str, bool, bool, bool, Callable[[Any], Any] | None]


class Reader(Generic[M]):
    """Makes messages of one type from JSON bodies or from query strings.

    `raw` names fields of any JSON, kept as text; `path` names fields that come
    from the URL and are unknown elsewhere. A message inside itself may nest once.
    `reason` is the word of its refusals.
    """

    def __init__(
        self,
        message: type[M],
        *,
        raw: Collection[str] = (),
        path: Collection[str] = (),
        reason: str = MALFORMED,
    ) -> None:
        self.message = message
        self.reason = reason
        self.raw = tuple(raw)
        self.shape = _shape(message.DESCRIPTOR, raw, path)
        self.struct = _struct(message.DESCRIPTOR.name, self.shape)
        self.decoder = msgspec.json.Decoder(self.struct)

    def read(self, body: bytes, **path: str) -> M:
        """The message in a body; raises Invalid with every fault."""
        keys = body.count(b":")
        if keys + body.count(b"{") + body.count(b"[") > MAX_NODES:
            raise self._refusal(_overfull(body))
        try:
            known = self.decoder.decode(body)
            values = msgspec.to_builtins(known, builtin_types=_RAW)
            for name in self.raw:
                if name in values:
                    text = bytes(values[name]).decode()
                    values[name] = None if text == "null" else text
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            raise self._refusal(self._explain(body)) from None
        # A key that stands twice is one colon that did not come through.
        suspect = keys != _encode(known).count(b":") or b"\\u003" in body
        if suspect and (repeated := _repeated_keys(body, self.raw)):
            raise self._refusal(repeated)
        return self.message(**values, **path)

    def read_query(self, query: dict[str, list[str]], **path: str) -> M:
        """The message in a query string; `created[gt]` fills the field created_gt."""
        flat: dict[str, str] = {}
        faults: list[Fault] = []
        for name, given in query.items():
            field = field_of(name)
            if len(given) > 1 or field in flat:
                faults.append(Fault(name, "Given more than once."))
            flat[field] = given[0]
        faults += _faults(flat, self.shape, "", strict=False)
        if faults:
            raise self._refusal(faults)
        values = msgspec.to_builtins(msgspec.convert(flat, self.struct, strict=False))
        return self.message(**values, **path)

    def _refusal(self, faults: list[Fault]) -> Invalid:
        return Invalid("The request is malformed.", reason=self.reason, faults=faults)

    def _explain(self, body: bytes) -> list[Fault]:
        """Everything that is wrong with a body that cannot be read."""
        try:
            return _capped(_faults(msgspec.json.decode(body), self.shape, "", strict=True))
        except RecursionError:
            return [Fault("", TOO_DEEP)]
        except (msgspec.DecodeError, UnicodeDecodeError):
            return [Fault("", NOT_JSON)]


def field_of(name: str) -> str:
    """The field that a name in a query string fills: created_gt for `created[gt]`."""
    return _OPERATOR.sub(r"_\1", name)


def _shape(descriptor: Any, raw: Collection[str], absent: Collection[str]) -> Shape:
    shape: Shape = {}
    for field in descriptor.fields:
        if field.name in absent:
            continue
        kind: Any = _SCALARS.get(field.type)
        if field.name in raw:
            kind = msgspec.Raw
        elif field.type == F.TYPE_MESSAGE:
            inside_itself = field.message_type is descriptor
            kind = _shape(field.message_type, (), (field.name,) if inside_itself else ())
        shape[field.name] = (kind, field.is_repeated)
    return shape


def _struct(name: str, shape: Shape) -> type[msgspec.Struct]:
    fields: list[tuple[str, Any, Any]] = []
    for field, (leaf, repeats) in shape.items():
        kind = _struct(field, leaf) if isinstance(leaf, dict) else leaf
        kind = list[kind] if repeats else kind  # type: ignore[valid-type]  # built, not written
        absent = msgspec.UnsetType if leaf is msgspec.Raw else None | msgspec.UnsetType
        fields.append((field, kind | absent, msgspec.UNSET))
    return msgspec.defstruct(name, fields, forbid_unknown_fields=True, kw_only=True)


def _faults(value: Any, kind: Any, path: str, *, strict: bool) -> Iterator[Fault]:
    """Every place where a decoded value departs from the shape."""
    if not isinstance(kind, dict):
        try:
            if kind is not msgspec.Raw:
                msgspec.convert(value, kind, strict=strict)
        except msgspec.ValidationError as error:
            yield Fault(path, str(error))
        return
    if not isinstance(value, dict):
        yield Fault(path, "Expected an object.")
        return
    for name, each in value.items():
        where = f"{path}.{name}" if path else name
        if name not in kind:
            yield Fault(where, "Unknown field.")
        elif each is not None:
            leaf, repeats = kind[name]
            if not repeats:
                yield from _faults(each, leaf, where, strict=strict)
            elif not isinstance(each, list):
                yield Fault(where, "Expected an array.")
            elif isinstance(leaf, dict):
                for index, item in enumerate(each):
                    yield from _faults(item, leaf, f"{where}.{index}", strict=strict)
            else:
                yield from _scalar_faults(each, leaf, where, strict=strict)


def _scalar_faults(items: list[Any], kind: Any, path: str, *, strict: bool) -> Iterator[Fault]:
    """The items that are not of a scalar kind; a chunk without any is passed over at once."""
    for start in range(0, len(items), _CHUNK_ITEMS):
        chunk = items[start : start + _CHUNK_ITEMS]
        try:
            msgspec.convert(chunk, list[kind], strict=strict)
        except msgspec.ValidationError:
            for index, item in enumerate(chunk, start):
                yield from _faults(item, kind, f"{path}.{index}", strict=strict)


def _capped(faults: Iterator[Fault]) -> list[Fault]:
    """The first faults, and whether there are more."""
    first = list(islice(faults, MOST_FAULTS))
    return first + [Fault("", MORE_FAULTS) for _ in islice(faults, 1)]


def _overfull(body: bytes) -> list[Fault]:
    """What is wrong with a body of too many nodes: its form, its depth or their number."""
    try:
        _skim(body)
    except RecursionError:
        return [Fault("", TOO_DEEP)]
    except (msgspec.DecodeError, UnicodeDecodeError):
        return [Fault("", NOT_JSON)]
    return [Fault("", TOO_MANY)]


def _repeated_keys(body: bytes, raw: Collection[str]) -> list[Fault]:
    """The duplicate keys of the objects in a body that is well-formed and of the right types."""
    try:
        # What numbers say is of no use here, and Python refuses to read one of 4301 digits.
        pairs = json.loads(body, object_pairs_hook=list, parse_int=bool, parse_float=bool)
    except RecursionError:
        return [Fault("", TOO_DEEP)]
    return _capped(_duplicates(pairs, "", raw))


def _duplicates(value: list[Any], path: str, raw: Collection[str]) -> Iterator[Fault]:
    """Every key that its object, a list of pairs, had before; `value` may be an array, too."""
    first = value[0] if value else None
    if isinstance(first, tuple):
        names: set[str] = set()
        for name, each in value:
            where = f"{path}.{name}" if path else name
            if name in names:
                yield Fault(where, TWICE)
            names.add(name)
            if isinstance(each, list) and where not in raw:
                yield from _duplicates(each, where, raw)
    elif isinstance(first, list):  # an array of scalars holds no key
        for index, each in enumerate(value):
            yield from _duplicates(each, f"{path}.{index}", raw)


def plain(message: Message) -> dict[str, Any]:
    """The fields that are set, as dicts, lists and scalars."""
    plan = _PLANS.get(message.DESCRIPTOR.full_name) or _plan(message.DESCRIPTOR)
    values: dict[str, Any] = {}
    for name, repeats, is_message, has_presence in plan:
        if has_presence:
            if message.HasField(name):
                value = getattr(message, name)
                values[name] = plain(value) if is_message else value
        elif value := getattr(message, name):
            if repeats:
                value = [plain(each) for each in value] if is_message else list(value)
            elif is_message:  # a map, since it has no presence
                value = dict(value)
            values[name] = value
    return values


_PLANS: dict[str, list[tuple[str, bool, bool, bool]]] = {}


def _plan(descriptor: Any) -> list[tuple[str, bool, bool, bool]]:
    plan = _PLANS[descriptor.full_name] = [
        (
            each.name,
            each.is_repeated and not _is_map(each),
            each.type == F.TYPE_MESSAGE,
            each.has_presence,
        )
        for each in descriptor.fields
    ]
    return plan


def _is_map(field: Any) -> bool:
    return bool(field.message_type and field.message_type.GetOptions().map_entry)


def field_names(message: type[Message]) -> set[str]:
    """The names of a message's fields, and of those of the messages in it."""
    every: dict[str, Any] = {}

    def walk(descriptor: Any) -> None:
        if descriptor.full_name not in every:
            every[descriptor.full_name] = descriptor
            for field in descriptor.fields:
                if field.type == F.TYPE_MESSAGE:
                    walk(field.message_type)

    walk(message.DESCRIPTOR)
    return {field.name for each in every.values() for field in each.fields}


class Writer:
    """Makes JSON of messages of one type.

    A field that is not set is left out, or written as null with `nulls`; the
    fields in `optional` are left out either way. Texts and lists are always
    written, but for empty ones in `optional`. `raw` names fields that hold JSON
    text. `foreign` names, by a message's `type`, what the messages in it do not
    have and so leave out.
    """

    def __init__(
        self,
        message: type[Message],
        *,
        nulls: bool = False,
        optional: Collection[str] = (),
        raw: Collection[str] = (),
        foreign: Mapping[str, Collection[str]] | None = None,
    ) -> None:
        self.nulls = nulls
        self.optional = frozenset(optional)
        self.foreign = {kind: frozenset(names) for kind, names in (foreign or {}).items()}
        self.raw = frozenset(raw)
        self.plans: dict[str, list[Plan]] = {}
        self._plan(message.DESCRIPTOR)
        self.root = self.plans[message.DESCRIPTOR.full_name]

    def write(self, message: Message) -> bytes:
        """The message as a JSON object."""
        return msgspec.json.encode(self._object(self.root, message))

    def _plan(self, descriptor: Any) -> None:
        plan = self.plans[descriptor.full_name] = []
        for field in descriptor.fields:
            convert: Callable[[Any], Any] | None = None
            if field.name in self.raw:
                convert = _raw
            elif field.type == F.TYPE_MESSAGE:
                convert = self._converter(field.message_type)
            texts = field.is_repeated or field.type == F.TYPE_STRING
            fades = field.name in self.optional and texts and not field.has_presence
            plan.append((field.name, field.is_repeated, field.has_presence, fades, convert))

    def _converter(self, descriptor: Any) -> Callable[[Any], Any]:
        if descriptor.full_name == _TIMESTAMP:
            return _timestamp
        if descriptor.full_name not in self.plans:
            self._plan(descriptor)
        plan = self.plans[descriptor.full_name]
        return lambda message: self._object(plan, message)

    def _object(self, plan: Any, message: Message) -> dict[str, Any]:
        values: dict[str, Any] = {}
        for name, repeats, has_presence, fades, convert in plan:
            if has_presence and not message.HasField(name):
                if self.nulls and name not in self.optional:
                    values[name] = None
                continue
            value = getattr(message, name)
            if fades and not value:
                continue
            if repeats:
                value = list(value) if convert is None else [convert(each) for each in value]
            elif convert is not None:
                value = convert(value)
            values[name] = value
        if self.foreign and "type" in values:
            self._leave_out(values, self.foreign.get(values["type"], ()))
        return values

    @staticmethod
    def _leave_out(values: dict[str, Any], foreign: Collection[str]) -> None:
        for inner in values.values():
            if isinstance(inner, dict):
                for name in foreign:
                    inner.pop(name, None)


def _raw(text: str) -> msgspec.Raw:
    return msgspec.Raw(text)


def _timestamp(message: Any) -> str:
    text: str = message.ToJsonString()
    return text
