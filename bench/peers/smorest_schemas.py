"""The rules of an order, and the form of a subscription, as marshmallow schemas."""

import re
from collections.abc import Callable
from typing import Any

from marshmallow import Schema, ValidationError, fields, pre_load, validate, validates_schema

from bench.peers.fastapi_models import STATES

_CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]")
_MATERIALS = (  # noqa: SIM905 - a line for each
    "three_d_printed carbon_fiber drilled_and_grooved_rimless drilled_rimless "
    "grooved_industrial_safety grooved_rimless high_wrap horn industrial_safety leather metal "
    "metal_grooved step_shelf_bevel wood zyl"
).split()
PAIRS = (("cylinder", "axis"), ("axis", "cylinder"), ("add", "seg_height"), ("seg_height", "add"))
BLOCKS = {
    "lens": ("order_type", "rx"),
    "rx": ("order_type", "rx"),
    "redo_data": ("submission_type", "redo"),
    "multi_pair_data": ("submission_type", "multi_pair"),
}


class Real(fields.Float):
    """A number; not one in a string."""

    def _validated(self, value: Any) -> float:
        if not isinstance(value, (int, float)):
            raise self.make_error("invalid", input=value)
        found: float = super()._validated(value)
        return found


def _check_not_blank(value: str) -> None:
    if not value or value.isspace():
        raise ValidationError("Must not be blank.")


def _build_filled(limit: int) -> Callable[[str], None]:
    def check(value: str) -> None:
        if not value or value.isspace() or len(value) > limit:
            raise ValidationError(f"Must be 1 to {limit} characters and not blank.")

    return check


def _build_at_most(limit: int) -> validate.Length:
    return validate.Length(max=limit)


def _check_size(tracing: str) -> None:
    if len(tracing.encode()) > 256 * 1024:
        raise ValidationError("Must be at most 256 KiB of UTF-8.")


_10_TO_100 = validate.Range(10, 100)
_20_TO_50 = validate.Range(20, 50)
_HALF_TO_50 = validate.Range(0.5, 50)


class CredentialsSchema(Schema):
    """Client credentials."""

    client_id = fields.String(required=True, validate=_check_not_blank)
    client_secret = fields.String(required=True, validate=_check_not_blank)


class PatientSchema(Schema):
    """The wearer of the glasses."""

    first_name = fields.String(required=True, validate=_build_filled(50))
    last_name = fields.String(required=True, validate=_build_filled(50))
    email = fields.Email()
    phone_number = fields.String(validate=_build_at_most(20))


class LensSchema(Schema):
    """The lens."""

    style = fields.String(required=True, validate=_check_not_blank)
    material = fields.String(required=True, validate=_check_not_blank)
    color = fields.String(required=True, validate=_check_not_blank)
    coats = fields.List(fields.String(), validate=_build_at_most(100))
    tint = fields.String(validate=_check_not_blank)
    tint_instruction = fields.String(validate=_build_filled(250))

    @validates_schema
    def check_addons(self, data: dict[str, Any], **_: Any) -> None:
        """Require a tint and its instruction together, and distinct coats."""
        if ("tint" in data) is not ("tint_instruction" in data):
            raise ValidationError("Required with each other.", "tint_instruction")
        coats = data.get("coats", ())
        if len(set(coats)) < len(coats):
            raise ValidationError("Must not repeat.", "coats")


class FrameSchema(Schema):
    """The frame."""

    handling = fields.String(required=True, validate=_check_not_blank)
    manufacturer = fields.String(required=True, validate=_build_filled(50))
    model = fields.String(required=True, validate=_build_filled(50))
    material = fields.String(required=True, validate=validate.OneOf(_MATERIALS))
    color = fields.String(required=True, validate=_build_filled(50))
    eye_size = Real(required=True, validate=_10_TO_100)
    bridge = Real(required=True, validate=_10_TO_100)
    temple = Real(validate=validate.Range(100, 200))
    a = Real(validate=_10_TO_100)
    b = Real(validate=_10_TO_100)
    lens_ed = Real(validate=_10_TO_100)
    vertex = Real(validate=validate.Range(1, 30))
    pantoscopic_tilt = Real(validate=validate.Range(-20, 20))
    wrap = Real(validate=validate.Range(0, 40))
    sku = fields.String(validate=_build_at_most(50))
    tracing = fields.String(validate=_check_size)


class HorizontalPrismSchema(Schema):
    """A prism with its base in or out."""

    power = Real(required=True, validate=validate.Range(0.01, 50))
    direction = fields.String(required=True, validate=validate.OneOf(("in", "out")))


class VerticalPrismSchema(Schema):
    """A prism with its base up or down."""

    power = Real(required=True, validate=validate.Range(0.01, 50))
    direction = fields.String(required=True, validate=validate.OneOf(("up", "down")))


class RxEyeSchema(Schema):
    """The prescription of one eye."""

    sphere = Real(required=True, validate=validate.Range(-30, 30))
    pd = Real(validate=_20_TO_50)
    near_pd = Real(validate=_20_TO_50)
    cylinder = Real(validate=validate.Range(-20, 20))
    axis = fields.Integer(strict=True, validate=validate.Range(1, 180))
    add = Real(validate=validate.Range(0.5, 5))
    seg_height = Real(validate=_HALF_TO_50)
    oc_height = Real(validate=_HALF_TO_50)
    horizontal_prism = fields.Nested(HorizontalPrismSchema)
    vertical_prism = fields.Nested(VerticalPrismSchema)

    @validates_schema
    def check_pairs(self, data: dict[str, Any], **_: Any) -> None:
        """Require both of a pair or neither."""
        for present, absent in PAIRS:
            if present in data and absent not in data:
                raise ValidationError(f"Required with {present}.", absent)


class RxSchema(Schema):
    """The prescription of one eye or both."""

    left_eye = fields.Nested(RxEyeSchema)
    right_eye = fields.Nested(RxEyeSchema)

    @validates_schema
    def check_eyes(self, data: dict[str, Any], **_: Any) -> None:
        """Require an eye."""
        if not data:
            raise ValidationError("Must have left_eye, right_eye or both.")


class RedoDataSchema(Schema):
    """Why an order is made again."""

    type = fields.String(required=True, validate=_check_not_blank)
    reason = fields.String(required=True, validate=_build_filled(250))
    reference = fields.String(required=True, validate=_build_filled(50))


class MultiPairDataSchema(Schema):
    """The pair that this one belongs to."""

    reference = fields.String(required=True, validate=_build_filled(50))


class AddressSchema(Schema):
    """An address in the United States."""

    line1 = fields.String(required=True, validate=_check_not_blank)
    line2 = fields.String()
    city = fields.String(required=True, validate=_check_not_blank)
    state = fields.String(required=True, validate=validate.OneOf(frozenset(STATES.split())))
    postal_code = fields.String(
        required=True, validate=validate.Regexp(re.compile(r"[0-9]{5}(-[0-9]{4})?\Z"))
    )
    country = fields.String(load_default="US", validate=validate.Equal("US"))


class ShippingSchema(Schema):
    """A recipient."""

    name = fields.String(validate=_build_at_most(50))
    address = fields.Nested(AddressSchema, required=True)


class NewOrderSchema(Schema):
    """A new order, as a draft or for the lab."""

    mode = fields.String(required=True, validate=validate.OneOf(("draft", "submit")))
    submission_type = fields.String(
        required=True, validate=validate.OneOf(("new", "redo", "multi_pair"))
    )
    order_type = fields.String(required=True, validate=_check_not_blank)
    lab = fields.String(required=True, validate=_check_not_blank)
    account_number = fields.String(required=True, validate=_check_not_blank)
    patient = fields.Nested(PatientSchema, required=True)
    mounting_option = fields.String(validate=_check_not_blank)
    lens = fields.Nested(LensSchema)
    frame = fields.Nested(FrameSchema, required=True)
    rx = fields.Nested(RxSchema)
    services = fields.List(fields.String(), validate=_build_at_most(100))
    special_instructions = fields.String(validate=_build_at_most(1000))
    redo_data = fields.Nested(RedoDataSchema)
    multi_pair_data = fields.Nested(MultiPairDataSchema)
    shipping = fields.Nested(ShippingSchema)

    @pre_load
    def prepare(self, data: Any, **_: Any) -> Any:
        """Drop nulls, and refuse control characters, in one walk for all nested schemas."""
        return _prepare(data, "")

    @validates_schema
    def check_blocks(self, data: dict[str, Any], **_: Any) -> None:
        """Require the blocks that belong to this order, and no other."""
        faults = {}
        for block, (name, word) in BLOCKS.items():
            wanted = data[name] == word and (block != "lens" or data["mode"] == "submit")
            if block in data and data[name] != word:
                faults[block] = [f"Only with {name} {word}."]
            elif wanted and block not in data:
                faults[block] = [f"Required with {name} {word}."]
        if data["order_type"] == "rx" and "mounting_option" not in data:
            faults["mounting_option"] = ["Required with order_type rx."]
        if faults:
            raise ValidationError(faults)


def _prepare(value: Any, name: str) -> Any:
    if isinstance(value, str):
        if _CONTROL.search(value) and (name != "tracing" or "\0" in value):
            raise ValidationError("Control characters are not allowed.", name)
        return value
    if isinstance(value, dict):
        return {key: _prepare(each, key) for key, each in value.items() if each is not None}
    if isinstance(value, list):
        return [_prepare(each, name) for each in value]
    return value


class Document(Schema):
    """A document read from the keys of a dict alone: `items` is a method of every dict."""

    def get_attribute(self, obj: Any, attr: str, default: Any) -> Any:
        """Return the value of a key."""
        return obj.get(attr, default)


class MoneySchema(Document):
    """An amount."""

    value = fields.Integer()
    string = fields.String()


class ProductDataSchema(Document):
    """The eye that a contact lens is for."""

    eye = fields.String()


class ItemSchema(Document):
    """An item of a cart."""

    id = fields.String()
    type = fields.String()
    reference = fields.String()
    reference_uuid = fields.String()
    name = fields.String()
    price_with_tax = fields.Nested(MoneySchema)
    quantity = fields.Integer()
    total_with_tax = fields.Nested(MoneySchema)
    subscription_price = fields.Nested(MoneySchema)
    cancellation_cost_kept = fields.Nested(MoneySchema)
    cancellation_cost_returned = fields.Nested(MoneySchema)
    warranty_breakage_cost = fields.Nested(MoneySchema)
    warranty_lost_cost = fields.Nested(MoneySchema)
    status = fields.String()
    activated_at = fields.DateTime()
    discount_type = fields.String()
    discount_amount = fields.Nested(MoneySchema)
    original_price_with_tax = fields.Nested(MoneySchema)
    original_subscription_price = fields.Nested(MoneySchema)
    catalogue_price_with_tax = fields.Nested(MoneySchema)
    catalogue_subscription_price = fields.Nested(MoneySchema)
    line_price_with_tax = fields.Nested(MoneySchema)
    line_subscription_price = fields.Nested(MoneySchema)
    items = fields.List(fields.Nested(lambda: ItemSchema()))
    product_data = fields.Nested(ProductDataSchema)
    box_count = fields.Integer()
    exchange_cycle = fields.Integer()
    delivered_boxes = fields.Integer()
    remaining_boxes = fields.Integer()


class CartSchema(Document):
    """A cart."""

    id = fields.String()
    reference = fields.String()
    code = fields.String()
    cart_items = fields.List(fields.Nested(ItemSchema))


class CustomerSchema(Document):
    """The shopper."""

    given_names = fields.String()
    surnames = fields.String()
    email = fields.String()
    phone = fields.String()
    full_name = fields.String()


class SubscriptionSchema(Document):
    """A subscription as shops see it."""

    id = fields.String()
    created_at = fields.DateTime()
    activated_at = fields.DateTime()
    renewal_at = fields.DateTime()
    confirmed_at = fields.DateTime()
    current_month = fields.Integer()
    total_months = fields.Integer()
    customer = fields.Nested(CustomerSchema)
    status = fields.String()
    payment_status = fields.String()
    reference = fields.String()
    contract_number = fields.String()
    discounts = fields.Raw()
    gift_kits_remaining = fields.Integer()
    gift_kits_delivered = fields.Integer()
    credit_card = fields.String()
    credit_card_type = fields.String()
    last_delivery_date = fields.String()
    next_delivery_date = fields.String()
    available_actions = fields.Dict(keys=fields.String(), values=fields.Boolean())
    last_persisted_cart = fields.Nested(CartSchema)
    pending_cart = fields.Nested(CartSchema)
