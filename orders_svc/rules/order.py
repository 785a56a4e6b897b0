"""What an order must be to be taken: the rules of the lab API v1 pages, without a store.

The schemas judge a request by itself; `offer_faults` judges an order by what its lab offers.
Numbers are millimetres, degrees or dioptres as the proto says; all ranges are inclusive and
lengths of text count code points. A message never repeats the value that was sent.
"""

import re
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from marshmallow import Schema, ValidationError, fields, validate, validates_schema
from marshmallow.exceptions import SCHEMA

RX = "rx"
LENS_TYPES = ("single_vision", "multifocal")
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
TRACING_BYTES = 256 * 1024

# A block belongs to one word of one field: with any other word it is refused.
BLOCKS = {
    "lens": ("order_type", RX),
    "rx": ("order_type", RX),
    "redo_data": ("submission_type", "redo"),
    "multi_pair_data": ("submission_type", "multi_pair"),
}
# Of an eye, each of a pair needs the other.
PAIRS = (("cylinder", "axis"), ("axis", "cylinder"), ("add", "seg_height"), ("seg_height", "add"))


def not_blank(value: str) -> None:
    if not value or value.isspace():
        raise ValidationError("Must not be blank.")


def filled(limit: int) -> Callable[[str], None]:
    def check(value: str) -> None:
        if not value or value.isspace() or len(value) > limit:
            raise ValidationError(f"Must be 1 to {limit} characters and not blank.")

    return check


def _at_most(limit: int) -> validate.Length:
    return validate.Length(max=limit, error="Must be at most {max} characters.")


def one_of(*words: str) -> validate.OneOf:
    return validate.OneOf(words, error="Must be one of: {choices}.")


def between(low: float, high: float) -> validate.Range:
    return validate.Range(low, high, error="Must be from {min} to {max}.")


def _small_enough(tracing: str) -> None:
    if len(tracing.encode()) > TRACING_BYTES:
        raise ValidationError("Must be at most 256 KiB of UTF-8.")


_few = validate.Length(max=100, error="Must be at most {max}.")
_10_TO_100 = between(10, 100)
_20_TO_50 = between(20, 50)
_HALF_TO_50 = between(0.5, 50)


class PatientSchema(Schema):
    """The wearer of the glasses."""

    first_name = fields.String(required=True, validate=filled(50))
    last_name = fields.String(required=True, validate=filled(50))
    email = fields.String(validate=validate.Email(error="Must be an e-mail address."))
    phone_number = fields.String(validate=_at_most(20))


class LensSchema(Schema):
    """The lens; whether its ids exist is told by `offer_faults`."""

    style = fields.String(required=True, validate=not_blank)
    material = fields.String(required=True, validate=not_blank)
    color = fields.String(required=True, validate=not_blank)
    coats = fields.List(fields.String(), validate=_few)
    tint = fields.String(validate=not_blank)
    tint_instruction = fields.String(validate=filled(250))

    @validates_schema(skip_on_field_errors=False, pass_original=True)
    def check_addons(self, data: dict[str, Any], sent: Mapping[str, Any], **_: Any) -> None:
        """Want a tint and its instruction together, and no coat twice."""
        faults: dict[str, Any] = {}
        if "tint" in sent and "tint_instruction" not in sent:
            faults["tint_instruction"] = ["Required with tint."]
        if "tint_instruction" in sent and "tint" not in sent:
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

    handling = fields.String(required=True, validate=not_blank)
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
    sku = fields.String(validate=_at_most(50))
    tracing = fields.String(validate=_small_enough)


class HorizontalPrismSchema(Schema):
    """A prism with its base in or out."""

    power = fields.Float(required=True, validate=between(0.01, 50))
    direction = fields.String(required=True, validate=one_of("in", "out"))


class VerticalPrismSchema(HorizontalPrismSchema):
    """A prism with its base up or down."""

    direction = fields.String(required=True, validate=one_of("up", "down"))


class RxEyeSchema(Schema):
    """The prescription of one eye."""

    sphere = fields.Float(required=True, validate=between(-30, 30))
    pd = fields.Float(validate=_20_TO_50)
    near_pd = fields.Float(validate=_20_TO_50)
    cylinder = fields.Float(validate=between(-20, 20))
    axis = fields.Integer(strict=True, validate=between(1, 180))
    add = fields.Float(validate=between(0.5, 5))
    seg_height = fields.Float(validate=_HALF_TO_50)
    oc_height = fields.Float(validate=_HALF_TO_50)
    horizontal_prism = fields.Nested(HorizontalPrismSchema)
    vertical_prism = fields.Nested(VerticalPrismSchema)

    @validates_schema(skip_on_field_errors=False, pass_original=True)
    def check_pairs(self, data: dict[str, Any], sent: Mapping[str, Any], **_: Any) -> None:
        """Want both of a pair or none; a number out of range is still one that was sent."""
        faults = {
            absent: [f"Required with {present}."]
            for present, absent in PAIRS
            if present in sent and absent not in sent
        }
        if faults:
            raise ValidationError(faults)


class RxSchema(Schema):
    """The prescription of one eye or both."""

    left_eye = fields.Nested(RxEyeSchema)
    right_eye = fields.Nested(RxEyeSchema)


class RedoDataSchema(Schema):
    """Why an order is made again."""

    type = fields.String(required=True, validate=not_blank)
    reason = fields.String(required=True, validate=filled(250))
    reference = fields.String(required=True, validate=filled(50))


class MultiPairDataSchema(Schema):
    """The pair that this one belongs to."""

    reference = fields.String(required=True, validate=filled(50))


class AddressSchema(Schema):
    """An address in the United States."""

    line1 = fields.String(required=True, validate=not_blank)
    line2 = fields.String()
    city = fields.String(required=True, validate=not_blank)
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

    name = fields.String(validate=_at_most(50))
    address = fields.Nested(AddressSchema, required=True)


class CreateTokenRequestSchema(Schema):
    """Client credentials."""

    client_id = fields.String(required=True, validate=not_blank)
    client_secret = fields.String(required=True, validate=not_blank)


class GetOrderSettingsRequestSchema(Schema):
    """A lab under one of the user's account numbers."""

    lab = fields.String(required=True, validate=not_blank)
    account_number = fields.String(required=True, validate=not_blank)


class ListStylesRequestSchema(GetOrderSettingsRequestSchema):
    """Which lens type's styles."""

    lens_type = fields.String(required=True, validate=one_of(*LENS_TYPES))


class ListMaterialsRequestSchema(GetOrderSettingsRequestSchema):
    """Which style's materials."""

    style = fields.String(required=True, validate=not_blank)


class ListAddonsRequestSchema(ListMaterialsRequestSchema):
    """Which style and material's addons."""

    material = fields.String(required=True, validate=not_blank)


class CreateOrderRequestSchema(GetOrderSettingsRequestSchema):
    """A new order, as a draft or for the lab."""

    mode = fields.String(required=True, validate=one_of("draft", "submit"))
    submission_type = fields.String(required=True, validate=one_of("new", "redo", "multi_pair"))
    order_type = fields.String(required=True, validate=not_blank)
    patient = fields.Nested(PatientSchema, required=True)
    mounting_option = fields.String(validate=not_blank)
    lens = fields.Nested(LensSchema)
    frame = fields.Nested(FrameSchema, required=True)
    rx = fields.Nested(RxSchema)
    services = fields.List(fields.String(), validate=_few)
    special_instructions = fields.String(validate=_at_most(1000))
    redo_data = fields.Nested(RedoDataSchema)
    multi_pair_data = fields.Nested(MultiPairDataSchema)
    shipping = fields.Nested(ShippingSchema)

    @validates_schema(skip_on_field_errors=False, pass_original=True)
    def check_blocks(self, data: dict[str, Any], sent: Mapping[str, Any], **_: Any) -> None:
        """Want the blocks that belong to this order, and no other."""
        faults = {}
        for block, (name, word) in BLOCKS.items():
            if block in sent:
                if data.get(name, word) != word:
                    faults[block] = [f"Only with {name} {word}."]
                    # A caller who goes on to `offer_faults` should not judge what is refused.
                    data.pop(block, None)
            elif data.get(name) == word:
                if block != "lens":
                    faults[block] = [f"Required with {name} {word}."]
                elif data.get("mode") == "submit":
                    faults[block] = ["Required to submit an order of type rx."]
        if "mounting_option" not in sent and data.get("order_type") == RX:
            faults["mounting_option"] = ["Required with order_type rx."]
        if "rx" not in faults and sent.get("rx") == {}:
            faults["rx"] = ["Must have left_eye, right_eye or both."]
        if faults:
            raise ValidationError(faults)

    def handle_error(self, error: ValidationError, data: Any, **_: Any) -> None:
        """Tell of a refused block once: marshmallow adds it as `_schema` to the faults inside."""
        messages = error.messages_dict
        for block in BLOCKS.keys() & messages.keys():
            if isinstance(messages[block], dict) and SCHEMA in messages[block]:
                messages[block] = messages[block][SCHEMA]


CREATE_TOKEN_REQUEST = CreateTokenRequestSchema()
GET_ORDER_SETTINGS_REQUEST = GetOrderSettingsRequestSchema()
LIST_STYLES_REQUEST = ListStylesRequestSchema()
LIST_MATERIALS_REQUEST = ListMaterialsRequestSchema()
LIST_ADDONS_REQUEST = ListAddonsRequestSchema()
CREATE_ORDER_REQUEST = CreateOrderRequestSchema()


@dataclass(frozen=True, slots=True)
class Offer:
    """What the lab of an order offers it.

    The rest holds ids (of tints, words) and need only hold those that the order's lens names:
    `styles` of the lab, `materials` of the lens's style, the others of its style and material.
    """

    settings: Mapping[str, Collection[str]]
    """The six option lists of the lab, by their names in OrderSettings."""
    styles: Mapping[str, str] = field(default_factory=dict)
    """Each with its lens type."""
    materials: Collection[str] = frozenset()
    colors: Collection[str] = frozenset()
    coats: Mapping[str, str | None] = field(default_factory=dict)
    """Each with its type, if it has one."""
    tints: Collection[str] = frozenset()


def offer_faults(values: Mapping[str, Any], offer: Offer | None) -> list[tuple[str, str]]:
    """Name each value that the lab does not offer, by path and with what is allowed.

    `values` is an order or the valid part of one: what is missing is not judged.
    No offer means that the user has no such lab under this account number.
    """
    if offer is None:
        judged = "lab" in values and "account_number" in values
        return [("lab", "Must be one of your labs, with its account_number.")] if judged else []
    return [*_settings_faults(values, offer.settings), *_lens_faults(values.get("lens", {}), offer)]


def _settings_faults(
    values: Mapping[str, Any], settings: Mapping[str, Collection[str]]
) -> Iterator[tuple[str, str]]:
    chosen = [
        ("order_type", values.get("order_type"), "order_types"),
        ("mounting_option", values.get("mounting_option"), "mounting_options"),
        ("frame.handling", values.get("frame", {}).get("handling"), "frame_handling_options"),
        *((f"services.{i}", each, "services") for i, each in enumerate(values.get("services", ()))),
        ("redo_data.type", values.get("redo_data", {}).get("type"), "redo_types"),
    ]
    for path, word, name in chosen:
        if word is None or word in settings[name] or (path, word) == ("order_type", RX):
            continue
        yield path, f"Must be one of the lab's {name}: {', '.join(settings[name]) or '(none)'}."


def _lens_faults(lens: Mapping[str, Any], offer: Offer) -> Iterator[tuple[str, str]]:
    if "style" not in lens:
        return
    if lens["style"] not in offer.styles:
        yield "lens.style", "Must be the id of one of the lab's styles."
        return
    if "material" not in lens:
        return
    if lens["material"] not in offer.materials:
        yield "lens.material", "Must be the id of a material of the style."
        return
    if "color" in lens and lens["color"] not in offer.colors:
        yield "lens.color", "Must be the id of a color of the style and material."
    for index, coat in enumerate(lens.get("coats", ())):
        if coat not in offer.coats:
            yield f"lens.coats.{index}", "Must be the id of a coat of the style and material."
    if "tint" in lens and lens["tint"] not in offer.tints:
        yield "lens.tint", "Must be a tint of the style and material."
