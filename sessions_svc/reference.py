"""Reference data of the sessions service: what a TOML file may say, and loading it.

Rows that a file names are added or changed, others stay; what belongs to a
partner (limits, stores, products, endpoint) is replaced as a whole. Staff may
configure one partner over gRPC, by the same rules.
"""

from collections.abc import Collection
from datetime import datetime
from typing import Any

from marshmallow import Schema, ValidationError, fields, validate, validates_schema
from sqlalchemy import Connection, delete, insert, update

from chassis.context import utc_now
from chassis.events.endpoints import endpoint_field
from chassis.server.accounts import AccountSchema
from chassis.store.database import add_if_absent
from sessions_svc.rules.codes import REGION, full_region
from sessions_svc.rules.qualification import Limits
from sessions_svc.store import tables as store

EVENTS = ("session_updated", "session_completed")
ID = validate.Length(1, 64)
PRODUCT_KEY = validate.Length(1, 200)
AGE = validate.Range(0, 150)
POWER = validate.Range(-30, 30)
SIZE = validate.Range(0, 30)


class LimitsSchema(Schema):
    """Whom a partner serves, where that is not the default; units are those of `Limits`."""

    min_age = fields.Integer(strict=True, validate=AGE)
    max_age = fields.Integer(strict=True, validate=AGE)
    min_sphere = fields.Float(validate=POWER)
    max_sphere = fields.Float(validate=POWER)
    max_cylinder = fields.Float(validate=SIZE)
    max_add = fields.Float(validate=SIZE)
    regions = fields.List(fields.String(validate=REGION, post_load=full_region))

    @validates_schema
    def check_order(self, data: dict[str, Any], **_: Any) -> None:
        """Want each range to hold something, its default ends included."""
        limits = Limits(**data)
        faults = {}
        if limits.min_age > limits.max_age:
            faults["min_age"] = [f"Must not be above max_age, which is {limits.max_age}."]
        if limits.min_sphere > limits.max_sphere:
            faults["min_sphere"] = [f"Must not be above max_sphere, which is {limits.max_sphere}."]
        if faults:
            raise ValidationError(faults)


class StoreSchema(Schema):
    """A store of a partner; sessions may name those that are enabled."""

    id = fields.String(required=True, validate=ID)
    enabled = fields.Boolean(load_default=True)


class ConfigurationSchema(Schema):
    """What a partner's account has been given."""

    limits = fields.Nested(LimitsSchema, load_default=dict)
    stores = fields.List(fields.Nested(StoreSchema), load_default=list)
    products = fields.List(fields.String(validate=PRODUCT_KEY), load_default=list)
    endpoint = endpoint_field(EVENTS)

    @validates_schema
    def check_once(self, data: dict[str, Any], **_: Any) -> None:
        """Want each store and product once."""
        named = {"stores": [each["id"] for each in data["stores"]], "products": data["products"]}
        faults = {kind: ["An entry stands twice."] for kind in named if _twice(named[kind])}
        if faults:
            raise ValidationError(faults)


class PartnerSchema(ConfigurationSchema):
    """A partner in a file."""

    account = fields.String(required=True)


class ConfigurePartnerSchema(ConfigurationSchema):
    """A ConfigurePartnerRequest."""

    partner = fields.String(required=True)


class ReferenceSchema(Schema):
    """A whole file."""

    accounts = fields.List(fields.Nested(AccountSchema), load_default=list)
    partners = fields.List(fields.Nested(PartnerSchema), load_default=list)

    @validates_schema
    def check_once(self, data: dict[str, Any], **_: Any) -> None:
        """Want each partner once."""
        if _twice([each["account"] for each in data["partners"]]):
            raise ValidationError({"partners": ["An account stands twice."]})


REFERENCE = ReferenceSchema()
CONFIGURE_PARTNER = ConfigurePartnerSchema()


def load(tx: Connection, reference: dict[str, Any]) -> None:
    """Bring the store to what the file says."""
    for account in reference["accounts"]:
        store.accounts.put(tx, **account)
    ids = store.accounts.ids(tx)
    for index, partner in enumerate(reference["partners"]):
        if partner["account"] not in ids:
            fault = {"account": ["Must be an account's name."]}
            raise ValidationError({"partners": {index: fault}})
        put_partner(tx, ids[partner["account"]], partner["account"], partner, utc_now())


def put_partner(
    tx: Connection, account_id: int, name: str, configuration: dict[str, Any], now: datetime
) -> None:
    """Replace all that a partner's account of this name has been given."""
    limits = configuration["limits"]
    # Its row first, which two at once take in turn.
    if not add_if_absent(tx, store.partners, {"account_id": account_id, "limits": limits}):
        known = store.partners.c.account_id == account_id
        tx.execute(update(store.partners).where(known).values(limits=limits))
    _replace(tx, store.stores, account_id, configuration["stores"])
    named = [{"product_key": each} for each in configuration["products"]]
    _replace(tx, store.products, account_id, named)
    store.outbox.endpoints.put(tx, name, configuration["endpoint"], now)


def _replace(tx: Connection, table: Any, account_id: int, rows: list[dict[str, Any]]) -> None:
    tx.execute(delete(table).where(table.c.account_id == account_id))
    if rows:
        tx.execute(insert(table), [{"account_id": account_id, **row} for row in rows])


def _twice(names: Collection[str]) -> bool:
    return len(set(names)) < len(names)
