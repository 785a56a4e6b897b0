"""One subscription at a moment: its row, its items, its boxes and its time."""

from collections.abc import Callable, Mapping, Sequence
from datetime import date, datetime
from functools import cached_property
from typing import Any, TypeVar
from zoneinfo import ZoneInfo

from sqlalchemy import Connection, Row

from chassis.errors import WrongState
from chassis.store.database import Database
from subscriptions_svc.rules.agreements.terms import Term
from subscriptions_svc.rules.available_actions import State, find_available_actions
from subscriptions_svc.rules.carts import CONTACT_LENS, MATERIAL, PACKAGE
from subscriptions_svc.rules.changes import COVERED_EYES, Exchanges
from subscriptions_svc.rules.prescriptions.policies import (
    CountryPolicy,
    Hindrance,
    OnFile,
    Policy,
    find_country_policy,
    find_hindrance,
)
from subscriptions_svc.rules.settling.settlements import Costs, SettlementItem, compute_costs
from subscriptions_svc.rules.settling.withdrawals import (
    HYGIENE_GOODS,
    Progress,
    is_free,
    is_refundable,
)
from subscriptions_svc.rules.shapes import MAX_ITEMS
from subscriptions_svc.rules.statuses import PaymentStatus, Status, derive_status
from subscriptions_svc.rules.years import compute_month, compute_year, count_months
from subscriptions_svc.store.box_deliveries import NO_BOXES, Tally
from subscriptions_svc.store.cart_items import find_own_with_items, read_items
from subscriptions_svc.store.lenses.prescriptions import get_verification

T = TypeVar("T")
NOT_ALLOWED = "NOT_ALLOWED"


class TornRead(Exception):
    """A subscription has changed between the reading of its row and that of its items."""


class View:
    """A subscription as it stands at `now`."""

    def __init__(
        self,
        row: Row[Any],
        all_items: Sequence[Row[Any]],
        tallies: Mapping[str, Tally],
        now: datetime,
    ) -> None:
        self.row = row
        self.all_items = all_items  # including those taken out
        self.items = [item for item in all_items if item.removed_in is None]
        self.tallies = tallies
        self.now = now
        self.tz = ZoneInfo(row.time_zone)
        self.status = derive_status(row.status, row.renewal_at, now)
        self.year = compute_year(row.activated_at, now, self.tz)
        # A cancelled one is not renewed.
        renewal_months = 0 if self.status == Status.CANCELLED else row.renewal_months
        self.term = Term(row.total_months, renewal_months)
        self.total_months = self.term.count_months_begun(row.activated_at, now, self.tz)
        self.month = compute_month(row.activated_at, now, self.tz, self.total_months)

    @cached_property
    def renewal_at(self) -> datetime | None:
        """When the months are over that have begun: it is renewed then, or it ends."""
        return self.term.compute_renewal(self.row.activated_at, self.now, self.tz)

    @property
    def monthly_price(self) -> int:
        """What the cart in force costs a month; its packages cost the sum over their items."""
        outer = (item for item in self.items if item.parent_id is None)
        return sum(item.subscription_price * item.quantity for item in outer)

    def find_extended_term(self) -> Term:
        """Return the term once a change of today is in force."""
        return self.term.extend(self.total_months, self.year, self.row.extended_year)

    @cached_property
    def progress(self) -> Progress:
        """What decides whether ending is free."""
        row = self.row
        return Progress(row.confirmed_at, row.first_delivery_at, row.withdrawal_days)

    @cached_property
    def is_free(self) -> bool:
        """Whether ending now is an early withdrawal."""
        return is_free(self.progress, self.now)

    @cached_property
    def is_refundable(self) -> bool:
        """Whether the merchant's days of withdrawal run, which began with the first delivery."""
        return is_refundable(self.progress, self.now, self.tz)

    def is_handed_over(self, item: Any) -> bool:
        """Whether an item, or any box of it or of a lens that it replaced, was handed over."""
        return item.activated_at is not None or self.find_tally(item).last_delivered_at is not None

    def find_tally(self, item: Any) -> Tally:
        """Return the boxes of an item."""
        return self.tallies.get(item.id, NO_BOXES)

    @cached_property
    def country_policy(self) -> CountryPolicy:
        """What the law of the merchant's country wants of prescriptions."""
        return find_country_policy(self.row.country)

    def find_on_file(self, item: Any) -> OnFile | None:
        """Return what decides about the prescription of an item, if it has one."""
        if getattr(item, "version", None) is None:
            return None
        return OnFile(item.expires_on, item.time_zone, get_verification(item))

    def find_next_expiry(self) -> date | None:
        """Return the last day of the prescription that expires next, of those that count."""
        days = []
        for item in self.items:
            on_file = self.find_on_file(item)
            if on_file and not on_file.has_expired(self.now) and not on_file.is_refused():
                days.append(on_file.expires_on)
        return min(days, default=None)

    def find_hindrance(self, item: Any) -> Hindrance | None:
        """Return why boxes of a lens are refused, or warned of, by the merchant's policy."""
        policy = Policy(self.row.prescription_policy)
        return find_hindrance(self.find_on_file(item), policy, self.country_policy, self.now)

    @cached_property
    def by_id(self) -> dict[str, Row[Any]]:
        """The items of the cart in force."""
        return {item.id: item for item in self.items}

    @cached_property
    def exchanges(self) -> Exchanges:
        """The exchanges so far: carts that took out glasses, or the lens of an eye."""
        glasses: set[str] = set()
        of_eyes: dict[str, set[str]] = {}
        for item in self.all_items:
            if item.removed_in is not None and item.type == MATERIAL:
                glasses.add(item.removed_in)
            elif item.removed_in is not None and item.type == CONTACT_LENS:
                for eye in COVERED_EYES[item.eye]:
                    of_eyes.setdefault(eye, set()).add(item.removed_in)
        began = self.row.activated_at
        return Exchanges(
            months=0 if began is None else count_months(began, self.now, self.tz),
            in_first_year=self.row.first_year_exchanges,
            of_glasses=len(glasses),
            of_eyes={eye: len(carts) for eye, carts in of_eyes.items()},
        )

    def is_exchangeable(self, item: Any) -> bool:
        """Whether the exchange of an item is due; a package is exchanged by its items."""
        return item.type != PACKAGE and self.exchanges.allow(
            item.type, item.eye, item.exchange_cycle
        )

    def compute_costs(self, item: Any) -> Costs | None:
        """Return what ending costs for an item; None for a package and before it is handed over."""
        if item.type == PACKAGE or not self.is_handed_over(item):
            return None
        package = self.by_id.get(item.parent_id)
        pieces = item.quantity * (package.quantity if package else 1)
        monthly = item.subscription_price * pieces
        costs = compute_costs(monthly, self.month, self.year, self.total_months)
        if self.is_refundable and item.type not in HYGIENE_GOODS:
            return costs._replace(returned=0)
        return costs

    def list_settlement_items(self) -> list[SettlementItem]:
        """Return the items that a cancellation settles."""
        return [
            SettlementItem(
                item.reference_uuid,
                self.by_id[item.parent_id].reference_uuid if item.parent_id else None,
                self.compute_costs(item),
                is_free_if_unopened=self.is_refundable and item.type in HYGIENE_GOODS,
            )
            for item in self.items
            if item.type != PACKAGE
        ]

    def find_available_actions(self) -> dict[str, bool]:
        """Return whether each action is allowed now."""
        row = self.row
        lenses = [item for item in self.items if item.type == CONTACT_LENS]
        state = State(
            status=self.status,
            progress=self.progress,
            payment_status=PaymentStatus(row.payment_status),
            country=row.country,
            email=row.email,
            has_phone=bool(row.mobile_phone),
            email_count=row.email_count,
            sms_count=row.sms_count,
            sms_resets=row.sms_resets,
            renewal_months=row.renewal_months,
            has_lenses=bool(lenses),
            has_pending_cart=row.pending_id is not None,
            has_room=sum(item.parent_id is None for item in self.items) < MAX_ITEMS,
            exchangeable_items=sum(self.is_exchangeable(item) for item in self.items),
            pending_items=sum(item.activated_at is None for item in self.items),
            active_materials=sum(
                item.type == MATERIAL and item.activated_at is not None for item in self.items
            ),
            remaining_boxes=sum(
                max(0, item.box_count - self.find_tally(item).delivered)
                for item in lenses
                if not is_refused(self.find_hindrance(item))
            ),
        )
        return find_available_actions(state, self.now)


def is_refused(hindrance: Hindrance | None) -> bool:
    """Whether what was found about a lens keeps its boxes from being handed over."""
    return hindrance is not None and hindrance.refuses


def ensure_allowed(view: View, action: str) -> None:
    """Raise WrongState unless an action is available."""
    if not view.find_available_actions()[action]:
        message = (
            f"available_actions.{action} is false: the subscription's state does not allow it."
        )
        raise WrongState(message, reason=NOT_ALLOWED)


def ensure_active(view: View) -> None:
    """Raise WrongState unless the subscription is active."""
    if view.status is not Status.ACTIVE:
        raise WrongState("The subscription is not active.", reason=NOT_ALLOWED)


def ensure_exchangeable(view: View, kept: set[str]) -> None:
    """Raise WrongState unless the items that are not kept may be taken out now."""
    taken_out = [item for item in view.items if item.id not in kept and item.type != PACKAGE]
    if not taken_out:
        return
    if view.row.payment_status != PaymentStatus.PAID:
        raise WrongState("An exchange needs a paid subscription.", reason=NOT_ALLOWED)
    for item in taken_out:
        if not view.is_exchangeable(item):
            message = f"No exchange of item {item.reference_uuid} is due."
            raise WrongState(message, reason=NOT_ALLOWED)


def read_view(tx: Connection, row: Row[Any], now: datetime) -> View:
    """Return the view of one subscription; raises TornRead."""
    return read_views(tx, [row], now)[0]


def read_views(tx: Connection, rows: Sequence[Row[Any]], now: datetime) -> list[View]:
    """Return the views of subscriptions, by one query for all of them; raises TornRead.

    Boxes handed over after the row was read are counted, too: they only leave fewer.
    """
    by_id, items_by_id = {row.id: row for row in rows}, {row.id: list[Row[Any]]() for row in rows}
    for item in read_items(tx, list(by_id)):
        row = by_id[item.subscription_id]
        if (item.subscription_cart_id, item.subscription_status) != (row.cart_id, row.status):
            raise TornRead
        items_by_id[item.subscription_id].append(item)
    return [_build_view(row, items_by_id[row.id], now) for row in rows]


def read_own_view(tx: Connection, subscription_id: str, now: datetime) -> View:
    """Return the view of a subscription of the caller's merchants, by one query.

    Raises NotFound, or Unauthenticated.
    """
    return _build_view(*find_own_with_items(tx, subscription_id), now)


def _build_view(row: Row[Any], found: Sequence[Row[Any]], now: datetime) -> View:
    """Return a view; each item is found once for each year with boxes."""
    year = compute_year(row.activated_at, now, ZoneInfo(row.time_zone))
    items: list[Row[Any]] = []
    tallies: dict[str, Tally] = {}
    for item in found:
        if not items or items[-1].id != item.id:
            items.append(item)
        if item.year is not None:
            tallies[item.id] = tallies.get(item.id, NO_BOXES).add_year(item, year)
    return View(row, items, tallies, now)


def read_snapshot(database: Database, read: Callable[[Connection], T]) -> T:
    """Read subscriptions, each as it was at one moment.

    On PostgreSQL every statement sees what was committed before it. A transaction on one snapshot
    costs two more round trips, a seventh of all reads a second, so it only repeats a torn read.
    """
    try:
        with database.read() as tx:
            return read(tx)
    except TornRead:
        with database.stream() as tx:
            return read(tx)
