"""What is known of one subscription at a moment: its row, its items, its boxes and its time."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from functools import cached_property
from typing import Any
from zoneinfo import ZoneInfo

from sqlalchemy import Connection, Row

from subscriptions_svc.rules.carts import CONTACT_LENS, MATERIAL, PACKAGE
from subscriptions_svc.rules.changes import EYES_OF, Exchanges
from subscriptions_svc.rules.settlements import Costs, Item, costs
from subscriptions_svc.rules.subscriptions import status_at
from subscriptions_svc.rules.years import current_month, months_passed, year_of
from subscriptions_svc.store import cart_items as carts
from subscriptions_svc.store.box_counters import Tally


class Torn(Exception):
    """A subscription has changed between the reading of its row and that of its items."""


class View:
    """A subscription as it stands at `now`."""

    def __init__(
        self, row: Row[Any], items: Sequence[Row[Any]], tallies: Mapping[str, Tally], now: datetime
    ) -> None:
        self.row = row
        self.every = items
        self.items = [item for item in items if item.removed_in is None]
        self.tallies = tallies
        self.now = now
        self.tz = ZoneInfo(row.time_zone)
        self.status = status_at(row.status, row.renewal_at, now)
        self.year = year_of(row.activated_at, now, self.tz)
        self.month = current_month(row.activated_at, now, self.tz, row.total_months)

    def tally(self, item: Any) -> Tally:
        """The boxes of an item."""
        return self.tallies.get(item.id, Tally())

    @cached_property
    def by_id(self) -> dict[str, Row[Any]]:
        """The items of the cart in force."""
        return {item.id: item for item in self.items}

    @cached_property
    def exchanges(self) -> Exchanges:
        """The exchanges so far: carts that took out glasses, or the lens of an eye."""
        glasses: set[str] = set()
        of_eyes: dict[str, set[str]] = {}
        for item in self.every:
            if item.removed_in is not None and item.type == MATERIAL:
                glasses.add(item.removed_in)
            elif item.removed_in is not None and item.type == CONTACT_LENS:
                for eye in EYES_OF[item.eye]:
                    of_eyes.setdefault(eye, set()).add(item.removed_in)
        began = self.row.activated_at
        return Exchanges(
            months=0 if began is None else months_passed(began, self.now, self.tz),
            in_first_year=self.row.first_year_exchanges,
            of_glasses=len(glasses),
            of_eyes={eye: len(times) for eye, times in of_eyes.items()},
        )

    def exchangeable(self, item: Any) -> bool:
        """Whether the exchange of an item is due; packages are exchanged with what is inside."""
        return item.type != PACKAGE and self.exchanges.allow(
            item.type, item.eye, item.exchange_cycle
        )

    def costs(self, item: Any) -> Costs | None:
        """What ending costs for an item; None when it was not handed over, as for a package."""
        if item.type == PACKAGE or item.activated_at is None:
            return None
        package = self.by_id.get(item.parent_id)
        pieces = item.quantity * (package.quantity if package else 1)
        return costs(item.subscription_price * pieces, self.month, self.year, self.row.total_months)

    def settled(self) -> list[Item]:
        """The items of which a cancellation has to tell."""
        return [
            Item(
                item.reference_uuid,
                self.by_id[item.parent_id].reference_uuid if item.parent_id else None,
                self.costs(item),
            )
            for item in self.items
            if item.type != PACKAGE
        ]


def views(tx: Connection, rows: Sequence[Row[Any]], now: datetime) -> list[View]:
    """What is known of each subscription, by one query for all of them; raises Torn.

    Boxes handed over since the row was read only make fewer remain, which is the newer truth.
    """
    by_id, every = {row.id: row for row in rows}, {row.id: list[Row[Any]]() for row in rows}
    years = {row.id: year_of(row.activated_at, now, ZoneInfo(row.time_zone)) for row in rows}
    tallies: dict[str, Tally] = {}
    for item in carts.items_of(tx, list(every)):
        row, items = by_id[item.subscription_id], every[item.subscription_id]
        if (item.of_cart, item.of_status) != (row.cart_id, row.status):
            raise Torn
        if not items or items[-1].id != item.id:
            items.append(item)
        if item.year is not None:
            tallies[item.id] = tallies.get(item.id, Tally()).with_year(item, years[row.id])
    return [View(row, every[row.id], tallies, now) for row in rows]
