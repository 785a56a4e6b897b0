"""Warranty events: repairs and replacements of items that are no contact lenses."""

from collections.abc import Sequence
from typing import NamedTuple

from marshmallow import Schema
from marshmallow.fields import Integer, String

from optics.fields import at_most, one_of
from subscriptions_svc.rules.carts import CONTACT_LENS
from subscriptions_svc.rules.shapes import (
    FILLED_TEXT,
    MAX_MONEY,
    SHORT_TEXT,
    Faults,
    Values,
)

MAX_DESCRIPTION_LENGTH = 2_000
WARRANTY_TYPES = ("repair", "replacement")


class CreateWarrantyEventSchema(Schema):
    """A repair or a replacement."""

    subscription_id = String(required=True)
    type = String(required=True, validate=one_of(*WARRANTY_TYPES))
    charged_amount = Integer(strict=True, required=True)
    product_id = String(required=True, validate=FILLED_TEXT)
    name = String(validate=SHORT_TEXT)
    description = String(validate=at_most(MAX_DESCRIPTION_LENGTH))


CREATE_WARRANTY_EVENT = CreateWarrantyEventSchema()


class Product(NamedTuple):
    """An item of the cart in force, as warranties see it; `package` is its package's id."""

    id: str
    reference_uuid: str
    package: str | None
    type: str
    is_active: bool


def find_charge_faults(values: Values) -> Faults:
    """Yield a fault for a charge that is not positive, or out of bounds."""
    if not 0 < values.get("charged_amount", 1) <= MAX_MONEY:
        yield "charged_amount", f"Must be from 1 to {MAX_MONEY}."


def find_product_faults(values: Values, products: Sequence[Product]) -> Faults:
    """Yield a fault unless the product was handed over and neither is nor holds a contact lens."""
    uuid = values.get("product_id")
    if uuid is None:
        return
    product = next((each for each in products if each.reference_uuid == uuid), None)
    if product is None:
        yield "product_id", "Must be the reference_uuid of an item of the cart."
        return
    parts = [each for each in products if product.id in (each.id, each.package)]
    if any(each.type == CONTACT_LENS for each in parts):
        yield "product_id", "Must not be a contact lens, or a package with one."
    elif not product.is_active:
        yield "product_id", "Was not handed over."
