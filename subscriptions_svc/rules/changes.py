"""Changes to the cart of an active subscription: the new cart's schema, and exchanges.

Glasses may be exchanged once in the first year, where the merchant allows it, and once more for
each whole year that has passed. The contact lens of an eye has windows of exchange_cycle months
instead of years. Unused exchanges remain available.
"""

from collections.abc import Collection, Iterable, Mapping
from typing import Any, NamedTuple

from marshmallow import Schema
from marshmallow.fields import Field, List, String

from subscriptions_svc.rules.carts import BOTH_EYES, CONTACT_LENS, CartItemSchema, ItemSchema
from subscriptions_svc.rules.shapes import (
    FILLED_LIST,
    FILLED_TEXT,
    Faults,
    Values,
    enumerate_entries,
)
from subscriptions_svc.rules.years import MONTHS_PER_YEAR

# The eyes that each value of `eye` covers.
COVERED_EYES = {"left": ("left",), "right": ("right",), BOTH_EYES: ("left", "right")}


class KeptItemSchema(Schema):
    """An item that stays as it is."""

    id = String(required=True, validate=FILLED_TEXT)


class KeptOrNew(Field[Any]):
    """A kept item, which has an id and nothing else, or a new one."""

    def __init__(self, new: Schema, **options: Any) -> None:
        super().__init__(**options)
        self.new = new

    def _deserialize(self, value: Any, attr: Any, data: Any, **kwargs: Any) -> Any:
        schema = _KEPT if isinstance(value, dict) and "id" in value else self.new
        return schema.load(value)


_KEPT = KeptItemSchema()


class UpdatedItemSchema(CartItemSchema):
    """A new item of the cart, which may hold kept items."""

    items = List(KeptOrNew(ItemSchema()), validate=FILLED_LIST)


class UpdateProductsSchema(Schema):
    """A whole new cart."""

    subscription_id = String(required=True)
    cart_items = List(KeptOrNew(UpdatedItemSchema()), required=True, validate=FILLED_LIST)


UPDATE_PRODUCTS = UpdateProductsSchema()


def find_kept_item_faults(
    values: Values, items: Mapping[str, Values], parents: Mapping[str, str | None]
) -> Faults:
    """Yield faults for ids of unknown items, duplicate ids, and packages inside packages.

    `items` and `parents` are those of the cart in force, by id; a package contains its items.
    """
    named: set[str] = set()
    inside_of: dict[str | None, list[str]] = {}
    for item_id, parent in parents.items():
        inside_of.setdefault(parent, []).append(item_id)

    def find_faults(path: str, id_: str, *, inside: bool) -> Faults:
        if id_ not in items or (inside and "items" in items[id_]):
            yield f"{path}.id", "Must be the id of an item of the cart."
            return
        covered = {id_, *inside_of.get(id_, ())}
        if covered & named:
            yield f"{path}.id", "An item may be named once."
        named.update(covered)

    for path, item in enumerate_entries(values, "cart_items"):
        if "id" in item:
            yield from find_faults(path, item["id"], inside=False)
        for inner_path, inner in enumerate_entries(item, "items", f"{path}."):
            if "id" in inner:
                yield from find_faults(inner_path, inner["id"], inside=True)


def merge_cart(cart: Iterable[Values], items: Mapping[str, Values]) -> list[dict[str, Any]]:
    """Return the new cart with its kept items filled in; these have an id, new ones have none."""
    return [
        {**items[item["id"]], "id": item["id"]}
        if "id" in item
        else {**item, **({"items": merge_cart(item["items"], items)} if "items" in item else {})}
        for item in cart
    ]


class Exchanges(NamedTuple):
    """Exchanges of a subscription: whole months since its activation, and those already used."""

    months: int
    in_first_year: bool  # whether the merchant allows exchanges in the first year
    of_glasses: int
    of_eyes: Mapping[str, int]

    def allow(self, kind: str, eye: str | None, exchange_cycle: int | None) -> bool:
        """Whether an item may be exchanged now; packages are not exchanged themselves."""
        if kind == CONTACT_LENS:
            due = self.count_due(exchange_cycle or 0)
            return all(self.of_eyes.get(each, 0) < due for each in COVERED_EYES[eye or BOTH_EYES])
        return self.of_glasses < self.count_due(MONTHS_PER_YEAR)

    def count_due(self, period: int) -> int:
        """Return how many exchanges have fallen due, one per `period` months; 0 means none."""
        if period == 0 or (self.months < MONTHS_PER_YEAR and not self.in_first_year):
            return 0
        return self.months // period + (1 if self.in_first_year else 0)


def carry_boxes(
    lenses: Iterable[tuple[str, str, int]],
    gone: Iterable[tuple[str, int]],
    delivered: Mapping[str, int],
) -> dict[str, int]:
    """Return how many boxes each lens of a cart takes over this year from lenses taken out.

    `lenses` are (id, eye, cap), in the order in which they take over; `gone` are (eye, delivered
    boxes) of the lenses taken out; `delivered` are the lenses' own boxes, by id. Boxes for one eye
    count against a lens for that eye, or else for both; boxes for both eyes against a lens for
    both, or else once against each eye. They fill the room there is; any excess counts against the
    first lens.
    """
    lenses = list(lenses)
    taken = {id_: 0 for id_, _, _ in lenses}

    def count(eye: str, boxes: int) -> bool:
        takers = [(id_, cap) for id_, of, cap in lenses if of == eye]
        for id_, cap in takers:
            room = max(0, min(boxes, cap - delivered.get(id_, 0) - taken[id_]))
            taken[id_] += room
            boxes -= room
        if takers:
            taken[takers[0][0]] += boxes
        return bool(takers)

    for eye, boxes in gone:
        if eye == BOTH_EYES and not count(BOTH_EYES, boxes):
            for each in COVERED_EYES[BOTH_EYES]:
                count(each, boxes)
        elif eye != BOTH_EYES and not count(eye, boxes):
            count(BOTH_EYES, boxes)
    return taken


def find_change_faults(
    cart: Collection[Values], kept: Collection[str], in_force: Collection[str]
) -> Faults:
    """Yield a fault for a new cart that neither brings anything in nor takes anything out."""
    if all("id" in item for item in cart) and set(kept) == set(in_force):
        yield "cart_items", "Must bring something in, or take something out."
