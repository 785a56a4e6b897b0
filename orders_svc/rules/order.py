"""Rules of an order by itself, as the lab API v1 pages state them.

What its lab offers is checked in `rules.offer`. Numbers are millimetres, degrees or dioptres as
the proto says; all ranges are inclusive, and lengths of text count code points. No message
repeats the value that was sent.
"""

import re
from collections.abc import Mapping
from typing import Any

from marshmallow import Schema, ValidationError, fields, pre_load, validate, validates_schema
from marshmallow.exceptions import SCHEMA

from optics.addresses import check_email
from optics.fields import at_most, between, check_not_blank, filled, one_of
from optics.powers import drop_zero_cylinder, drops_axis, is_balance
from orders_svc.rules.catalogs import GetOrderSettingsRequestSchema
from orders_svc.rules.warnings.codes import CODES

RX = "rx"
FRAME_MATERIALS = tuple(
    "three_d_printed carbon_fiber drilled_and_grooved_rimless "  # noqa: SIM905 - a line for each
    "drilled_rimless grooved_industrial_safety grooved_rimless high_wrap horn industrial_safety "
    "leather metal metal_grooved step_shelf_bevel wood zyl".split()
)
STATES = frozenset(
    "AL AK AZ AR CA CO CT DE FL GA HI ID IL IN IA KS KY LA "  # noqa: SIM905 - a line for each
    "ME MD MA MI MN MS MO MT NE NV NH NJ NM NY NC ND OH OK OR PA RI SC SD TN TX UT VT VA WA WV "
    "WI WY DC AS GU MP PR VI".split()
)
MAX_TRACING_BYTES = 256 * 1024

# Each block belongs to one value of one field, and is refused with any other.
BLOCKS = {
    "lens": ("order_type", RX),
    "rx": ("order_type", RX),
    "redo_data": ("submission_type", "redo"),
    "multi_pair_data": ("submission_type", "multi_pair"),
}
# Fields of an eye that need each other: if the first is present, the second is required.
REQUIRED_WITH = (
    ("cylinder", "axis"),
    ("axis", "cylinder"),
    ("add", "seg_height"),
    ("seg_height", "add"),
)
# What a balance lens has none of: the lab chooses its power to match the other lens.
POWER_FIELDS = (
    "sphere",
    "cylinder",
    "axis",
    "add",
    "seg_height",
    "horizontal_prism",
    "vertical_prism",
)
MISSING = "Missing data for required field."


def check_tracing_size(tracing: str) -> None:
    """Raise ValidationError for a tracing over the limit."""
    if len(tracing.encode()) > MAX_TRACING_BYTES:
        raise ValidationError("Must be at most 256 KiB of UTF-8.")


check_count = validate.Length(max=100, error="Must be at most {max}.")
_10_TO_100 = between(10, 100)
_20_TO_50 = between(20, 50)
_HALF_TO_50 = between(0.5, 50)


class PatientSchema(Schema):
    """The wearer of the glasses."""

    first_name = fields.String(required=True, validate=filled(50))
    last_name = fields.String(required=True, validate=filled(50))
    email = fields.String(validate=check_email)
    phone_number = fields.String(validate=at_most(20))
    person_ref = fields.String(validate=filled(64))


class LensSchema(Schema):
    """The lens; `find_offer_faults` checks whether its ids exist."""

    style = fields.String(required=True, validate=check_not_blank)
    material = fields.String(required=True, validate=check_not_blank)
    color = fields.String(required=True, validate=check_not_blank)
    coats = fields.List(fields.String(), validate=check_count)
    tint = fields.String(validate=check_not_blank)
    tint_instruction = fields.String(validate=filled(250))

    @validates_schema(skip_on_field_errors=False, pass_original=True)
    def check_addons(self, data: dict[str, Any], original: Mapping[str, Any], **_: Any) -> None:
        """Require a tint and its instruction together, and each coat once."""
        faults: dict[str, Any] = {}
        if "tint" in original and "tint_instruction" not in original:
            faults["tint_instruction"] = ["Required with tint."]
        if "tint_instruction" in original and "tint" not in original:
            faults["tint_instruction"] = ["Only with a tint."]
        first: dict[str, int] = {}
        repeats = [
            i for i, coat in enumerate(data.get("coats", ())) if first.setdefault(coat, i) != i
        ]
        if repeats:
            faults["coats"] = {i: ["Must not repeat a coat."] for i in repeats}
        if faults:
            raise ValidationError(faults)


class FrameSchema(Schema):
    """The frame, measured by the boxing system (ISO 8624)."""

    handling = fields.String(required=True, validate=check_not_blank)
    manufacturer = fields.String(required=True, validate=filled(50))
    model = fields.String(required=True, validate=filled(50))
    material = fields.String(required=True, validate=one_of(*FRAME_MATERIALS))
    color = fields.String(required=True, validate=filled(50))
    eye_size = fields.Float(required=True, validate=_10_TO_100)
    bridge = fields.Float(required=True, validate=_10_TO_100)
    temple = fields.Float(validate=between(100, 200))
    a = fields.Float(validate=_10_TO_100)
    b = fields.Float(validate=_10_TO_100)
    lens_ed = fields.Float(validate=_10_TO_100)
    vertex = fields.Float(validate=between(1, 30))
    pantoscopic_tilt = fields.Float(validate=between(-20, 20))
    wrap = fields.Float(validate=between(0, 40))
    sku = fields.String(validate=at_most(50))
    tracing = fields.String(validate=check_tracing_size)
    mirror_tracing = fields.Boolean()


class HorizontalPrismSchema(Schema):
    """A prism with its base in or out."""

    power = fields.Float(required=True, validate=between(0.01, 50))
    direction = fields.String(required=True, validate=one_of("in", "out"))


class VerticalPrismSchema(HorizontalPrismSchema):
    """A prism with its base up or down."""

    direction = fields.String(required=True, validate=one_of("up", "down"))


class RxEyeSchema(Schema):
    """The prescription of one eye: its powers, or the word that it gets a balance lens."""

    balance = fields.Boolean()
    sphere = fields.Float(validate=between(-30, 30))
    pd = fields.Float(validate=_20_TO_50)
    near_pd = fields.Float(validate=_20_TO_50)
    cylinder = fields.Float(validate=between(-20, 20))
    axis = fields.Integer(strict=True, validate=between(1, 180))
    add = fields.Float(validate=between(0.5, 5))
    seg_height = fields.Float(validate=_HALF_TO_50)
    oc_height = fields.Float(validate=_HALF_TO_50)
    horizontal_prism = fields.Nested(HorizontalPrismSchema)
    vertical_prism = fields.Nested(VerticalPrismSchema)

    @pre_load
    def drop_what_is_none(self, data: Mapping[str, Any], **_: Any) -> Mapping[str, Any]:
        """Drop a cylinder of 0 with its axis, and a balance that is false."""
        if drops_axis(data):
            data = drop_zero_cylinder(data)
        if data.get("balance") is False:
            data = {name: each for name, each in data.items() if name != "balance"}
        return data

    @validates_schema(skip_on_field_errors=False, pass_original=True)
    def check_pairs(self, data: dict[str, Any], original: Mapping[str, Any], **_: Any) -> None:
        """Require both of a pair or neither; a number out of range counts as present."""
        if is_balance(original):
            faults = {name: ["Not with balance."] for name in POWER_FIELDS if name in original}
        else:
            alone = ("cylinder",) if drops_axis(original) else ()
            faults = {
                absent: [f"Required with {present}."]
                for present, absent in REQUIRED_WITH
                if present in original and absent not in original and present not in alone
            }
            if "sphere" not in original:
                faults["sphere"] = [MISSING]
        if faults:
            raise ValidationError(faults)


class RxSchema(Schema):
    """The prescription of one eye or both."""

    left_eye = fields.Nested(RxEyeSchema)
    right_eye = fields.Nested(RxEyeSchema)

    @validates_schema(skip_on_field_errors=False, pass_original=True)
    def check_balance(self, data: dict[str, Any], original: Mapping[str, Any], **_: Any) -> None:
        """Require a power beside a balance lens: without one it would balance nothing."""
        eyes = {name: eye for name, eye in original.items() if isinstance(eye, Mapping)}
        if eyes and all(map(is_balance, eyes.values())):
            fault = {"balance": ["The other eye must have a power."]}
            raise ValidationError(dict.fromkeys(eyes, fault))


class RedoDataSchema(Schema):
    """Why an order is redone."""

    type = fields.String(required=True, validate=check_not_blank)
    reason = fields.String(required=True, validate=filled(250))
    reference = fields.String(required=True, validate=filled(50))


class MultiPairDataSchema(Schema):
    """The order that this pair belongs to."""

    reference = fields.String(required=True, validate=filled(50))


class AddressSchema(Schema):
    """An address in the United States."""

    line1 = fields.String(required=True, validate=check_not_blank)
    line2 = fields.String()
    city = fields.String(required=True, validate=check_not_blank)
    state = fields.String(
        required=True,
        validate=validate.OneOf(
            STATES, error="Must be the two capital letters of a US state, DC, AS, GU, MP, PR or VI."
        ),
    )
    postal_code = fields.String(
        required=True,
        validate=validate.Regexp(
            re.compile(r"[0-9]{5}(-[0-9]{4})?\Z"), error="Must be a ZIP (12345) or ZIP+4 code."
        ),
    )
    country = fields.String(load_default="US", validate=validate.Equal("US", error="Must be US."))


class ShippingSchema(Schema):
    """A recipient."""

    name = fields.String(validate=at_most(50))
    address = fields.Nested(AddressSchema, required=True)


class CreateOrderRequestSchema(GetOrderSettingsRequestSchema):
    """A new order, as a draft or for the lab."""

    mode = fields.String(required=True, validate=one_of("draft", "submit"))
    submission_type = fields.String(required=True, validate=one_of("new", "redo", "multi_pair"))
    order_type = fields.String(required=True, validate=check_not_blank)
    patient = fields.Nested(PatientSchema, required=True)
    mounting_option = fields.String(validate=check_not_blank)
    lens = fields.Nested(LensSchema)
    frame = fields.Nested(FrameSchema, required=True)
    rx = fields.Nested(RxSchema)
    services = fields.List(fields.String(), validate=check_count)
    special_instructions = fields.String(validate=at_most(1000))
    redo_data = fields.Nested(RedoDataSchema)
    multi_pair_data = fields.Nested(MultiPairDataSchema)
    shipping = fields.Nested(ShippingSchema)
    acknowledged_warnings = fields.List(
        fields.String(validate=validate.OneOf(CODES, error="Must be the code of a warning.")),
        validate=check_count,
    )

    @validates_schema(skip_on_field_errors=False, pass_original=True)
    def check_blocks(self, data: dict[str, Any], original: Mapping[str, Any], **_: Any) -> None:
        """Require the blocks that belong to this order, and no others."""
        faults = {}
        for block, (name, word) in BLOCKS.items():
            if block in original:
                if data.get(name, word) != word:
                    faults[block] = [f"Only with {name} {word}."]
                    # The offer is not checked for a block that is refused.
                    data.pop(block, None)
            elif data.get(name) == word:
                if block != "lens":
                    faults[block] = [f"Required with {name} {word}."]
                elif data.get("mode") == "submit":
                    faults[block] = ["Required to submit an order of type rx."]
        if "mounting_option" not in original and data.get("order_type") == RX:
            faults["mounting_option"] = ["Required with order_type rx."]
        if "rx" not in faults and original.get("rx") == {}:
            faults["rx"] = ["Must have left_eye, right_eye or both."]
        if faults:
            raise ValidationError(faults)

    def handle_error(self, error: ValidationError, data: Any, **_: Any) -> None:
        """Report a refused block once: marshmallow adds it as `_schema` to the faults inside."""
        messages = error.messages_dict
        for block in BLOCKS.keys() & messages.keys():
            if isinstance(messages[block], dict) and SCHEMA in messages[block]:
                messages[block] = messages[block][SCHEMA]


CREATE_ORDER_REQUEST = CreateOrderRequestSchema()
