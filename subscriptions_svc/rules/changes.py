"""What may change in the cart of an active subscription: the new cart's form, and exchanges.

Of glasses, one exchange belongs to the first year, where the merchant allows it there, and one more
to each whole year that has passed. An eye's contact lens has windows of exchange_cycle months in
the place of years. Unused ones stay.
"""

from collections.abc import Collection, Iterable, Mapping
from typing import Any, NamedTuple

from marshmallow import Schema
from marshmallow.fields import Field, List, String

from subscriptions_svc.rules.carts import BOTH, CONTACT_LENS, CartItemSchema, ItemSchema
from subscriptions_svc.rules.shapes import FILLED, SOME, Faults, Values, numbered

MONTHS_A_YEAR = 12
EYES_OF = {"left": ("left",), "right": ("right",), BOTH: ("left", "right")}


class KeptItemSchema(Schema):
    """An item that stays as it is."""

    id = String(required=True, validate=FILLED)


class KeptOrNew(Field[Any]):
    """An item that has an id and nothing else, or a new one."""

    def __init__(self, new: Schema, **options: Any) -> None:
        super().__init__(**options)
        self.new = new

    def _deserialize(self, value: Any, attr: Any, data: Any, **kwargs: Any) -> Any:
        schema = _KEPT if isinstance(value, dict) and "id" in value else self.new
        return schema.load(value)


_KEPT = KeptItemSchema()


class UpdatedItemSchema(CartItemSchema):
    """A new item of the cart, which may hold items that stay."""

    items = List(KeptOrNew(ItemSchema()), validate=SOME)


class UpdateProductsSchema(Schema):
    """A whole new cart."""

    subscription_id = String(required=True)
    cart_items = List(KeptOrNew(UpdatedItemSchema()), required=True, validate=SOME)


UPDATE_PRODUCTS = UpdateProductsSchema()


def kept_faults(
    values: Values, items: Mapping[str, Values], parents: Mapping[str, str | None]
) -> Faults:
    """Ids that name no item of the cart, one that is named already, or a package in a package.

    `items` and `parents` are those of the cart in force, by id; a package holds its items.
    """
    seen: set[str] = set()
    inside_of: dict[str | None, list[str]] = {}
    for item_id, parent in parents.items():
        inside_of.setdefault(parent, []).append(item_id)

    def faults_of(path: str, id_: str, *, inside: bool) -> Faults:
        if id_ not in items or (inside and "items" in items[id_]):
            yield f"{path}.id", "Must be the id of an item of the cart."
            return
        named = {id_, *inside_of.get(id_, ())}
        if named & seen:
            yield f"{path}.id", "An item may be named once."
        seen.update(named)

    for path, item in numbered(values, "cart_items"):
        if "id" in item:
            yield from faults_of(path, item["id"], inside=False)
        for inner_path, inner in numbered(item, "items", f"{path}."):
            if "id" in inner:
                yield from faults_of(inner_path, inner["id"], inside=True)


def merged(cart: Iterable[Values], items: Mapping[str, Values]) -> list[dict[str, Any]]:
    """The whole new cart as if all of it were new; kept items keep their id."""
    return [
        {**items[item["id"]], "id": item["id"]}
        if "id" in item
        else {**item, **({"items": merged(item["items"], items)} if "items" in item else {})}
        for item in cart
    ]


class Exchanges(NamedTuple):
    """What is known of a subscription's exchanges: whole months since the activation, and uses."""

    months: int
    in_first_year: bool  # whether the merchant allows exchanges there
    of_glasses: int
    of_eyes: Mapping[str, int]

    def allow(self, kind: str, eye: str | None, exchange_cycle: int | None) -> bool:
        """Whether an item that is no package may be exchanged now."""
        if kind == CONTACT_LENS:
            due = self.due(exchange_cycle or 0)
            return all(self.of_eyes.get(each, 0) < due for each in EYES_OF[eye or BOTH])
        return self.of_glasses < self.due(MONTHS_A_YEAR)

    def due(self, period: int) -> int:
        """How many exchanges belong to the time so far, one a period of so many months; 0: none."""
        if period == 0 or (self.months < MONTHS_A_YEAR and not self.in_first_year):
            return 0
        return self.months // period + (1 if self.in_first_year else 0)


def carried(
    lenses: Iterable[tuple[str, str, int]],
    gone: Iterable[tuple[str, int]],
    delivered: Mapping[str, int],
) -> dict[str, int]:
    """How many boxes each lens of a cart takes over from those that are gone, this year.

    `lenses` are id, eye and cap of the cart's, those first that are to take over first; `gone` are
    eye and boxes delivered of the others; `delivered` are the lenses' own boxes, by id. Boxes for
    an eye count at a lens of that eye, or of both; boxes for both eyes at a lens of both, or once
    for each eye. They fill what room there is; what is more than all room counts at the first.
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
        if eye == BOTH and not count(BOTH, boxes):
            for each in EYES_OF[BOTH]:
                count(each, boxes)
        elif eye != BOTH and not count(eye, boxes):
            count(BOTH, boxes)
    return taken


def change_faults(
    cart: Collection[Values], kept: Collection[str], in_force: Collection[str]
) -> Faults:
    """A new cart that brings nothing in and takes nothing out."""
    if all("id" in item for item in cart) and set(kept) == set(in_force):
        yield "cart_items", "Must bring something in, or take something out."
