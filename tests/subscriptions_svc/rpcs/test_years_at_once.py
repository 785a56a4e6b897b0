"""Years change while boxes are handed over: no box in the wrong year, none over a cap.

The clock moves on with every look at it, over an anniversary at midnight of the merchant's zone,
while threads hand over boxes and carts change. Afterwards the ledger is read against the calendar.
"""

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from itertools import count
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from grpc import RpcError
from sqlalchemy import select

from protos.subscriptions_pb2 import Subscription
from subscriptions_svc import reference
from subscriptions_svc.rules.years import compute_anniversary, to_start_of_day
from subscriptions_svc.store.box_deliveries import find_wrong_counters
from subscriptions_svc.store.tables import box_counters, box_deliveries, cart_items, merchants
from tests.serving import Served, decode
from tests.subscriptions_svc.bodies import build_lens, build_package
from tests.subscriptions_svc.shop import (
    build_delivery,
    change_cart,
    create_activated,
    get,
    list_lenses,
    pay,
)

CAP = 12
# Zones and activations: summer time, a midnight that clocks skip, 29 February, days that
# are another in UTC, half hours.
ANCHORS = [
    ("Europe/Madrid", datetime(2026, 3, 29, 0, 30, tzinfo=UTC)),
    ("Europe/Madrid", datetime(2028, 2, 29, 23, 30, tzinfo=UTC)),
    ("America/Havana", datetime(2025, 3, 8, 12, tzinfo=UTC)),
    ("America/Santiago", datetime(2026, 9, 6, 12, tzinfo=UTC)),
    ("Asia/Kolkata", datetime(2028, 2, 29, 12, tzinfo=UTC)),
    ("Pacific/Kiritimati", datetime(2026, 12, 31, 9, 59, tzinfo=UTC)),
]


class MovingClock:
    """A clock that advances with every reading."""

    def __init__(self, start: datetime, step: timedelta) -> None:
        self.start, self.step, self.looks, self.lock = start, step, count(), threading.Lock()

    def __call__(self) -> datetime:
        with self.lock:
            return self.start + next(self.looks) * self.step


@pytest.fixture(params=ANCHORS, ids=lambda each: f"{each[0]} {each[1]:%m-%d}")
def anchor(subscriptions: Served, request: pytest.FixtureRequest) -> Iterator[datetime]:
    """The moment of the activation; the merchant is in the zone."""
    zone, moment = request.param
    set_zone(subscriptions, zone)
    yield moment
    subscriptions.clock.moves = None
    set_zone(subscriptions, "Europe/Madrid")


def set_zone(served: Served, zone: str) -> None:
    merchant = {"id": "tienda_moderna", "store_refs": ["tienda_moderna"], "time_zone": zone}
    with served.database.write() as tx:
        reference.load(tx, reference.REFERENCE.load({"merchants": [merchant]}))


def read_zone(served: Served) -> ZoneInfo:
    with served.database.read() as tx:
        rows = tx.execute(select(merchants)).all()
    return ZoneInfo(next(row.time_zone for row in rows if row.id == "tienda_moderna"))


def build_eyes(**changes: Any) -> Any:
    changes = {"box_count": CAP, "exchange_cycle": 1, **changes}
    return build_package(build_lens("left", **changes), build_lens("right", **changes))


def hand_over(served: Served, subscription_id: str) -> None:
    """Boxes of whatever lens is in the cart now; refusals are of the cap, or of an old lens."""
    for item in list_lenses(get(served, subscription_id)):
        request = build_delivery(subscription_id, (item.reference_uuid, 1))
        try:
            served.call("CreateBoxDeliveries", request)
        except RpcError as error:
            reason = decode(error).reason
            if reason not in ("OVER_DELIVERY", "INVALID"):
                raise


def prove(served: Served, made: Subscription, tz: ZoneInfo) -> dict[tuple[int, str], int]:
    """Check the ledger against the calendar; returns boxes by year and eye."""
    began = made.activated_at.ToDatetime(UTC)
    handed_over: dict[tuple[int, str], int] = {}
    with served.database.read() as tx:
        assert find_wrong_counters(tx) == []
        ledger = select(box_deliveries, cart_items.c.eye).join(
            cart_items, cart_items.c.id == box_deliveries.c.item_id
        )
        of = box_deliveries.c.subscription_id == made.id
        for row in tx.execute(ledger.where(of)):
            first = to_start_of_day(compute_anniversary(began, row.year - 1, tz), tz)
            after = to_start_of_day(compute_anniversary(began, row.year, tz), tz)
            assert row.delivered_at < after, row
            assert row.year == 1 or first <= row.delivered_at, row
            key = (row.year, row.eye)
            handed_over[key] = handed_over.get(key, 0) + row.quantity
        counters = (
            select(box_counters).join(cart_items).where(cart_items.c.subscription_id == made.id)
        )
        for counter in tx.execute(counters):
            assert counter.delivered <= counter.box_count
    assert all(boxes_ <= CAP for boxes_ in handed_over.values())
    return handed_over


def test_the_year_changes_at_midnight_of_the_merchants_zone(
    subscriptions: Served, body: Any, anchor: datetime
) -> None:
    tz = read_zone(subscriptions)
    made = create_activated(subscriptions, body, anchor, cart_items=[build_eyes()])
    midnight = to_start_of_day(compute_anniversary(anchor, 1, tz), tz)
    left = list_lenses(made)[0].reference_uuid
    told = []
    for moment in (midnight - timedelta(microseconds=1), midnight):
        with subscriptions.clock.at(moment):
            answer = subscriptions.call("CreateBoxDeliveries", build_delivery(made.id, (left, 1)))
            found = get(subscriptions, made.id)
        assert list_lenses(found)[0].delivered_boxes == answer.deliveries[0].delivered_boxes
        told.append((answer.deliveries[0].delivered_boxes, found.current_month))
    assert told == [(1, 12), (1, 13)]
    assert prove(subscriptions, made, tz) == {(1, "left"): 1, (2, "left"): 1}


def test_the_year_changes_while_boxes_are_handed_over(
    subscriptions: Served, body: Any, anchor: datetime
) -> None:
    tz = read_zone(subscriptions)
    made = create_activated(subscriptions, body, anchor, cart_items=[build_eyes()])
    midnight = to_start_of_day(compute_anniversary(anchor, 1, tz), tz)
    # Some 50 boxes of an eye are asked for on either side: the service's loops move the clock too.
    start_moving_clock(subscriptions, midnight - timedelta(seconds=200))
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda _: hand_over(subscriptions, made.id), range(100)))
    subscriptions.clock.moves = None
    handed_over = prove(subscriptions, made, tz)
    assert handed_over == {(year, eye): CAP for year in (1, 2) for eye in ("left", "right")}


def test_the_year_changes_while_carts_change_and_boxes_are_handed_over(
    subscriptions: Served, body: Any
) -> None:
    anchor = datetime(2028, 2, 29, 23, 30, tzinfo=UTC)  # 1 March in Madrid
    tz = read_zone(subscriptions)
    made = create_activated(subscriptions, body, anchor, cart_items=[build_eyes()])
    midnight = to_start_of_day(compute_anniversary(anchor, 1, tz), tz)
    pay(subscriptions, made.id)
    start_moving_clock(subscriptions, midnight - timedelta(seconds=100))

    def work(turn: int) -> None:
        if turn % 6 == 5:
            try:
                change_cart(subscriptions, made.id, build_eyes(reference=str(turn)))
            except RpcError as error:  # no exchange is due any more, or another came first
                if decode(error).reason not in ("NOT_ALLOWED", "INVALID"):
                    raise
        else:
            hand_over(subscriptions, made.id)

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(work, range(60)))
    subscriptions.clock.moves = None
    handed_over = prove(subscriptions, made, tz)
    assert {year for year, _ in handed_over} == {1, 2}
    with subscriptions.clock.at(midnight + timedelta(days=1)):
        found = get(subscriptions, made.id)
    assert len({row[0] for row in subscriptions.rows()["cart_items"] if row[2] == made.id}) > 3
    for item in list_lenses(found):
        assert item.delivered_boxes == handed_over.get((2, item.product_data.eye), 0)


def start_moving_clock(served: Served, start: datetime) -> None:
    """Let the clock advance by a second with every reading."""
    served.clock.moves = MovingClock(start, timedelta(seconds=1))
