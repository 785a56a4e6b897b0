"""Carts: schemas of their items, and rules of packages, eyes and prices."""

from collections.abc import Iterable, Iterator
from datetime import date
from typing import Any

from marshmallow import Schema, ValidationError, post_load, pre_load, validates_schema
from marshmallow.fields import Field, Integer, List, Nested, Raw, String
from marshmallow.validate import OneOf

from optics.fields import ONE_OF, between, one_of
from subscriptions_svc.rules.prescriptions.schemas import (
    NewPrescriptionSchema,
    find_prescription_faults,
)
from subscriptions_svc.rules.shapes import (
    COUNT_RANGE,
    FILLED_LIST,
    FILLED_TEXT,
    MAX_MONEY,
    Faults,
    Values,
    enumerate_entries,
)

MATERIAL = "material_subscription"
PACKAGE = "subscription_package"
CONTACT_LENS = "contact_lens_subscription"
ITEM_TYPES = (MATERIAL, PACKAGE, CONTACT_LENS)
BOTH_EYES = "both"
# Whose number would raise the price and not the boxes (ours, for packages): a shopper has two eyes.
SINGLE_TYPES = {CONTACT_LENS: "a contact lens", PACKAGE: "a package"}
EYES = ("left", "right", BOTH_EYES)

TOTAL_MONTHS = 24
DEFAULT_EXCHANGE_CYCLE = 12  # months
MAX_MONTHS = 1_200
MAX_VAT_RATE = 10_000  # hundredths of a percent

# Fields that belong to one type, and whether they are required there.
FIELDS_BY_TYPE = {
    "items": (PACKAGE, True),
    "box_count": (CONTACT_LENS, True),
    "exchange_cycle": (CONTACT_LENS, False),
    "product_data": (CONTACT_LENS, True),
    "prescription": (CONTACT_LENS, False),
}

_INSIDE_MESSAGE = ONE_OF + " A package must not contain a package."


class ProductDataSchema(Schema):
    """The eye that a contact lens is for."""

    eye = String(required=True, validate=one_of(*EYES))


def _find_misplaced_fields(item: Values) -> list[str]:
    kind = item.get("type")
    foreign = [
        name for name, (owner, _) in FIELDS_BY_TYPE.items() if owner != kind and kind in ITEM_TYPES
    ]
    return [name for name in foreign if name in item]


class ItemSchema(Schema):
    """An item inside a package."""

    type = String(required=True, validate=OneOf((MATERIAL, CONTACT_LENS), error=_INSIDE_MESSAGE))
    reference = String(validate=FILLED_TEXT)
    name = String(required=True, validate=FILLED_TEXT)
    quantity = Integer(strict=True, required=True, validate=COUNT_RANGE)
    price_with_tax = Integer(strict=True, required=True)
    subscription_price = Integer(strict=True)
    subscription_vat_rate = Integer(strict=True)
    subscription_period = String(validate=one_of(f"{TOTAL_MONTHS} months"))
    items: Field[Any] = Raw()
    box_count = Integer(strict=True, validate=COUNT_RANGE)
    exchange_cycle = Integer(strict=True, validate=between(0, MAX_MONTHS))
    product_data = Nested(ProductDataSchema)
    prescription = Nested(NewPrescriptionSchema)

    # A field of another type is refused as a whole, without the faults inside it.
    @pre_load
    def _drop_misplaced_fields(self, item: Values, **_: Any) -> dict[str, Any]:
        return {name: item[name] for name in set(item).difference(_find_misplaced_fields(item))}

    @validates_schema(pass_original=True, skip_on_field_errors=False)
    def _check_fields_of_type(self, data: Values, sent: Values, **_: Any) -> None:
        kind = data.get("type")
        faults = {
            name: [f"Only with type {FIELDS_BY_TYPE[name][0]}."]
            for name in _find_misplaced_fields(sent)
        }
        needed = [name for name, of_type in FIELDS_BY_TYPE.items() if of_type == (kind, True)]
        if kind in (MATERIAL, CONTACT_LENS):
            needed.append("reference")
        faults |= {name: [f"Required with type {kind}."] for name in needed if name not in sent}
        if faults:
            raise ValidationError(faults)

    @post_load
    def _set_default_cycle(self, item: dict[str, Any], **_: Any) -> dict[str, Any]:
        return (
            {"exchange_cycle": DEFAULT_EXCHANGE_CYCLE} | item
            if item["type"] == CONTACT_LENS
            else item
        )


class CartItemSchema(ItemSchema):
    """An item of the cart, outside of any package."""

    type = String(required=True, validate=one_of(*ITEM_TYPES))
    items = List(Nested(ItemSchema), validate=FILLED_LIST)


def find_price_faults(values: Values) -> Faults:
    """Yield faults for amounts out of bounds, and packages that do not cost their items' sum."""
    yield from _find_amount_faults(values)
    cart = values.get("cart_items", ())
    if not all({"price_with_tax", "quantity"} <= each.keys() for each in _iterate_items(cart)):
        return
    for path, item in enumerate_entries(values, "cart_items"):
        if "items" in item:
            total = sum(each["price_with_tax"] * each["quantity"] for each in item["items"])
            if item["price_with_tax"] != total:
                yield f"{path}.price_with_tax", "Must be its items' price times quantity, summed."
            if item.get("subscription_price") not in (None, compute_package_price(item)):
                message = "Must be its items' monthly price times quantity, summed."
                yield f"{path}.subscription_price", message
            if not compute_package_price(item) * item["quantity"] <= MAX_MONEY:
                message = f"Must cost at most {MAX_MONEY} a month, times quantity."
                yield f"{path}.items", message


def _find_amount_faults(values: Values) -> Faults:
    for path, item in enumerate_entries(values, "cart_items"):
        for each_path, each in [(path, item), *enumerate_entries(item, "items", f"{path}.")]:
            for name in ("price_with_tax", "subscription_price"):
                if not 0 <= each.get(name, 0) * each.get("quantity", 1) <= MAX_MONEY:
                    message = f"Must be 0 or more, and times quantity at most {MAX_MONEY}."
                    yield f"{each_path}.{name}", message
            if not 0 <= each.get("subscription_vat_rate", 0) <= MAX_VAT_RATE:
                yield f"{each_path}.subscription_vat_rate", f"Must be from 0 to {MAX_VAT_RATE}."


def _iterate_items(cart: Iterable[Values]) -> Iterator[Values]:
    for item in cart:
        yield item
        yield from item.get("items", ())


def find_eye_faults(values: Values) -> Faults:
    """Yield faults for lenses outside packages, eyes covered twice, and several of a single type.

    An item that is kept has an id, and keeps the quantity that it was accepted with.
    """
    for path, item in enumerate_entries(values, "cart_items"):
        if item.get("type") == CONTACT_LENS:
            yield f"{path}.type", "A contact lens must be an item of a package."
        eyes: list[str | None] = []
        inside = list(enumerate_entries(item, "items", f"{path}."))
        alone = {each.get("product_data", {}).get("eye", BOTH_EYES) for _, each in inside} <= {
            BOTH_EYES
        }
        for each_path, each in [(path, item), *inside]:
            single = SINGLE_TYPES.get(each.get("type", ""))
            if single and each.get("quantity", 1) != 1 and "id" not in each:
                yield f"{each_path}.quantity", f"Must be 1 for {single}."
            eye = each.get("product_data", {}).get("eye")
            if eye and eye in eyes:
                yield f"{each_path}.product_data.eye", "Each eye may have one contact lens."
            elif eye == BOTH_EYES and not alone:
                yield f"{each_path}.product_data.eye", "Must not be both beside left or right."
            eyes.append(eye)


def find_lens_faults(values: Values, today: date) -> Faults:
    """Yield faults of the prescriptions of lenses, for another eye or issued later."""
    for path, item in enumerate_entries(values, "cart_items"):
        for lens_path, lens in [(path, item), *enumerate_entries(item, "items", f"{path}.")]:
            eye = lens.get("product_data", {}).get("eye")
            yield from find_prescription_faults(lens, eye, today, f"{lens_path}.")


def compute_subscription_price(price_with_tax: int, months: int) -> int:
    """Return the default monthly price in minor units, rounded half up."""
    return (2 * price_with_tax + months) // (2 * months)


def compute_monthly_price(item: Values) -> int:
    """Return what one piece of an item costs a month, in minor units."""
    if "items" in item:
        return compute_package_price(item)
    default = compute_subscription_price(item["price_with_tax"], TOTAL_MONTHS)
    price: int = item.get("subscription_price", default)
    return price


def compute_package_price(item: Values) -> int:
    """Return what a package costs a month: the sum over its items."""
    return sum(compute_monthly_price(each) * each["quantity"] for each in item["items"])
