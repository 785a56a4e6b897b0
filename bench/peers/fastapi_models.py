"""The rules of an order, and the form of a subscription, as pydantic models.

Strict: no number in a string, no boolean for a number, no unknown field. Null counts as absent.
"""

from datetime import datetime
from typing import Annotated, Literal, Self

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    StringConstraints,
    model_validator,
)
from pydantic_core import PydanticCustomError

# No control characters but tab, LF and CR; the second also requires a character that is no space.
_TEXT = r"^[^\x00-\x08\x0b\x0c\x0e-\x1f\x7f]*$"
_FILLED = (
    r"^[^\x00-\x08\x0b\x0c\x0e-\x1f\x7f]*[^\x00-\x1f\x7f\s][^\x00-\x08\x0b\x0c\x0e-\x1f\x7f]*$"
)
_EMAIL = r"^[^\s@\x00-\x1f\x7f]+@[^\s@.\x00-\x1f\x7f]+(\.[^\s@.\x00-\x1f\x7f]+)+$"

Text = Annotated[str, StringConstraints(pattern=_TEXT)]
Text20 = Annotated[str, StringConstraints(max_length=20, pattern=_TEXT)]
Text50 = Annotated[str, StringConstraints(max_length=50, pattern=_TEXT)]
Text1000 = Annotated[str, StringConstraints(max_length=1000, pattern=_TEXT)]
Filled = Annotated[str, StringConstraints(pattern=_FILLED)]
Filled50 = Annotated[str, StringConstraints(max_length=50, pattern=_FILLED)]
Filled250 = Annotated[str, StringConstraints(max_length=250, pattern=_FILLED)]
Email = Annotated[str, StringConstraints(pattern=_EMAIL)]
From10To100 = Annotated[float, Field(ge=10, le=100)]
From20To50 = Annotated[float, Field(ge=20, le=50)]
FromHalfTo50 = Annotated[float, Field(ge=0.5, le=50)]
PrismPower = Annotated[float, Field(ge=0.01, le=50)]
FrameMaterial = Literal[
    "three_d_printed",
    "carbon_fiber",
    "drilled_and_grooved_rimless",
    "drilled_rimless",
    "grooved_industrial_safety",
    "grooved_rimless",
    "high_wrap",
    "horn",
    "industrial_safety",
    "leather",
    "metal",
    "metal_grooved",
    "step_shelf_bevel",
    "wood",
    "zyl",
]
STATES = (
    "AL AK AZ AR CA CO CT DE FL GA HI ID IL IN IA KS KY LA ME MD MA MI MN MS MO MT NE NV NH NJ NM "
    "NY NC ND OH OK OR PA RI SC SD TN TX UT VT VA WA WV WI WY DC AS GU MP PR VI"
)
State = Annotated[str, StringConstraints(pattern=f"^({STATES.replace(' ', '|')})$")]


def _check_size(tracing: str) -> str:
    if len(tracing.encode()) > 256 * 1024:
        raise PydanticCustomError("too_long", "Must be at most 256 KiB of UTF-8.")
    return tracing


Tracing = Annotated[str, StringConstraints(pattern=r"^[^\x00]*$"), AfterValidator(_check_size)]


def _build_error(text: str) -> PydanticCustomError:
    return PydanticCustomError("rule", "{text}", {"text": text})


class Strict(BaseModel):
    """The base of all bodies."""

    model_config = ConfigDict(strict=True, extra="forbid", allow_inf_nan=False)


class Credentials(Strict):
    """Client credentials."""

    client_id: Filled
    client_secret: Filled


class Patient(Strict):
    """The wearer of the glasses."""

    first_name: Filled50
    last_name: Filled50
    email: Email | None = None
    phone_number: Text20 | None = None


class Lens(Strict):
    """The lens."""

    style: Filled
    material: Filled
    color: Filled
    coats: Annotated[list[Text], Field(max_length=100)] | None = None
    tint: Filled | None = None
    tint_instruction: Filled250 | None = None

    @model_validator(mode="after")
    def check_addons(self) -> Self:
        """Require a tint and its instruction together, and distinct coats."""
        if (self.tint is None) is not (self.tint_instruction is None):
            raise _build_error("tint and tint_instruction need each other.")
        if self.coats and len(set(self.coats)) < len(self.coats):
            raise _build_error("coats must not repeat.")
        return self


class Frame(Strict):
    """The frame."""

    handling: Filled
    manufacturer: Filled50
    model: Filled50
    material: FrameMaterial
    color: Filled50
    eye_size: From10To100
    bridge: From10To100
    temple: Annotated[float, Field(ge=100, le=200)] | None = None
    a: From10To100 | None = None
    b: From10To100 | None = None
    lens_ed: From10To100 | None = None
    vertex: Annotated[float, Field(ge=1, le=30)] | None = None
    pantoscopic_tilt: Annotated[float, Field(ge=-20, le=20)] | None = None
    wrap: Annotated[float, Field(ge=0, le=40)] | None = None
    sku: Text50 | None = None
    tracing: Tracing | None = None


class HorizontalPrism(Strict):
    """A prism with its base in or out."""

    power: PrismPower
    direction: Literal["in", "out"]


class VerticalPrism(Strict):
    """A prism with its base up or down."""

    power: PrismPower
    direction: Literal["up", "down"]


class RxEye(Strict):
    """The prescription of one eye."""

    sphere: Annotated[float, Field(ge=-30, le=30)]
    pd: From20To50 | None = None
    near_pd: From20To50 | None = None
    cylinder: Annotated[float, Field(ge=-20, le=20)] | None = None
    axis: Annotated[int, Field(ge=1, le=180)] | None = None
    add: Annotated[float, Field(ge=0.5, le=5)] | None = None
    seg_height: FromHalfTo50 | None = None
    oc_height: FromHalfTo50 | None = None
    horizontal_prism: HorizontalPrism | None = None
    vertical_prism: VerticalPrism | None = None

    @model_validator(mode="after")
    def check_pairs(self) -> Self:
        """Require both of a pair or neither."""
        if (self.cylinder is None) is not (self.axis is None):
            raise _build_error("cylinder and axis need each other.")
        if (self.add is None) is not (self.seg_height is None):
            raise _build_error("add and seg_height need each other.")
        return self


class Rx(Strict):
    """The prescription of one eye or both."""

    left_eye: RxEye | None = None
    right_eye: RxEye | None = None

    @model_validator(mode="after")
    def check_eyes(self) -> Self:
        """Require an eye."""
        if self.left_eye is None and self.right_eye is None:
            raise _build_error("Must have left_eye, right_eye or both.")
        return self


class RedoData(Strict):
    """Why an order is made again."""

    type: Filled
    reason: Filled250
    reference: Filled50


class MultiPairData(Strict):
    """The pair that this one belongs to."""

    reference: Filled50


class Address(Strict):
    """An address in the United States."""

    line1: Filled
    line2: Text | None = None
    city: Filled
    state: State
    postal_code: Annotated[str, StringConstraints(pattern=r"^[0-9]{5}(-[0-9]{4})?$")]
    country: Literal["US"] | None = "US"


class Shipping(Strict):
    """A recipient."""

    name: Text50 | None = None
    address: Address


class NewOrder(Strict):
    """A new order, as a draft or for the lab."""

    mode: Literal["draft", "submit"]
    submission_type: Literal["new", "redo", "multi_pair"]
    order_type: Filled
    lab: Filled
    account_number: Filled
    patient: Patient
    mounting_option: Filled | None = None
    lens: Lens | None = None
    frame: Frame
    rx: Rx | None = None
    services: Annotated[list[Text], Field(max_length=100)] | None = None
    special_instructions: Text1000 | None = None
    redo_data: RedoData | None = None
    multi_pair_data: MultiPairData | None = None
    shipping: Shipping | None = None

    @model_validator(mode="after")
    def check_blocks(self) -> Self:
        """Require the blocks that belong to this order, and no other."""
        is_rx = self.order_type == "rx"
        if is_rx and (self.mounting_option is None or self.rx is None):
            raise _build_error("mounting_option and rx are required with order_type rx.")
        if is_rx and self.mode == "submit" and self.lens is None:
            raise _build_error("lens is required with order_type rx and mode submit.")
        if not is_rx and (self.lens is not None or self.rx is not None):
            raise _build_error("lens and rx are only for order_type rx.")
        if (self.redo_data is None) is (self.submission_type == "redo"):
            raise _build_error("redo_data is for submission_type redo, and required there.")
        if (self.multi_pair_data is None) is (self.submission_type == "multi_pair"):
            raise _build_error(
                "multi_pair_data is for submission_type multi_pair, and required there."
            )
        return self


class Money(BaseModel):
    """An amount."""

    value: int
    string: str


class Item(BaseModel):
    """An item of a cart."""

    id: str
    type: str
    reference: str | None
    reference_uuid: str
    name: str
    price_with_tax: Money
    quantity: int
    total_with_tax: Money
    subscription_price: Money
    cancellation_cost_kept: Money
    cancellation_cost_returned: Money
    status: str
    activated_at: datetime | None
    discount_type: str | None
    discount_amount: Money | None
    original_price_with_tax: Money
    original_subscription_price: Money
    catalogue_price_with_tax: Money
    catalogue_subscription_price: Money
    line_price_with_tax: Money
    line_subscription_price: Money


class ProductData(BaseModel):
    """The eye that a contact lens is for."""

    eye: str


class LensItem(Item):
    """A contact lens."""

    type: Literal["contact_lens_subscription"]
    product_data: ProductData
    box_count: int
    exchange_cycle: int | None
    delivered_boxes: int
    remaining_boxes: int


class MaterialItem(Item):
    """Any other item, in a package or beside one."""

    type: Literal["material_subscription"]
    warranty_breakage_cost: Money
    warranty_lost_cost: Money


class Package(Item):
    """A package."""

    type: Literal["subscription_package"]
    items: list[Annotated[LensItem | MaterialItem, Field(discriminator="type")]]


class Cart(BaseModel):
    """A cart."""

    id: str
    reference: str
    code: str
    cart_items: list[Annotated[Package | LensItem | MaterialItem, Field(discriminator="type")]]


class Customer(BaseModel):
    """The shopper."""

    given_names: str | None
    surnames: str | None
    email: str | None
    phone: str | None
    full_name: str | None


class SubscriptionOut(BaseModel):
    """A subscription as shops see it."""

    id: str
    created_at: datetime
    activated_at: datetime | None
    renewal_at: datetime | None
    confirmed_at: datetime | None
    current_month: int
    total_months: int
    customer: Customer
    status: str
    payment_status: str
    reference: str
    contract_number: str | None
    discounts: str | None
    gift_kits_remaining: int
    gift_kits_delivered: int
    credit_card: str | None
    credit_card_type: str | None
    last_delivery_date: str | None
    next_delivery_date: str | None
    available_actions: dict[str, bool]
    last_persisted_cart: Cart
    pending_cart: Cart | None
