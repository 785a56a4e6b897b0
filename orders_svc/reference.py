"""Reference data of the orders service: the schema of a TOML file, and loading it.

Rows named in a file are added or changed, others stay. What belongs to a row (a user's labs, a
lab's catalog, a client's endpoint) is replaced as a whole.
"""

from collections.abc import Callable
from typing import Any

from marshmallow import Schema, ValidationError, fields, validate, validates_schema
from sqlalchemy import Connection

from chassis.context import utc_now
from chassis.events.endpoints import endpoint_field
from chassis.server.accounts import AccountSchema
from orders_svc.documents.events import EVENT_TYPES
from orders_svc.rules.catalogs import LENS_TYPES, link_styles, list_addons, share_materials
from orders_svc.rules.credentials.passwords import check_password, check_password_hash
from orders_svc.rules.life.available_actions import MAX_HOLD_MINUTES
from orders_svc.rules.order import RX
from orders_svc.rules.transport.drops import DropSchema, write_address
from orders_svc.rules.warnings.codes import CODES
from orders_svc.rules.warnings.limits import LIMIT_NAMES
from orders_svc.store import catalogs, tables
from orders_svc.store.access import users
from orders_svc.store.access.devices import forget_devices
from orders_svc.store.access.logins import end_all_sessions
from orders_svc.store.transport.drops import find_shared_inboxes, put_transport

OWN_PASSWORD = "The user was invited to set an own password: remove this one from the file."
NO_CHOICE: dict[str, Any] = {"secret": None, "events": None, "format": None}  # of an endpoint
COAT_TYPES = ("ar", "mirror", "scratch", "uv")
CHECK_ID = validate.Length(1, 64)
CHECK_NAME = validate.Length(1, 200)


def _unique(*keys: str) -> Callable[[list[Any]], None]:
    """Return a validator of lists without duplicates, by the values of these keys if given."""

    def check_unique(entries: list[Any]) -> None:
        values = {tuple(each[key] for key in keys) if keys else each for each in entries}
        if len(values) < len(entries):
            raise ValidationError(f"Each {' and '.join(keys) or 'id'} may occur once.")

    return check_unique


def _words() -> fields.List[str]:
    return fields.List(fields.String(validate=CHECK_NAME), required=True)


class Ids(fields.List[str]):
    """Ids without duplicates.

    A large lab's file has millions, so valid lists skip the check of each field.
    """

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(fields.String(validate=CHECK_ID), validate=_unique(), **kwargs)

    def _deserialize(self, value: Any, attr: Any, data: Any, **kwargs: Any) -> list[str | None]:
        if type(value) is list and all(type(each) is str and 0 < len(each) <= 64 for each in value):
            return value
        return super()._deserialize(value, attr, data, **kwargs)


def _entries(schema: type[Schema], *keys: str) -> fields.List[Any]:
    return fields.List(fields.Nested(schema), load_default=list, validate=_unique(*keys))


def _blank_sizes() -> fields.List[Any]:
    """Return a field for the diameters of blanks in mm."""
    size = fields.Float(validate=validate.Range(20, 150))
    return fields.List(size, load_default=None, validate=validate.Length(1, 100))


LimitsSchema = Schema.from_dict(
    {name: fields.Float(validate=validate.Range(0, 1000)) for name in LIMIT_NAMES},
    name="LimitsSchema",
)


def _hold_minutes() -> fields.Integer:
    """Return a field for the minutes between a submit and its transmission."""
    return fields.Integer(strict=True, validate=validate.Range(0, MAX_HOLD_MINUTES))


class SettingsSchema(Schema):
    """The option lists of a lab, its limits of warnings, and the warnings that it wants confirmed.

    `rx` is always among order_types. `hold_minutes` pass between a submit and its transmission.
    """

    frame_handling_options = _words()
    frame_materials = _words()
    mounting_options = _words()
    order_types = _words()
    redo_types = _words()
    services = _words()
    limits = fields.Nested(LimitsSchema)
    confirm = fields.List(fields.String(validate=validate.OneOf(CODES)), validate=_unique())
    hold_minutes = _hold_minutes()

    @validates_schema
    def check_rx(self, data: dict[str, Any], **_: Any) -> None:
        """Require rx, which clients rely on."""
        if RX not in data["order_types"]:
            raise ValidationError({"order_types": ["Must have rx."]})


class NamedSchema(Schema):
    """An id and a name for people."""

    id = fields.String(required=True, validate=CHECK_ID)
    name = fields.String(required=True, validate=CHECK_NAME)


class StyleSchema(NamedSchema):
    """A lens style."""

    lens_type = fields.String(required=True, validate=validate.OneOf(LENS_TYPES))
    least_fitting_height = fields.Float(load_default=None, validate=validate.Range(0.5, 50))
    blank_sizes = _blank_sizes()


class CoatSchema(NamedSchema):
    """A lens coat."""

    type = fields.String(load_default=None, validate=validate.OneOf(COAT_TYPES))


class MaterialSchema(NamedSchema):
    """A lens material: the styles it is made in, and its addons."""

    styles = Ids(required=True)
    colors = Ids(load_default=list)
    coats = Ids(load_default=list)
    tints = Ids(load_default=list)
    blank_sizes = _blank_sizes()


class LabSchema(NamedSchema):
    """A lab with its settings and catalog, and the way on which it receives its jobs."""

    settings = fields.Nested(SettingsSchema, required=True)
    styles = _entries(StyleSchema, "id")
    materials = _entries(MaterialSchema, "id")
    colors = _entries(NamedSchema, "id")
    coats = _entries(CoatSchema, "id")
    drop = fields.Nested(DropSchema, load_default=None)
    endpoint = endpoint_field(())

    @validates_schema
    def check_transport(self, data: dict[str, Any], **_: Any) -> None:
        """Require at most one way to the lab: a job goes out once."""
        if data["drop"] and data["endpoint"]:
            raise ValidationError({"endpoint": ["Must not stand beside a drop: a job goes once."]})

    @validates_schema
    def check_references(self, data: dict[str, Any], **_: Any) -> None:
        """Require each id that a material names to be in this lab's lists."""
        faults: dict[str, Any] = {}
        for kind in ("styles", "colors", "coats"):
            ids = {each["id"] for each in data[kind]}
            for index, material in enumerate(data["materials"]):
                if not ids.issuperset(material[kind]):
                    fault = {kind: [f"Must be ids of this lab's {kind}."]}
                    faults.setdefault("materials", {}).setdefault(index, {}).update(fault)
        if faults:
            raise ValidationError(faults)


class ClientSchema(Schema):
    """Settings of a client's account."""

    account = fields.String(required=True)
    endpoint = endpoint_field(EVENT_TYPES)


class UserLabSchema(Schema):
    """A lab that a user orders from, under an account number."""

    lab = fields.String(required=True, validate=CHECK_ID)
    account_number = fields.String(required=True, validate=CHECK_ID)


class UserSchema(Schema):
    """A dashboard user of a client; without a password they are invited by `users reset`."""

    email = fields.Email(required=True, validate=validate.Length(max=254))
    account = fields.String(required=True)
    password = fields.String(load_default=None, validate=check_password)
    password_hash = fields.String(load_default=None, validate=check_password_hash)
    labs = _entries(UserLabSchema, "lab", "account_number")
    hold_minutes = _hold_minutes()  # by default those of the lab

    @validates_schema
    def check_one(self, data: dict[str, Any], **_: Any) -> None:
        """Require at most one of the two forms of a password."""
        if data.get("password") and data.get("password_hash"):
            raise ValidationError({"password_hash": ["Must not stand beside a password."]})


class ReferenceSchema(Schema):
    """A whole file."""

    accounts = _entries(AccountSchema, "name")
    clients = _entries(ClientSchema, "account")
    labs = _entries(LabSchema, "id")
    users = _entries(UserSchema, "email")


REFERENCE = ReferenceSchema()


def load(tx: Connection, reference: dict[str, Any]) -> None:
    """Bring the store in line with the file; raises ValidationError."""
    tables.accounts.load(tx, reference["accounts"])
    for lab in reference["labs"]:
        _put_lab(tx, lab)
    shared = find_shared_inboxes(tx)
    for index, lab in enumerate(reference["labs"]):
        if other := shared.get(lab["id"]):
            fault = f"Must not be that of {other}: each lab's status files move its own orders."
            raise ValidationError({"labs": {index: {"drop": {"in": [fault]}}}})
    ids = tables.accounts.ids(tx)
    for index, client in enumerate(reference["clients"]):
        if client["account"] not in ids:
            raise ValidationError({"clients": {index: {"account": ["Must be an account's name."]}}})
        tables.outbox.endpoints.put(tx, client["account"], client["endpoint"], utc_now())
    lab_ids = catalogs.list_lab_ids(tx)
    for index, user in enumerate(reference["users"]):
        if user["account"] not in ids:
            raise ValidationError({"users": {index: {"account": ["Must be an account's name."]}}})
        if not lab_ids.issuperset(each["lab"] for each in user["labs"]):
            raise ValidationError({"users": {index: {"labs": ["Must be ids of labs."]}}})
        if fault := _put_user(tx, ids[user["account"]], user):
            raise ValidationError({"users": {index: {fault: [OWN_PASSWORD]}}})


def _put_lab(tx: Connection, lab: dict[str, Any]) -> None:
    catalogs.put_lab(tx, lab["id"], lab["name"], lab["settings"])
    rows = {
        tables.styles: lab["styles"],
        tables.materials: share_materials(lab["materials"]),
        tables.style_materials: link_styles(lab["materials"]),
        tables.addons: list_addons(lab),
    }
    catalogs.replace_catalog(tx, lab["id"], rows)
    drop, endpoint = lab["drop"], lab["endpoint"]
    if drop:
        endpoint = {"url": write_address(drop), "headers": {}, **NO_CHOICE}
    put_transport(tx, lab["id"], drop, endpoint, utc_now())


def _put_user(tx: Connection, account_id: int, user: dict[str, Any]) -> str:
    """Add or update a user; returns the field of a password that is the user's to set, or ""."""
    email, field = user["email"], "password_hash" if user["password_hash"] else "password"
    given = user[field]
    found = users.find_user(tx, email)
    if found is None:
        user_id = users.add_user(tx, account_id, email, _hash_password(user) or users.NO_PASSWORD)
    elif given and found.invited_at:
        return field
    else:
        user_id = found.id
        users.update_user(tx, user_id, account_id=account_id)
        if given and not _has_password(found.password_hash, user):
            users.update_user(tx, user_id, password_hash=_hash_password(user))
            end_all_sessions(tx, user_id)
            forget_devices(tx, user_id)
    users.update_user(tx, user_id, hold_minutes=user.get("hold_minutes"))
    users.replace_labs(tx, user_id, user["labs"])
    return ""


def _hash_password(user: dict[str, Any]) -> str | None:
    """Return the hash of the password in a file, if it has one."""
    if user["password"] is None:
        given: str | None = user["password_hash"]
        return given
    return users.hash_password(user["password"])


def _has_password(stored: str, user: dict[str, Any]) -> bool:
    """Return whether a user's password is that of the file."""
    # With werkzeug comes its HTTP server: 3 MB, which only a login and this file need.
    from werkzeug.security import check_password_hash as matches

    if user["password"] is None:
        return bool(stored == user["password_hash"])
    return matches(stored, user["password"])
