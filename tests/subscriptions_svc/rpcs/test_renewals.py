"""Over 48 months, on both engines: renewals by the month, extensions, and the end."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from dateutil.relativedelta import relativedelta
from google.protobuf.json_format import MessageToDict

from protos.subscriptions_pb2 import ExtendPeriodRequest, ListSubscriptionsRequest, Subscription
from subscriptions_svc import reference
from subscriptions_svc.actions.advance_by_time import advance_by_time
from subscriptions_svc.rules.years import to_start_of_day
from subscriptions_svc.store.tables import subscriptions as subscriptions_table
from tests.serving import Served
from tests.subscriptions_svc.bodies import build_material
from tests.subscriptions_svc.payments import list_payments
from tests.subscriptions_svc.shop import (
    build_delivery,
    build_ending,
    change_cart,
    create_activated,
    get,
    list_boxes,
    list_lenses,
    pay,
    propose,
    solicit,
)
from tests.subscriptions_svc.shopper import look

START = datetime(2026, 3, 1, 12, tzinfo=UTC)
MOMENT = timedelta(microseconds=1)
MERCHANT = {"id": "tienda_moderna", "name": "Tienda Moderna", "store_refs": ["tienda_moderna"]}
# Activation, zone, and the local days of the months 24, 25 and 48.
STORIES = [
    (datetime(2024, 2, 29, 12, tzinfo=UTC), "Europe/Madrid", "2026-02-28 2026-03-29 2028-02-29"),
    (datetime(2026, 3, 29, 0, 59, tzinfo=UTC), "Europe/Madrid", "2028-03-29 2028-04-29 2030-03-29"),
    (
        datetime(2026, 11, 1, 5, 30, tzinfo=UTC),
        "America/New_York",
        "2028-11-01 2028-12-01 2030-11-01",
    ),
    (datetime(2026, 12, 30, 11, tzinfo=UTC), "Pacific/Apia", "2028-12-31 2029-01-31 2030-12-31"),
]


@contextmanager
def set_terms(served: Served, **terms: Any) -> Iterator[None]:
    """Load the demo merchant with other terms for a while."""

    def load(merchant: dict[str, Any]) -> None:
        with served.database.write() as tx:
            reference.load(tx, reference.REFERENCE.load({"merchants": [merchant]}))

    load({**MERCHANT, **terms})
    try:
        yield
    finally:
        load(MERCHANT)


def to_utc(stamp: Any) -> datetime:
    moment: datetime = stamp.ToDatetime(UTC)
    return moment


def read_time(found: Subscription) -> tuple[str, int, int]:
    return found.status, found.current_month, found.total_months


def read_at(served: Served, made: Subscription, moment: datetime) -> Subscription:
    with served.clock.at(moment):
        return get(served, made.id)


def list_ids(served: Served, made: Subscription, status: str) -> list[str]:
    request = ListSubscriptionsRequest(status=status, search=made.reference)
    return [each.id for each in served.call("ListSubscriptions", request).data]


@pytest.mark.parametrize(("began", "zone", "days"), STORIES, ids=str)
def test_it_is_renewed_month_by_month_and_ends_after_48(
    subscriptions: Served, body: Any, began: datetime, zone: str, days: str
) -> None:
    with set_terms(subscriptions, time_zone=zone, renewal_months=24):
        made = read_at(subscriptions, create_activated(subscriptions, body, began), began)
        renewals, months = [to_utc(made.renewal_at)], [made.current_month]
        while True:
            with subscriptions.clock.at(renewals[-1] - MOMENT):
                before = get(subscriptions, made.id)
                assert read_time(before) == ("active", 23 + len(renewals), 23 + len(renewals))
                assert list_ids(subscriptions, made, "active") == [made.id]
                assert list_ids(subscriptions, made, "finished") == []
            advance_by_time(subscriptions.database, renewals[-1])
            with subscriptions.clock.at(renewals[-1]):
                after = get(subscriptions, made.id)
                if after.status == "finished":
                    assert list_ids(subscriptions, made, "active") == []
                    assert list_ids(subscriptions, made, "finished") == [made.id]
                    break
            renewals.append(to_utc(after.renewal_at))
            months.append(after.current_month)
        assert months == [1, *range(25, 49)]
        assert read_time(after) == ("finished", 48, 48)
        assert MessageToDict(after.available_actions) == {}
        local = [each.astimezone(ZoneInfo(zone)) for each in renewals]
        assert {(each.hour, each.minute) for each in local} == {(0, 0)}
        assert " ".join(f"{local[index]:%Y-%m-%d}" for index in (0, 1, 24)) == days


def test_without_the_merchants_terms_it_ends_after_24(subscriptions: Served, body: Any) -> None:
    made = create_activated(subscriptions, body, START)
    # Terms that come later are not those that its shopper has confirmed.
    with set_terms(subscriptions, renewal_months=24):
        found = read_at(subscriptions, made, to_utc(made.renewal_at))
    assert read_time(found) == ("finished", 24, 24)
    assert found.renewal_at == made.renewal_at


def test_terms_that_were_confirmed_hold(subscriptions: Served, body: Any) -> None:
    with set_terms(subscriptions, renewal_months=2):
        made = create_activated(subscriptions, body, START)
    assert read_time(read_at(subscriptions, made, to_utc(made.renewal_at))) == ("active", 25, 25)
    found = read_at(subscriptions, made, datetime(2028, 5, 1, tzinfo=UTC))
    assert read_time(found) == ("finished", 26, 26)
    assert to_utc(found.renewal_at) == datetime(2028, 4, 30, 22, tzinfo=UTC)


def test_the_merchant_may_grant_24_renewals_and_no_more() -> None:
    for wrong in (25, -1, "1", 1.5):
        merchant = {**MERCHANT, "renewal_months": wrong}
        assert reference.REFERENCE.validate({"merchants": [merchant]})


def test_boxes_of_the_third_and_fourth_year_are_counted_as_before(
    subscriptions: Served, body: Any
) -> None:
    with set_terms(subscriptions, renewal_months=24):
        made = create_activated(subscriptions, body, START)
    left = list_lenses(made)[0].reference_uuid
    one_more = build_delivery(made.id, (left, 1))
    for year in (2026, 2027, 2028, 2029):
        with subscriptions.clock.at(START.replace(year=year)):
            subscriptions.call("CreateBoxDeliveries", build_delivery(made.id, (left, 4)))
            failure = subscriptions.refusal("CreateBoxDeliveries", one_more)
            assert failure.reason == "OVER_DELIVERY"
            found = get(subscriptions, made.id)
        assert list_boxes(found) == [(4, 0), (0, 4)]
        # Of the other lens none was handed over: it is due since the year began.
        assert found.next_delivery_date == f"{year}-03-01"
    with subscriptions.clock.at(datetime(2030, 3, 1, tzinfo=UTC)):
        failure = subscriptions.refusal("CreateBoxDeliveries", one_more)
    assert failure.reason == "WRONG_STATE"


def test_ending_a_renewed_month_costs_nothing(subscriptions: Served, body: Any) -> None:
    with set_terms(subscriptions, renewal_months=24):
        made = create_activated(subscriptions, body, START)
    with subscriptions.clock.at(datetime(2028, 6, 15, tzinfo=UTC)):
        found = get(subscriptions, made.id)
        (package,) = found.last_persisted_cart.cart_items
        assert package.cancellation_cost_kept.value == 0
        assert package.cancellation_cost_returned.value == 0
        subscriptions.call("CancelSubscription", build_ending(found))
    late = read_at(subscriptions, made, datetime(2029, 1, 1, tzinfo=UTC))
    assert read_time(late) == ("cancelled", 24, 24)
    assert late.renewal_at == made.renewal_at


def test_a_change_after_month_12_extends_by_12_once_a_year(
    subscriptions: Served, body: Any
) -> None:
    made = create_activated(subscriptions, body, START)
    pay(subscriptions, made.id)
    kept = made.last_persisted_cart.cart_items[0].id
    with subscriptions.clock.at(datetime(2027, 2, 27, tzinfo=UTC)):  # the last days of month 12
        found = change_cart(subscriptions, made.id, kept, build_material())
        assert read_time(found) == ("active", 12, 24)
    items = [each.id for each in found.last_persisted_cart.cart_items]
    with subscriptions.clock.at(datetime(2027, 3, 1, tzinfo=UTC)):
        code = propose(subscriptions, made)
        page = look(subscriptions, code)
        assert (page.total_months, page.extension_months) == (36, 12)
        assert read_time(get(subscriptions, made.id)) == ("active", 13, 24)
        found = change_cart(subscriptions, made.id, *items, build_material(reference="SUN-2"))
        assert read_time(found) == ("active", 13, 36)
        assert to_utc(found.renewal_at) == datetime(2029, 2, 28, 23, tzinfo=UTC)
        items = [each.id for each in found.last_persisted_cart.cart_items]
        page = look(subscriptions, propose(subscriptions, made))
        assert (page.total_months, page.extension_months) == (36, 0)
        found = change_cart(subscriptions, made.id, *items, build_material(reference="SUN-3"))
        assert read_time(found) == ("active", 13, 36)
    items = [each.id for each in found.last_persisted_cart.cart_items]
    with subscriptions.clock.at(datetime(2028, 3, 1, tzinfo=UTC)):
        found = change_cart(subscriptions, made.id, *items, build_material(reference="SUN-4"))
        assert read_time(found) == ("active", 25, 48)
    assert read_at(subscriptions, made, datetime(2030, 2, 28, tzinfo=UTC)).status == "active"
    over = datetime(2030, 2, 28, 23, tzinfo=UTC)
    assert read_at(subscriptions, made, over).status == "finished"
    advance_by_time(subscriptions.database, over)
    assert read_time(read_at(subscriptions, made, over)) == ("finished", 48, 48)


def test_a_change_in_a_renewed_month_extends_from_there(subscriptions: Served, body: Any) -> None:
    with set_terms(subscriptions, renewal_months=24):
        made = create_activated(subscriptions, body, START)
    kept = made.last_persisted_cart.cart_items[0].id
    with subscriptions.clock.at(datetime(2028, 9, 1, 12, tzinfo=UTC)):
        assert read_time(get(subscriptions, made.id)) == ("active", 31, 31)
        found = change_cart(subscriptions, made.id, kept, build_material())
        assert read_time(found) == ("active", 31, 43)
        pay(subscriptions, made.id)
        page = look(subscriptions, propose(subscriptions, made))
        assert (page.total_months, page.extension_months, page.renewal_months) == (43, 0, 24)


def test_a_change_that_extends_nothing_keeps_the_renewed_months(
    subscriptions: Served, body: Any
) -> None:
    with set_terms(subscriptions, renewal_months=24):
        made = create_activated(subscriptions, body, START)
    with subscriptions.clock.at(datetime(2028, 9, 1, 12, tzinfo=UTC)):
        with subscriptions.database.write() as tx:
            of = subscriptions_table.c.id == made.id
            tx.execute(subscriptions_table.update().where(of).values(extended_year=3))
        page = look(subscriptions, propose(subscriptions, made))
    assert (page.total_months, page.extension_months, page.renewal_months) == (31, 0, 17)


def test_the_page_of_a_cart_tells_the_renewals(subscriptions: Served, body: Any) -> None:
    with set_terms(subscriptions, renewal_months=24):
        made = solicit(subscriptions, body)
    page = look(subscriptions, made.last_persisted_cart.code)
    assert (page.total_months, page.renewal_months) == (24, 24)


@pytest.mark.parametrize(("began", "zone", "days"), STORIES, ids=str)
def test_each_month_has_its_payment_and_none_comes_after_the_end(
    subscriptions: Served, body: Any, began: datetime, zone: str, days: str
) -> None:
    terms = {"time_zone": zone, "renewal_months": 20, "monthly_payments": True}
    with set_terms(subscriptions, **terms):
        made = create_activated(subscriptions, body, began)
        with subscriptions.clock.at(began + timedelta(days=40)):
            subscriptions.call(
                "ExtendPeriod", ExtendPeriodRequest(subscription_id=made.id, months=4)
            )
        local = began.astimezone(ZoneInfo(zone)).date()
        opened = []
        for month in range(50):
            begins = to_start_of_day(local + relativedelta(months=month), ZoneInfo(zone))
            advance_by_time(subscriptions.database, begins - MOMENT)
            advance_by_time(subscriptions.database, begins)
            opened.append(len(list_payments(subscriptions, made.id, per_page=100)))
        assert opened == [*range(1, 49), 48, 48]
        payments = list_payments(subscriptions, made.id, per_page=100)
    expected = [str(local + relativedelta(months=month)) for month in range(48)]
    assert [each.due_on for each in payments] == expected
    assert {(each.amount, each.currency, each.state) for each in payments} == {(2000, "EUR", "due")}
    first, second, third = days.split()
    ends = {first: 25, second: 26}
    assert {each.due_on: each.month for each in payments if each.due_on in ends} == ends
    assert payments[-1].due_on < third


def test_after_an_end_in_a_renewed_month_no_payment_is_opened(
    subscriptions: Served, body: Any
) -> None:
    terms = {"renewal_months": 24, "monthly_payments": True}
    with set_terms(subscriptions, **terms):
        made = create_activated(subscriptions, body, START)
        for month in range(30):
            advance_by_time(subscriptions.database, START + relativedelta(months=month))
        assert len(list_payments(subscriptions, made.id, per_page=100)) == 30
        with subscriptions.clock.at(START + relativedelta(months=29, days=3)):
            request = build_ending(get(subscriptions, made.id))
            assert request.summary.total_to_pay == 0
            subscriptions.call("CancelSubscription", request)
        for month in range(30, 50):
            advance_by_time(subscriptions.database, START + relativedelta(months=month))
        assert len(list_payments(subscriptions, made.id, per_page=100)) == 30
