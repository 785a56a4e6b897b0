"""What ending a subscription, or mending an item, costs; and what a cancellation must say.

`cancellation_cost_kept` is the monthly price for all months that have not begun (stated by the
source); `cancellation_cost_returned` for those of the current subscription year alone (ours). What
was not handed over costs nothing.
"""

from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import NamedTuple

from marshmallow import Schema
from marshmallow.fields import Integer, List, Nested, String
from marshmallow.validate import Length, OneOf

from subscriptions_svc.rules.changes import MONTHS_A_YEAR
from subscriptions_svc.rules.shapes import (
    AT_MOST,
    FILLED,
    ITEMS_MAX,
    MONEY_MAX,
    ONE_OF,
    SHORT,
    Faults,
    Values,
)
from subscriptions_svc.rules.subscriptions import WITHDRAWAL

BREAKAGE_MONTHS, LOSS_MONTHS = 3, 6  # inferred from the source's examples
NAMED_MAX = ITEMS_MAX * (ITEMS_MAX + 1)
DESCRIPTION_MAX = 2_000
WARRANTY_TYPES = ("repair", "replacement")


class SummarySchema(Schema):
    """What shop and shopper have agreed on."""

    purchase_fee = Integer(strict=True, required=True)
    total_to_pay = Integer(strict=True, required=True)
    kept_items = List(String(validate=FILLED), load_default=list, validate=Length(max=NAMED_MAX))
    returned_items = List(
        String(validate=FILLED), load_default=list, validate=Length(max=NAMED_MAX)
    )


class CancelSubscriptionSchema(Schema):
    """The end of a subscription."""

    subscription_id = String(required=True)
    reason = String(required=True, validate=FILLED)
    summary = Nested(SummarySchema)


class CreateWarrantyEventSchema(Schema):
    """A repair or a replacement."""

    subscription_id = String(required=True)
    type = String(required=True, validate=OneOf(WARRANTY_TYPES, error=ONE_OF))
    charged_amount = Integer(strict=True, required=True)
    product_id = String(required=True, validate=FILLED)
    name = String(validate=SHORT)
    description = String(validate=Length(max=DESCRIPTION_MAX, error=AT_MOST))


CANCEL_SUBSCRIPTION = CancelSubscriptionSchema()
CREATE_WARRANTY_EVENT = CreateWarrantyEventSchema()


def is_free(confirmed_at: datetime | None, now: datetime) -> bool:
    """Whether ending costs nothing: before the confirmation and for 24 hours after it."""
    return confirmed_at is None or now - confirmed_at < WITHDRAWAL


class Costs(NamedTuple):
    """What ending costs for an item that was handed over, in minor units."""

    kept: int
    returned: int


def costs(monthly: int, current_month: int, year: int, total_months: int) -> Costs:
    """The costs of an item whose pieces cost `monthly` together."""
    of_year = min(MONTHS_A_YEAR * year, total_months)
    return Costs(
        monthly * (total_months - current_month), monthly * max(0, of_year - current_month)
    )


class Item(NamedTuple):
    """An item of a cart that is no package: its own reference_uuid, its package's, and costs.

    Without costs it was not handed over.
    """

    reference_uuid: str
    package: str | None
    costs: Costs | None


class Settlement(NamedTuple):
    """What becomes of each item that was handed over, by reference_uuid, and what it costs."""

    kept: Mapping[str, int]
    returned: Mapping[str, int]


def settlement(summary: Values, items: list[Item]) -> tuple[Settlement, list[tuple[str, str]]]:
    """What a summary makes of the items, and what is wrong with it."""
    kept: dict[str, int] = {}
    returned: dict[str, int] = {}
    faults: list[tuple[str, str]] = []
    named: set[str] = set()
    by_uuid: dict[str, list[Item]] = {}
    for each in items:
        for uuid in (each.reference_uuid, each.package):
            if uuid is not None:
                by_uuid.setdefault(uuid, []).append(each)
    for name, place in (("kept_items", kept), ("returned_items", returned)):
        for index, uuid in enumerate(summary[name]):
            path = f"summary.{name}.{index}"
            meant = by_uuid.get(uuid, [])
            if not meant:
                faults.append((path, "Must be the reference_uuid of an item of the cart."))
            elif named.intersection(each.reference_uuid for each in meant):
                faults.append((path, "An item may be named once."))
            elif place is kept and any(each.costs is None for each in meant):
                faults.append((path, "Was not handed over, so it cannot be kept."))
            named.update(each.reference_uuid for each in meant)
            for each in meant:
                if each.costs is not None:
                    cost = each.costs.kept if place is kept else each.costs.returned
                    place[each.reference_uuid] = cost
    for each in items:
        if each.costs is not None and each.reference_uuid not in named:
            text = f"Item {each.reference_uuid} was handed over: name it as kept or as returned."
            faults.append(("summary", text))
    made = Settlement(kept, returned)
    return made, faults + list(_amount_faults(summary, made, complete=not faults))


def _amount_faults(
    summary: Values, made: Settlement, *, complete: bool
) -> Iterator[tuple[str, str]]:
    fee = summary["purchase_fee"]
    if not 0 <= fee <= MONEY_MAX:
        yield "summary.purchase_fee", f"Must be from 0 to {MONEY_MAX}."
    elif complete:
        total = fee + sum(made.kept.values()) + sum(made.returned.values())
        if summary["total_to_pay"] != total:
            yield "summary.total_to_pay", f"Must be {total}: the fee and the costs of all items."


def charge_faults(values: Values) -> Faults:
    """A charge that is none, or out of bounds."""
    if not 0 < values.get("charged_amount", 1) <= MONEY_MAX:
        yield "charged_amount", f"Must be from 1 to {MONEY_MAX}."
