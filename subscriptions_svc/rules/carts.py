"""What a cart must look like and mean: its items, packages, eyes and prices."""

from collections.abc import Iterable, Iterator
from typing import Any

from marshmallow import Schema, ValidationError, post_load, pre_load, validates_schema
from marshmallow.fields import Field, Integer, List, Nested, Raw, String
from marshmallow.validate import OneOf, Range

from subscriptions_svc.rules.shapes import (
    COUNT,
    FILLED,
    MONEY_MAX,
    ONE_OF,
    RANGE,
    SOME,
    Faults,
    Values,
    numbered,
)

MATERIAL = "material_subscription"
PACKAGE = "subscription_package"
CONTACT_LENS = "contact_lens_subscription"
TYPES = (MATERIAL, PACKAGE, CONTACT_LENS)
BOTH = "both"
EYES = ("left", "right", BOTH)

TOTAL_MONTHS = 24
EXCHANGE_CYCLE = 12
MONTHS_MAX = 1_200
VAT_RATE_MAX = 10_000

# Fields that belong to one type, and whether they are required there.
OF_TYPE = {
    "items": (PACKAGE, True),
    "box_count": (CONTACT_LENS, True),
    "exchange_cycle": (CONTACT_LENS, False),
    "product_data": (CONTACT_LENS, True),
}

_INSIDE = ONE_OF + " A package holds no package."


class ProductDataSchema(Schema):
    """What a contact lens is for."""

    eye = String(required=True, validate=OneOf(EYES, error=ONE_OF))


def _misplaced(item: Values) -> list[str]:
    kind = item.get("type")
    foreign = [name for name, (owner, _) in OF_TYPE.items() if owner != kind and kind in TYPES]
    return [name for name in foreign if name in item]


class ItemSchema(Schema):
    """An item inside a package."""

    type = String(required=True, validate=OneOf((MATERIAL, CONTACT_LENS), error=_INSIDE))
    reference = String(validate=FILLED)
    name = String(required=True, validate=FILLED)
    quantity = Integer(strict=True, required=True, validate=COUNT)
    price_with_tax = Integer(strict=True, required=True)
    subscription_price = Integer(strict=True)
    subscription_vat_rate = Integer(strict=True)
    subscription_period = String(validate=OneOf((f"{TOTAL_MONTHS} months",), error=ONE_OF))
    items: Field[Any] = Raw()
    box_count = Integer(strict=True, validate=COUNT)
    exchange_cycle = Integer(strict=True, validate=Range(0, MONTHS_MAX, error=RANGE))
    product_data = Nested(ProductDataSchema)

    # What belongs to another type is refused as a whole, without the faults inside it.
    @pre_load
    def _set_misplaced_aside(self, item: Values, **_: Any) -> dict[str, Any]:
        return {name: item[name] for name in set(item).difference(_misplaced(item))}

    @validates_schema(pass_original=True, skip_on_field_errors=False)
    def _fields_of_type(self, data: Values, sent: Values, **_: Any) -> None:
        kind = data.get("type")
        faults = {name: [f"Only with type {OF_TYPE[name][0]}."] for name in _misplaced(sent)}
        needed = [name for name, of_type in OF_TYPE.items() if of_type == (kind, True)]
        if kind in (MATERIAL, CONTACT_LENS):
            needed.append("reference")
        faults |= {name: [f"Required with type {kind}."] for name in needed if name not in sent}
        if faults:
            raise ValidationError(faults)

    @post_load
    def _default_cycle(self, item: dict[str, Any], **_: Any) -> dict[str, Any]:
        return {"exchange_cycle": EXCHANGE_CYCLE} | item if item["type"] == CONTACT_LENS else item


class CartItemSchema(ItemSchema):
    """An item of the cart itself."""

    type = String(required=True, validate=OneOf(TYPES, error=ONE_OF))
    items = List(Nested(ItemSchema), validate=SOME)


def price_faults(values: Values) -> Faults:
    """Amounts and rates out of bounds, and packages that do not cost what their items cost."""
    yield from _amount_faults(values)
    cart = values.get("cart_items", ())
    if not all({"price_with_tax", "quantity"} <= each.keys() for each in _each(cart)):
        return
    for path, item in numbered(values, "cart_items"):
        if "items" in item:
            total = sum(each["price_with_tax"] * each["quantity"] for each in item["items"])
            if item["price_with_tax"] != total:
                yield f"{path}.price_with_tax", "Must be its items' price times quantity, summed."
            if item.get("subscription_price") not in (None, package_price(item)):
                message = "Must be its items' monthly price times quantity, summed."
                yield f"{path}.subscription_price", message
            if not package_price(item) * item["quantity"] <= MONEY_MAX:
                message = f"Must cost at most {MONEY_MAX} a month, times quantity."
                yield f"{path}.items", message


def _amount_faults(values: Values) -> Faults:
    for path, item in numbered(values, "cart_items"):
        for each_path, each in [(path, item), *numbered(item, "items", f"{path}.")]:
            for name in ("price_with_tax", "subscription_price"):
                if not 0 <= each.get(name, 0) * each.get("quantity", 1) <= MONEY_MAX:
                    message = f"Must be 0 or more, and times quantity at most {MONEY_MAX}."
                    yield f"{each_path}.{name}", message
            if not 0 <= each.get("subscription_vat_rate", 0) <= VAT_RATE_MAX:
                yield f"{each_path}.subscription_vat_rate", f"Must be from 0 to {VAT_RATE_MAX}."


def _each(cart: Iterable[Values]) -> Iterator[Values]:
    for item in cart:
        yield item
        yield from item.get("items", ())


def eye_faults(values: Values) -> Faults:
    """Contact lenses outside a package or more than one piece, and eyes that are covered twice."""
    for path, item in numbered(values, "cart_items"):
        if item.get("type") == CONTACT_LENS:
            yield f"{path}.type", "A contact lens must be an item of a package."
        eyes: list[str | None] = []
        inside = list(numbered(item, "items", f"{path}."))
        alone = {each.get("product_data", {}).get("eye", BOTH) for _, each in inside} <= {BOTH}
        for each_path, each in [(path, item), *inside]:
            if each.get("type") == CONTACT_LENS and each.get("quantity", 1) != 1:
                yield f"{each_path}.quantity", "Must be 1 for a contact lens."
            eye = each.get("product_data", {}).get("eye")
            if eye and eye in eyes:
                yield f"{each_path}.product_data.eye", "Each eye may have one contact lens."
            elif eye == BOTH and not alone:
                yield f"{each_path}.product_data.eye", "Must not be both beside left or right."
            eyes.append(eye)


def subscription_price(price_with_tax: int, months: int) -> int:
    """The default price a month, in minor units, half up."""
    return (2 * price_with_tax + months) // (2 * months)


def monthly(item: Values) -> int:
    """What one piece of an item costs a month, in minor units."""
    if "items" in item:
        return package_price(item)
    default = subscription_price(item["price_with_tax"], TOTAL_MONTHS)
    price: int = item.get("subscription_price", default)
    return price


def package_price(item: Values) -> int:
    """What a package costs a month: what its items cost."""
    return sum(monthly(each) * each["quantity"] for each in item["items"])
