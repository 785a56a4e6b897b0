"""Settlements: what ending a subscription costs, and what a cancellation must state.

`cancellation_cost_kept` is the monthly price for all months that have not begun (stated by the
source); `cancellation_cost_returned` for those of the current subscription year alone (ours). Items
that were not handed over cost nothing. While a merchant's days of withdrawal run, returned items
cost nothing either; hygiene goods only if `unopened_items` names them.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

from marshmallow import Schema
from marshmallow.fields import Integer, List, Nested, String
from marshmallow.validate import Length

from subscriptions_svc.rules.shapes import FILLED_TEXT, MAX_ITEMS, MAX_MONEY, Values
from subscriptions_svc.rules.years import MONTHS_PER_YEAR

# Months of which the suggested charges consist; inferred from the source's examples.
BREAKAGE_MONTHS, LOSS_MONTHS = 3, 6
MAX_NAMED_ITEMS = MAX_ITEMS * (MAX_ITEMS + 1)

_NAMED_ITEMS = Length(max=MAX_NAMED_ITEMS)


class SummarySchema(Schema):
    """The settlement that shop and shopper have agreed on."""

    purchase_fee = Integer(strict=True, required=True)
    total_to_pay = Integer(strict=True, required=True)
    kept_items = List(String(validate=FILLED_TEXT), load_default=list, validate=_NAMED_ITEMS)
    returned_items = List(String(validate=FILLED_TEXT), load_default=list, validate=_NAMED_ITEMS)
    unopened_items = List(String(validate=FILLED_TEXT), load_default=list, validate=_NAMED_ITEMS)


class CancelSubscriptionSchema(Schema):
    """A cancellation."""

    subscription_id = String(required=True)
    reason = String(required=True, validate=FILLED_TEXT)
    summary = Nested(SummarySchema)


CANCEL_SUBSCRIPTION = CancelSubscriptionSchema()


class Costs(NamedTuple):
    """What ending costs for an item that was handed over, in minor units."""

    kept: int
    returned: int


class SettlementItem(NamedTuple):
    """An item of a cart that is not a package: its reference_uuid, its package's, and its costs.

    Costs are None for an item that was not handed over. One that is free if unopened costs nothing
    when it is returned and named as unopened.
    """

    reference_uuid: str
    package: str | None
    costs: Costs | None
    is_free_if_unopened: bool = False


class Settlement(NamedTuple):
    """The costs of items that were handed over, by reference_uuid, as kept or as returned."""

    kept: Mapping[str, int]
    returned: Mapping[str, int]


FREE_SETTLEMENT = Settlement({}, {})


def compute_costs(monthly: int, current_month: int, year: int, total_months: int) -> Costs:
    """Return the costs of an item whose pieces together cost `monthly`; a renewed month has none.

    `total_months` are those that were agreed on, or that have begun since.
    """
    of_year = min(MONTHS_PER_YEAR * year, total_months)
    return Costs(
        monthly * (total_months - current_month), monthly * max(0, of_year - current_month)
    )


def settle_ending(
    summary: Values | None, items: Sequence[SettlementItem], *, free: bool
) -> tuple[Settlement, list[tuple[str, str]]]:
    """Return the settlement of an ending and its faults; a free ending takes no summary."""
    if free:
        message = "Ending is still free: no sums."
        return FREE_SETTLEMENT, [] if summary is None else [("summary", message)]
    if summary is None:
        message = "Required once anything was handed over, or 24 hours after the confirmation."
        return FREE_SETTLEMENT, [("summary", message)]
    return settle(summary, items)


def settle(
    summary: Values, items: Sequence[SettlementItem]
) -> tuple[Settlement, list[tuple[str, str]]]:
    """Return the settlement that a summary makes of the items, and the summary's faults."""
    items = _refund_unopened(summary, items)
    made, named, faults = _settle_named(summary, items)
    faults.extend(_find_unopened_faults(summary, items, made.returned))
    for item in items:
        if item.costs is not None and item.reference_uuid not in named:
            text = f"Item {item.reference_uuid} was handed over: name it as kept or as returned."
            faults.append(("summary", text))
    return made, faults + list(_find_amount_faults(summary, made, complete=not faults))


def _settle_named(
    summary: Values, items: Sequence[SettlementItem]
) -> tuple[Settlement, set[str], list[tuple[str, str]]]:
    """Return the settlement of the items that the summary names, their ids, and faults."""
    kept: dict[str, int] = {}
    returned: dict[str, int] = {}
    named: set[str] = set()
    faults: list[tuple[str, str]] = []
    by_uuid = _group_items(items)
    for name, costs in (("kept_items", kept), ("returned_items", returned)):
        for index, uuid in enumerate(summary[name]):
            meant = by_uuid.get(uuid, [])
            uuids = {item.reference_uuid for item in meant}
            path = f"summary.{name}.{index}"
            if not meant:
                faults.append((path, "Must be the reference_uuid of an item of the cart."))
            elif named & uuids:
                faults.append((path, "An item may be named once."))
            elif costs is kept and any(item.costs is None for item in meant):
                faults.append((path, "Was not handed over, so it cannot be kept."))
            named |= uuids
            for item in meant:
                if item.costs is not None:
                    costs[item.reference_uuid] = (
                        item.costs.kept if costs is kept else item.costs.returned
                    )
    return Settlement(kept, returned), named, faults


def _refund_unopened(summary: Values, items: Sequence[SettlementItem]) -> list[SettlementItem]:
    """Return the items, with those that are named as unopened costing nothing to return."""
    unopened = set(summary["unopened_items"])

    def refund(item: SettlementItem) -> SettlementItem:
        is_named = not unopened.isdisjoint((item.reference_uuid, item.package))
        if item.costs is None or not item.is_free_if_unopened or not is_named:
            return item
        return item._replace(costs=item.costs._replace(returned=0))

    return [refund(item) for item in items]


def _find_unopened_faults(
    summary: Values, items: Sequence[SettlementItem], returned: Mapping[str, int]
) -> Iterator[tuple[str, str]]:
    message = "Must be a returned contact lens, while the merchant's days of withdrawal run."
    by_uuid = _group_items([item for item in items if item.is_free_if_unopened and item.costs])
    for index, uuid in enumerate(summary["unopened_items"]):
        meant = by_uuid.get(uuid, [])
        if not meant or any(item.reference_uuid not in returned for item in meant):
            yield f"summary.unopened_items.{index}", message


def _group_items(items: Sequence[SettlementItem]) -> dict[str, list[SettlementItem]]:
    """Group the items under the uuids that name them: their own, and their package's."""
    by_uuid: dict[str, list[SettlementItem]] = {}
    for item in items:
        for uuid in (item.reference_uuid, item.package):
            if uuid is not None:
                by_uuid.setdefault(uuid, []).append(item)
    return by_uuid


def _find_amount_faults(
    summary: Values, made: Settlement, *, complete: bool
) -> Iterator[tuple[str, str]]:
    fee = summary["purchase_fee"]
    if not 0 <= fee <= MAX_MONEY:
        yield "summary.purchase_fee", f"Must be from 0 to {MAX_MONEY}."
    elif complete:
        total = fee + sum(made.kept.values()) + sum(made.returned.values())
        if summary["total_to_pay"] != total:
            yield "summary.total_to_pay", f"Must be {total}: the fee and the costs of all items."
