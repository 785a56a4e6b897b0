"""Lists of any length: totals that are kept, and pages of several merchants and statuses."""

from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import available_timezones

import pytest

from protos.subscriptions_pb2 import ListSubscriptionsRequest, ListSubscriptionsResponse
from subscriptions_svc import reference
from subscriptions_svc.store import tables as store
from subscriptions_svc.store.lists import listing
from tests.serving import Served
from tests.subscriptions_svc.shop import build_solicitation, create_activated, set_status, solicit

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
FIRST_STORE = {"id": "tienda_moderna", "store_ref": "tienda_moderna"}
SECOND = {"id": "tienda_del_este", "store_ref": "calle_1"}
THIRD = {"id": "tienda_del_este", "store_ref": "calle_2"}


@pytest.fixture(autouse=True)
def more_merchants(subscriptions: Served) -> None:
    """A second merchant of the demo account, with two stores, and no other."""
    data = {
        "merchants": [{"id": SECOND["id"], "store_refs": ["calle_1", "calle_2"]}],
        "references": [
            {"account": "demo-merchant", "merchants": [FIRST_STORE["id"], SECOND["id"]]}
        ],
    }
    with subscriptions.database.write() as tx:
        reference.load(tx, reference.REFERENCE.load(data))


def list_subscriptions(served: Served, **filters: Any) -> ListSubscriptionsResponse:
    request = ListSubscriptionsRequest(**filters)
    answer: ListSubscriptionsResponse = served.call("ListSubscriptions", request)
    return answer


def read_total(served: Served, **filters: Any) -> int:
    return list_subscriptions(served, per_page=1, **filters).meta.total_count


def count_rows(served: Served, *stores: dict[str, str]) -> int:
    """How many subscriptions of stores there are, counted one by one."""
    names = [(each["id"], each["store_ref"]) for each in stores]
    return sum((row[1], row[2]) in names for row in served.rows()["subscriptions"])


def test_the_total_is_what_there_is(subscriptions: Served, body: Any) -> None:
    for merchant, times in ((FIRST_STORE, 3), (SECOND, 2), (THIRD, 1)):
        for _ in range(times):
            solicit(subscriptions, body, merchant=merchant)
    every = (FIRST_STORE, SECOND, THIRD)
    assert read_total(subscriptions) == count_rows(subscriptions, *every)
    assert read_total(subscriptions, merchant_id=FIRST_STORE["id"]) == count_rows(
        subscriptions, FIRST_STORE
    )
    assert read_total(subscriptions, merchant_id=SECOND["id"]) == count_rows(
        subscriptions, SECOND, THIRD
    )
    assert read_total(subscriptions, store_ref="calle_2") == count_rows(subscriptions, THIRD)
    assert read_total(subscriptions, store_ref="calle_2,tienda_moderna") == count_rows(
        subscriptions, FIRST_STORE, THIRD
    )
    assert read_total(subscriptions, merchant_id=FIRST_STORE["id"], store_ref="calle_2") == 0
    assert read_total(subscriptions, merchant_id="nobodys") == 0
    assert read_total(subscriptions, merchant_reference=SECOND["id"]) == count_rows(
        subscriptions, SECOND, THIRD
    )
    assert read_total(subscriptions, store_id="calle_2,tienda_moderna") == count_rows(
        subscriptions, FIRST_STORE, THIRD
    )
    assert read_total(subscriptions, store_id="calle_2", store_ref="calle_1") == 0


def test_what_is_refused_or_repeated_is_not_counted(
    subscriptions: Served, body: Any, unique: str
) -> None:
    before, request = read_total(subscriptions), build_solicitation(body)
    for _ in range(2):
        subscriptions.call("CreateSubscription", request, idempotency_key=unique)
    assert subscriptions.refusal("CreateSubscription", request).reason == "ALREADY_EXISTS"
    assert read_total(subscriptions) == before + 1


def test_many_at_once_are_all_counted(subscriptions: Served, body: Any) -> None:
    before = read_total(subscriptions)
    merchants = [(FIRST_STORE, SECOND, THIRD)[number % 3] for number in range(24)]
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda each: solicit(subscriptions, body, merchant=each), merchants))
    assert read_total(subscriptions) == before + 24
    rows = subscriptions.rows()
    assert {(row[0], row[1]): row[2] for row in rows["subscription_totals"]} == Counter(
        (row[1], row[2]) for row in rows["subscriptions"]
    )


def test_pages_of_several_merchants_and_statuses_have_one_order(
    subscriptions: Served, body: Any, unique: str
) -> None:
    made = []
    for minute in range(9):
        merchant = (FIRST_STORE, SECOND, THIRD)[minute % 3]
        with subscriptions.clock.at(NOON + timedelta(minutes=minute)):
            one = solicit(subscriptions, body, merchant=merchant, surnames=unique)
        set_status(subscriptions, one.id, ("draft", "sent", "cancelled", "in_progress")[minute % 4])
        made.append((one.id, minute % 4))
    wanted = [id_ for id_, status in reversed(made) if status != 2]
    filters = {"status": "sent,draft,in_progress,sent", "search": unique}
    pages = [
        list_subscriptions(subscriptions, page=page, per_page=3, **filters) for page in (1, 2, 3, 4)
    ]
    assert [[each.id for each in page.data] for page in pages] == [
        wanted[:3],
        wanted[3:6],
        wanted[6:],
        [],
    ]
    assert {page.meta.total_count for page in pages} == {len(wanted)}


def test_expired_subscriptions_are_listed_as_finished(
    subscriptions: Served, body: Any, unique: str
) -> None:
    over = create_activated(subscriptions, body, NOON, surnames=unique)
    going_on = create_activated(subscriptions, body, NOON + timedelta(days=900), surnames=unique)
    written = solicit(subscriptions, body, surnames=unique)
    set_status(subscriptions, written.id, "finished")

    def find(status: str) -> set[str]:
        with subscriptions.clock.at(NOON + timedelta(days=1000)):
            answer = list_subscriptions(subscriptions, status=status, search=unique)
        assert answer.meta.total_count == len(answer.data)
        return {each.id for each in answer.data}

    assert find("active") == {going_on.id}
    assert find("finished") == {over.id, written.id}
    assert find("active,finished") == {over.id, going_on.id, written.id}


def test_at_the_instant_of_the_renewal_it_is_in_the_list_of_finished_alone(
    subscriptions: Served, body: Any, unique: str
) -> None:
    made = create_activated(subscriptions, body, NOON, surnames=unique)
    renewal = made.renewal_at.ToDatetime(UTC)

    def find_statuses(moment: datetime, **search: str) -> list[str]:
        with subscriptions.clock.at(moment):
            pages = {
                status: list_subscriptions(
                    subscriptions, status=status, created_at="2026-03-01", **search
                )
                for status in ("active", "finished")
            }
        return [status for status, page in pages.items() if made.id in {x.id for x in page.data}]

    tick = timedelta(microseconds=1)
    for search in ({}, {"search": unique}):
        assert find_statuses(renewal - tick, **search) == ["active"]
        assert find_statuses(renewal, **search) == ["finished"]
        assert find_statuses(renewal + tick, **search) == ["finished"]


def test_an_account_may_have_hundreds_of_merchants(
    subscriptions: Served, body: Any, unique: str
) -> None:
    zones = ["Europe/Madrid", "Pacific/Honolulu"] * 4 + sorted(available_timezones())
    names = [f"{unique}-{number}" for number in range(600)]
    shops = [
        {"id": name, "store_refs": [unique], "time_zone": zones[number % len(zones)]}
        for number, name in enumerate(names)
    ]
    data = {
        "merchants": shops,
        "references": [
            {"account": "demo-merchant", "merchants": [FIRST_STORE["id"], SECOND["id"], *names]}
        ],
    }
    with subscriptions.database.write() as tx:
        reference.load(tx, reference.REFERENCE.load(data))
    subscriptions.refresh_cache()
    made: list[str] = []
    for hour, name in enumerate(names[:8]):
        with subscriptions.clock.at(NOON + timedelta(hours=hour)):
            one = solicit(subscriptions, body, merchant={"id": name, "store_ref": unique})
        made.insert(0, one.id)
    for filters in (
        {},
        {"status": "draft,sent,in_progress,activating,active,finished,cancelled"},
        {"status": "draft,finished", "created_at": "2026-03-01"},
        {"created_at_to": "2026-03-01", "search": "john"},
        {"payment_status": "pending"},
    ):
        answer = list_subscriptions(subscriptions, store_ref=unique, **filters)
        assert [each.id for each in answer.data] == made
        assert answer.meta.total_count == 8
        second = list_subscriptions(subscriptions, store_ref=unique, page=2, per_page=5, **filters)
        assert [each.id for each in second.data] == made[5:]
    past = list_subscriptions(subscriptions, store_ref=unique, search="john", page=3, per_page=5)
    assert (len(past.data), past.meta.total_count) == (0, 8)
    assert not list_subscriptions(subscriptions, merchant_id=names[0], created_at="2026-03-02").data


def test_a_total_that_is_wrong_is_found(subscriptions: Served, body: Any) -> None:
    solicit(subscriptions, body, merchant=THIRD)
    with subscriptions.database.read() as tx:
        assert listing.find_wrong_totals(tx) == []
    real = count_rows(subscriptions, THIRD)
    of_third = store.subscription_totals.c.store_ref == THIRD["store_ref"]
    with subscriptions.database.write() as tx:
        tx.execute(store.subscription_totals.update().where(of_third).values(total=real + 2))
        found = listing.find_wrong_totals(tx)
        tx.execute(store.subscription_totals.update().where(of_third).values(total=real))
    assert found == [(THIRD["id"], THIRD["store_ref"], real + 2, real)]
