"""Reference data of the sessions service: the schema of its TOML file, and loading it.

Rows that the file names are added or changed, other rows stay. The configuration
of a partner (limits, stores, products, endpoint) is replaced as a whole. Staff may
configure one partner over gRPC, by the same rules.
"""

from collections.abc import Collection
from typing import Any

from marshmallow import Schema, ValidationError, fields, validate, validates_schema
from sqlalchemy import Connection

from chassis.context import utc_now
from chassis.events.endpoints import endpoint_field
from chassis.languages import LANGUAGES
from chassis.payments.accounts import account_field
from chassis.server.accounts import AccountSchema
from optics.fields import filled, one_of
from sessions_svc.rules.codes import REGION, expand_region
from sessions_svc.rules.links import check_link_host, check_redirect_url
from sessions_svc.rules.products import PricesSchema
from sessions_svc.rules.qualification import Limits
from sessions_svc.rules.statuses import EVENT_TYPES
from sessions_svc.store.partners import replace_configuration
from sessions_svc.store.tables import accounts

STORE_ID_LENGTH = validate.Length(1, 64)
PRODUCT_KEY_LENGTH = validate.Length(1, 200)
AGE_RANGE = validate.Range(0, 150)
POWER_RANGE = validate.Range(-30, 30)
MAGNITUDE_RANGE = validate.Range(0, 30)


class LimitsSchema(Schema):
    """The eligibility limits that differ from the default; units are those of `Limits`."""

    min_age = fields.Integer(strict=True, validate=AGE_RANGE)
    max_age = fields.Integer(strict=True, validate=AGE_RANGE)
    min_sphere = fields.Float(validate=POWER_RANGE)
    max_sphere = fields.Float(validate=POWER_RANGE)
    max_cylinder = fields.Float(validate=MAGNITUDE_RANGE)
    max_add = fields.Float(validate=MAGNITUDE_RANGE)
    regions = fields.List(fields.String(validate=REGION, post_load=expand_region))

    @validates_schema
    def check_order(self, data: dict[str, Any], **_: Any) -> None:
        """Require that no range is empty, with the defaults of absent bounds."""
        limits = Limits(**data)
        faults = {}
        if limits.min_age > limits.max_age:
            faults["min_age"] = [f"Must not be above max_age, which is {limits.max_age}."]
        if limits.min_sphere > limits.max_sphere:
            faults["min_sphere"] = [f"Must not be above max_sphere, which is {limits.max_sphere}."]
        if faults:
            raise ValidationError(faults)


class StoreSchema(Schema):
    """A store of a partner; sessions may name only enabled stores."""

    id = fields.String(required=True, validate=STORE_ID_LENGTH)
    enabled = fields.Boolean(load_default=True)
    name = fields.String(validate=filled(100), load_default=None)


class ConfigurationSchema(Schema):
    """The configuration of a partner."""

    limits = fields.Nested(LimitsSchema, load_default=dict)
    stores = fields.List(fields.Nested(StoreSchema), load_default=list)
    products = fields.List(fields.String(validate=PRODUCT_KEY_LENGTH), load_default=list)
    endpoint = endpoint_field(EVENT_TYPES)
    redirect_url = fields.String(validate=check_redirect_url, load_default=None)
    link_host = fields.String(validate=check_link_host, load_default=None)
    language = fields.String(validate=one_of(*LANGUAGES), load_default=None)
    prescription_pdf = fields.Boolean(load_default=False)
    prices = fields.Nested(PricesSchema, load_default=None)
    payment_account = account_field()

    @validates_schema
    def refuse_duplicates(self, data: dict[str, Any], **_: Any) -> None:
        """Refuse duplicate stores and duplicate products."""
        names = {"stores": [each["id"] for each in data["stores"]], "products": data["products"]}
        faults = {
            list_name: ["Must not have duplicate entries."]
            for list_name, each in names.items()
            if _has_duplicates(each)
        }
        if faults:
            raise ValidationError(faults)


class PartnerSchema(ConfigurationSchema):
    """A partner in a reference file."""

    account = fields.String(required=True)


class ConfigurePartnerSchema(ConfigurationSchema):
    """A ConfigurePartnerRequest."""

    partner = fields.String(required=True)


class ReferenceSchema(Schema):
    """A whole reference file."""

    accounts = fields.List(fields.Nested(AccountSchema), load_default=list)
    partners = fields.List(fields.Nested(PartnerSchema), load_default=list)

    @validates_schema
    def refuse_duplicates(self, data: dict[str, Any], **_: Any) -> None:
        """Refuse duplicate partners."""
        if _has_duplicates([each["account"] for each in data["partners"]]):
            raise ValidationError({"partners": ["Must not have duplicate accounts."]})


REFERENCE = ReferenceSchema()
CONFIGURE_PARTNER = ConfigurePartnerSchema()


def load(tx: Connection, reference: dict[str, Any]) -> None:
    """Bring the store to the state that the file describes."""
    accounts.load(tx, reference["accounts"])
    ids = accounts.ids(tx)
    for index, partner in enumerate(reference["partners"]):
        if partner["account"] not in ids:
            fault = {"account": ["Must be an account's name."]}
            raise ValidationError({"partners": {index: fault}})
        replace_configuration(tx, ids[partner["account"]], partner["account"], partner, utc_now())


def _has_duplicates(names: Collection[str]) -> bool:
    return len(set(names)) < len(names)
