"""Fields of an order that are edited in place on its review page.

A field is one input, named by its path in the document. What was typed is put into a copy of the
document by the type of each field; whether it is allowed is for the service to say.
"""

import re
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.message import Message

from chassis.errors import Fault
from gateway import backends
from gateway.backends import call
from protos.orders_pb2 import (
    Addons,
    CreateOrderRequest,
    GetOrderSettingsRequest,
    LensPackage,
    ListAddonsRequest,
    ListLensPackagesRequest,
    ListMaterialsRequest,
    ListStylesRequest,
    Order,
)

PREFIX = "order."  # of the name of an input
PACKAGE = "package"
_VERSION = re.compile(r"[0-9]{1,9}")
NUMBERS = {FieldDescriptor.TYPE_DOUBLE: float, FieldDescriptor.TYPE_INT32: int}
EYE_FIELDS = ("sphere", "cylinder", "axis", "add", "pd", "near_pd", "seg_height", "oc_height")
PRISMS = tuple(
    f"{base}_prism.{name}" for base in ("horizontal", "vertical") for name in ("power", "direction")
)
BALANCE_FIELDS = ("pd", "near_pd", "oc_height")
LENS_FIELDS = tuple(
    f"lens.{name}" for name in ("style", "material", "color", "coats", "tint", "tint_instruction")
)
FRAME_FIELDS = (
    *("manufacturer", "model", "color", "sku", "handling", "eye_size", "bridge", "temple"),
    *("a", "b", "lens_ed", "vertex", "pantoscopic_tilt", "wrap"),
)
PLAIN_FIELDS = (
    *(f"patient.{name}" for name in ("first_name", "last_name", "email", "phone_number")),
    *(f"frame.{name}" for name in FRAME_FIELDS),
    "order_type",
    "mounting_option",
    "services",
    "special_instructions",
)
# The list of the lab's settings that a field takes its word from.
SETTINGS = {
    "order_type": "order_types",
    "mounting_option": "mounting_options",
    "frame.handling": "frame_handling_options",
    "services": "services",
    "redo_data.type": "redo_types",
}
DIRECTIONS = {
    "horizontal_prism": [("in", "base in"), ("out", "base out")],
    "vertical_prism": [("up", "base up"), ("down", "base down")],
}
Options = Sequence[tuple[str, str]]


class Input(NamedTuple):
    """One control: a number, a text, a choice of one or (`many`) of several."""

    path: str
    kind: str
    label: str
    values: Sequence[str]
    options: Options = ()

    @property
    def name(self) -> str:
        """Its name in the form."""
        return PREFIX + self.path

    @property
    def value(self) -> str:
        """Its first value."""
        return self.values[0] if self.values else ""


def write_if_match(version: str) -> str:
    """Return If-Match for the version in a form; one that nothing has for anything else."""
    return f'"v{version if _VERSION.fullmatch(version) else 0}"'


def copy_document(order: Order) -> CreateOrderRequest:
    """Return the document of an order as a request that would send it."""
    document = CreateOrderRequest()
    for field, value in order.ListFields():
        if field.name not in CreateOrderRequest.DESCRIPTOR.fields_by_name:
            continue
        if field.is_repeated:
            getattr(document, field.name).extend(value)
        elif isinstance(value, Message):
            getattr(document, field.name).CopyFrom(value)
        else:
            setattr(document, field.name, value)
    return document


def list_editable(order: Order) -> list[str]:
    """Return the paths of the fields of an order that can be edited in place."""
    paths = list(PLAIN_FIELDS)
    if order.HasField("redo_data"):
        paths += ["redo_data.type", "redo_data.reason", "redo_data.reference"]
    if order.HasField("multi_pair_data"):
        paths.append("multi_pair_data.reference")
    if not order.HasField("rx"):
        return paths
    for which in ("right_eye", "left_eye"):
        has_power = not getattr(order.rx, which).balance
        names = (*EYE_FIELDS, *PRISMS) if has_power else BALANCE_FIELDS
        paths += [f"rx.{which}.{name}" for name in names]
    return [*paths, *LENS_FIELDS]


def select_editable(order: Order, at_fault: Iterable[str]) -> set[str]:
    """Return the fields that are edited because of faults at these paths."""
    found: set[str] = set()
    editable = list_editable(order)
    for fault in at_fault:
        near = [
            path
            for path in editable
            if path == fault or path.startswith(f"{fault}.") or fault.startswith(f"{path}.")
        ]
        found.update(near)
        if fault == "lens" or fault.startswith("lens."):
            found.update(path for path in editable if path in LENS_FIELDS)
    return found


def find_edited_paths(
    order: Order, faults: Sequence[Fault], form: Any, *, edits_all: bool
) -> set[str]:
    """Return the fields that a page edits: all, those at fault, or those of the form before."""
    if edits_all:
        return set(list_editable(order))
    paths = select_editable(order, [fault.path for fault in faults])
    if any(fault.path == "acknowledged_warnings" for fault in faults):
        confirmed = [each.param for each in order.warnings if each.confirm]
        paths |= select_editable(order, confirmed)
    if form is not None:
        paths |= {name.removeprefix(PREFIX) for name in form if name.startswith(PREFIX)}
    return paths


def apply_form(document: CreateOrderRequest, form: Any) -> list[Fault]:
    """Put what was typed into a document; return a fault for each text that is no number."""
    faults: list[Fault] = []
    editable = set(list_editable(Order(rx=document.rx) if document.HasField("rx") else Order()))
    editable |= {"redo_data.type", "redo_data.reason", "redo_data.reference"}
    editable.add("multi_pair_data.reference")
    for name in form:
        path = name.removeprefix(PREFIX)
        if name.startswith(PREFIX) and path in editable:
            texts = [text.strip() for text in form.getlist(name)]
            try:
                _set(document, path, [text for text in texts if text])
            except ValueError:
                faults.append(Fault(path, "Must be a number."))
    for path in ("lens", *_list_prisms(), "rx.left_eye", "rx.right_eye", "rx"):
        _drop_empty(document, path)
    return faults


def _list_prisms() -> Iterator[str]:
    for which in ("left_eye", "right_eye"):
        for base in DIRECTIONS:
            yield f"rx.{which}.{base}"


def _set(document: Message, path: str, texts: list[str]) -> None:
    *blocks, name = path.split(".")
    message = document
    for block in blocks:
        if not texts and not message.HasField(block):
            return
        message = getattr(message, block)
    field = message.DESCRIPTOR.fields_by_name[name]
    message.ClearField(name)
    if field.is_repeated:
        getattr(message, name).extend(texts)
    elif texts:
        convert = NUMBERS.get(field.type)
        value = convert(texts[0].replace(",", ".")) if convert else texts[0]
        setattr(message, name, value)


def _drop_empty(document: Message, path: str) -> None:
    *blocks, name = path.split(".")
    message = document
    for block in blocks:
        if not message.HasField(block):
            return
        message = getattr(message, block)
    if message.HasField(name) and not getattr(message, name).ByteSize():
        message.ClearField(name)


def _read(message: Message, path: str) -> list[str]:
    """Return the texts of a field in a form."""
    *blocks, name = path.split(".")
    for block in blocks:
        if not message.HasField(block):
            return []
        message = getattr(message, block)
    field = message.DESCRIPTOR.fields_by_name[name]
    value = getattr(message, name)
    if field.is_repeated:
        return list(value)
    if field.has_presence and not message.HasField(name):
        return []
    return [f"{value:.10g}" if field.type in NUMBERS else value] if value != "" else []


class Editor:
    """The inputs of the fields that a page edits."""

    def __init__(
        self,
        order: Order,
        paths: Collection[str],
        authorization: str,
        form: Any = None,
    ) -> None:
        self.document = copy_document(order)
        self.typed: dict[str, list[str]] = {}
        if form is not None:
            self.typed = {
                name.removeprefix(PREFIX): form.getlist(name)
                for name in form
                if name.startswith(PREFIX)
            }
        self.paths = {path for path in list_editable(order) if path in paths}
        self.version = order.version
        self.authorization = authorization
        self.lab = {"lab": order.lab, "account_number": order.account_number}
        self.options: dict[str, Options] = {}
        self.packages: list[LensPackage] = []
        if self.paths & SETTINGS.keys():
            self._read_settings()
        if self.paths & set(LENS_FIELDS):
            self._read_lens_options()

    def list_inputs(self, path: str, label: str) -> list[Input]:
        """Return the inputs of the cell at a path; a prism has four."""
        if path.endswith(".prism"):
            eye = path.removesuffix("prism")
            return [
                self._build_input(f"{eye}{name}", f"{label} {name.replace('_prism.', ' ')}")
                for name in PRISMS
                if f"{eye}{name}" in self.paths
            ]
        return [self._build_input(path, label)] if path in self.paths else []

    def _build_input(self, path: str, label: str) -> Input:
        values = self.typed[path] if path in self.typed else _read(self.document, path)
        *blocks, name = path.split(".")
        descriptor: Any = CreateOrderRequest.DESCRIPTOR
        for block in blocks:
            descriptor = descriptor.fields_by_name[block].message_type
        field = descriptor.fields_by_name[name]
        if name == "direction":
            return Input(path, "one", label, values, DIRECTIONS[blocks[-1]])
        if path in self.options:
            kind = "many" if field.is_repeated else "one"
            return Input(path, kind, label, values, self.options[path])
        kind = "number" if field.type in NUMBERS else "text"
        if path == "special_instructions":
            kind = "long"
        return Input(path, kind, label, values)

    def _read_settings(self) -> None:
        asked = GetOrderSettingsRequest(**self.lab)
        rpc = backends.orders().GetOrderSettings
        settings = call(rpc, asked, authorization=self.authorization)
        for path, name in SETTINGS.items():
            self.options[path] = [(word, word) for word in getattr(settings, name)]

    def _read_lens_options(self) -> None:
        """Read what the lab offers, as far as the choices made so far lead."""
        rpcs, how = backends.orders(), {"authorization": self.authorization}
        chosen: Mapping[str, str] = {
            name: next(iter(self.typed.get(f"lens.{name}", [])), None)
            or getattr(self.document.lens, name)
            for name in ("style", "material")
        }
        styles: list[tuple[str, str]] = []
        for lens_type in ("single_vision", "multifocal"):
            listed = call(
                rpcs.ListStyles, ListStylesRequest(**self.lab, lens_type=lens_type), **how
            )
            styles += [(each.id, each.name) for each in listed.data]
        style = _select(chosen["style"], styles)
        listed_materials = call(
            rpcs.ListMaterials, ListMaterialsRequest(**self.lab, style=style), **how
        )
        materials = [(each.id, each.name) for each in listed_materials.data]
        material = _select(chosen["material"], materials)
        asked = ListAddonsRequest(**self.lab, style=style, material=material)
        addons: Addons = call(rpcs.ListAddons, asked, **how).data
        self.options |= {
            "lens.style": styles,
            "lens.material": materials,
            "lens.color": [(each.id, each.name) for each in addons.colors],
            "lens.coats": [(each.id, each.name) for each in addons.coats],
            "lens.tint": [(tint, tint) for tint in addons.tints],
        }
        packages = call(rpcs.ListLensPackages, ListLensPackagesRequest(**self.lab), **how)
        self.packages = list(packages.data)


def _select(choice: str | None, offered: Iterable[tuple[str, str]]) -> str:
    """Return the id of a choice if it is offered, and else an id that nothing has."""
    return choice if choice and choice in (each for each, _ in offered) else "-"


def apply_package(document: CreateOrderRequest, package_id: str, authorization: str) -> None:
    """Put the lens of a saved package into a document; services are added."""
    asked = ListLensPackagesRequest(lab=document.lab, account_number=document.account_number)
    listed = call(backends.orders().ListLensPackages, asked, authorization=authorization)
    for package in listed.data:
        if package.id == package_id:
            document.lens.CopyFrom(package.lens)
            document.services.extend(
                each for each in package.services if each not in document.services
            )
