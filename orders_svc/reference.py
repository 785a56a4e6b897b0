"""Reference data of the orders service: what a TOML file may say, and loading it.

Rows that a file names are added or changed, others stay; what belongs to a row
(a user's labs, a lab's catalog, a client's endpoint) is replaced as a whole.
"""

from collections.abc import Callable
from typing import Any

from marshmallow import Schema, ValidationError, fields, validate, validates_schema
from sqlalchemy import Connection, delete, insert, update
from werkzeug.security import check_password_hash, generate_password_hash

from chassis.context import utc_now
from chassis.events.endpoints import endpoint_field
from chassis.server.accounts import AccountSchema
from orders_svc import logins, store
from orders_svc.events import EVENTS
from orders_svc.rules import LENS_TYPES, RX

COAT_TYPES = ("ar", "mirror", "scratch", "uv")
ID = validate.Length(1, 64)
NAME = validate.Length(1, 200)
# A lab's catalog, children first: the order of deleting.
CATALOG = (store.addons, store.style_materials, store.materials, store.styles)


def _once(*keys: str) -> Callable[[list[Any]], None]:
    """Want each entry once, or each value under these keys of the entries."""

    def check(entries: list[Any]) -> None:
        seen = {tuple(each[key] for key in keys) if keys else each for each in entries}
        if len(seen) < len(entries):
            raise ValidationError(f"Each {' and '.join(keys) or 'id'} may stand once.")

    return check


def _words() -> fields.List[str]:
    return fields.List(fields.String(validate=NAME), required=True)


class Ids(fields.List[str]):
    """Ids, each once; a large lab's file has millions, and most are as they should be."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(fields.String(validate=ID), validate=_once(), **kwargs)

    def _deserialize(self, value: Any, attr: Any, data: Any, **kwargs: Any) -> list[str | None]:
        if type(value) is list and all(type(each) is str and 0 < len(each) <= 64 for each in value):
            return value
        return super()._deserialize(value, attr, data, **kwargs)


def _entries(schema: type[Schema], *keys: str) -> fields.List[Any]:
    return fields.List(fields.Nested(schema), load_default=list, validate=_once(*keys))


class SettingsSchema(Schema):
    """The option lists of a lab; `rx` is always among order_types."""

    frame_handling_options = _words()
    frame_materials = _words()
    mounting_options = _words()
    order_types = _words()
    redo_types = _words()
    services = _words()

    @validates_schema
    def check_rx(self, data: dict[str, Any], **_: Any) -> None:
        """Want rx: clients rely on it."""
        if RX not in data["order_types"]:
            raise ValidationError({"order_types": ["Must have rx."]})


class NamedSchema(Schema):
    """An id and what people call it."""

    id = fields.String(required=True, validate=ID)
    name = fields.String(required=True, validate=NAME)


class StyleSchema(NamedSchema):
    """A lens style."""

    lens_type = fields.String(required=True, validate=validate.OneOf(LENS_TYPES))


class CoatSchema(NamedSchema):
    """A lens coat."""

    type = fields.String(load_default=None, validate=validate.OneOf(COAT_TYPES))


class MaterialSchema(NamedSchema):
    """A lens material: the styles it is made in, and what can be added to it."""

    styles = Ids(required=True)
    colors = Ids(load_default=list)
    coats = Ids(load_default=list)
    tints = Ids(load_default=list)


class LabSchema(NamedSchema):
    """A lab with its settings and catalog."""

    settings = fields.Nested(SettingsSchema, required=True)
    styles = _entries(StyleSchema, "id")
    materials = _entries(MaterialSchema, "id")
    colors = _entries(NamedSchema, "id")
    coats = _entries(CoatSchema, "id")

    @validates_schema
    def check_references(self, data: dict[str, Any], **_: Any) -> None:
        """Want each id that a material names to be in this lab's lists."""
        faults: dict[str, Any] = {}
        for kind in ("styles", "colors", "coats"):
            known = {each["id"] for each in data[kind]}
            for index, material in enumerate(data["materials"]):
                if not known.issuperset(material[kind]):
                    fault = {kind: [f"Must be ids of this lab's {kind}."]}
                    faults.setdefault("materials", {}).setdefault(index, {}).update(fault)
        if faults:
            raise ValidationError(faults)


class ClientSchema(Schema):
    """What a client's account has been given."""

    account = fields.String(required=True)
    endpoint = endpoint_field(EVENTS)


class UserLabSchema(Schema):
    """A lab that a user orders from, under an account number."""

    lab = fields.String(required=True, validate=ID)
    account_number = fields.String(required=True, validate=ID)


class UserSchema(Schema):
    """A dashboard user of a client."""

    email = fields.Email(required=True, validate=validate.Length(max=254))
    account = fields.String(required=True)
    password = fields.String(required=True, validate=validate.Length(8, 255))
    labs = _entries(UserLabSchema, "lab", "account_number")


class ReferenceSchema(Schema):
    """A whole file."""

    accounts = _entries(AccountSchema, "name")
    clients = _entries(ClientSchema, "account")
    labs = _entries(LabSchema, "id")
    users = _entries(UserSchema, "email")


REFERENCE = ReferenceSchema()


def load(tx: Connection, reference: dict[str, Any]) -> None:
    """Bring the store to what the file says."""
    for account in reference["accounts"]:
        store.accounts.put(tx, **account)
    for lab in reference["labs"]:
        _put_lab(tx, lab)
    ids = store.accounts.ids(tx)
    for index, client in enumerate(reference["clients"]):
        if client["account"] not in ids:
            raise ValidationError({"clients": {index: {"account": ["Must be an account's name."]}}})
        store.outbox.endpoints.put(tx, client["account"], client["endpoint"], utc_now())
    labs = store.lab_ids(tx)
    for index, user in enumerate(reference["users"]):
        if user["account"] not in ids:
            raise ValidationError({"users": {index: {"account": ["Must be an account's name."]}}})
        if not labs.issuperset(each["lab"] for each in user["labs"]):
            raise ValidationError({"users": {index: {"labs": ["Must be ids of labs."]}}})
        _put_user(tx, ids[user["account"]], user)


def _put_lab(tx: Connection, lab: dict[str, Any]) -> None:
    values = {"name": lab["name"], "settings": lab["settings"]}
    if not tx.execute(
        update(store.labs).where(store.labs.c.id == lab["id"]).values(values)
    ).rowcount:
        tx.execute(insert(store.labs).values(id=lab["id"], **values))
    for table in CATALOG:
        tx.execute(delete(table).where(table.c.lab_id == lab["id"]))
    _add(tx, store.styles, lab["id"], lab["styles"])
    styles_of, addons_of = _first(lab, "styles"), _first(lab, "colors", "coats", "tints")
    named = [
        {
            "id": each["id"],
            "name": each["name"],
            "styles_of": styles_of[each["id"]],
            "addons_of": addons_of[each["id"]],
        }
        for each in lab["materials"]
    ]
    _add(tx, store.materials, lab["id"], named)
    links = [
        {"style_id": style, "material_id": material["id"]}
        for material in lab["materials"]
        if styles_of[material["id"]] == material["id"]
        for style in material["styles"]
    ]
    _add(tx, store.style_materials, lab["id"], links)
    firsts = set(addons_of.values())
    own = [material for material in lab["materials"] if material["id"] in firsts]
    _add(tx, store.addons, lab["id"], _addons(lab, own))


def _first(lab: dict[str, Any], *names: str) -> dict[str, str]:
    """For each material the first that has the same lists, itself or an earlier one."""
    first: dict[Any, str] = {}
    return {
        each["id"]: first.setdefault(tuple(tuple(each[name]) for name in names), each["id"])
        for each in lab["materials"]
    }


def _addons(lab: dict[str, Any], materials: list[dict[str, Any]]) -> list[dict[str, Any]]:
    colors = {each["id"]: each for each in lab["colors"]}
    coats = {each["id"]: each for each in lab["coats"]}
    rows: list[dict[str, Any]] = []
    for material in materials:
        of = {"material_id": material["id"]}
        rows += [{"type": None, **colors[id_], **of, "kind": "color"} for id_ in material["colors"]]
        rows += [{**coats[id_], **of, "kind": "coat"} for id_ in material["coats"]]
        for position, tint in enumerate(material["tints"]):
            rows.append({"id": tint, "name": f"{position:04}", "type": None, **of, "kind": "tint"})
    return rows


def _add(tx: Connection, table: Any, lab: str, rows: list[dict[str, Any]]) -> None:
    if rows:
        tx.execute(insert(table), [{"lab_id": lab, **row} for row in rows])


def _put_user(tx: Connection, account_id: int, user: dict[str, Any]) -> None:
    found = store.user_named(tx, user["email"])
    if found is None:
        password_hash = generate_password_hash(user["password"])
        row = {"account_id": account_id, "email": user["email"], "password_hash": password_hash}
        tx.execute(insert(store.users).values(row))
        found = store.user_named(tx, user["email"])
        assert found is not None
    else:
        changed: dict[str, Any] = {"account_id": account_id}
        if not check_password_hash(found.password_hash, user["password"]):
            changed["password_hash"] = generate_password_hash(user["password"])
            logins.end_all(tx, found.id)
        tx.execute(update(store.users).where(store.users.c.id == found.id).values(changed))
    tx.execute(delete(store.user_labs).where(store.user_labs.c.user_id == found.id))
    rows = [
        {"user_id": found.id, "lab_id": each["lab"], "account_number": each["account_number"]}
        for each in user["labs"]
    ]
    if rows:
        tx.execute(insert(store.user_labs), rows)
