"""ListSubscriptions, called directly over gRPC on both engines."""

import uuid
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from google.protobuf.json_format import MessageToDict
from grpc import StatusCode

from chassis.context import get_current_call
from protos.subscriptions_pb2 import ListSubscriptionsRequest, ListSubscriptionsResponse
from subscriptions_svc import reference
from subscriptions_svc.rules.words import find_search_words
from tests.serving import Served
from tests.statements import watch_statements
from tests.subscriptions_svc.shop import (
    OTHER_STORE,
    activate,
    build_delivery,
    create_activated,
    create_confirmed,
    get,
    list_boxes,
    list_lenses,
    set_status,
    solicit,
)

RPC = "ListSubscriptions"
SECOND = {"id": "tienda_del_este", "store_ref": "calle_1"}
FAR_STORE = {"id": "tienda_de_hawai", "store_ref": "calle_1"}


def utc(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


@pytest.fixture(scope="module", autouse=True)
def more_merchants(subscriptions: Served) -> None:
    """Two more merchants of the demo account, of which one is in another zone."""
    data = {
        "merchants": [
            {"id": SECOND["id"], "store_refs": ["calle_1", "calle_2"]},
            {"id": FAR_STORE["id"], "store_refs": ["calle_1"], "time_zone": "Pacific/Honolulu"},
        ],
        "references": [
            {
                "account": "demo-merchant",
                "merchants": ["tienda_moderna", SECOND["id"], FAR_STORE["id"]],
            }
        ],
    }
    with subscriptions.database.write() as tx:
        reference.load(tx, reference.REFERENCE.load(data))


@pytest.fixture
def mark(unique: str) -> str:
    """A surname by which a test finds its own."""
    return unique


def list_subscriptions(
    served: Served, who: str = "client", **filters: Any
) -> ListSubscriptionsResponse:
    answer: ListSubscriptionsResponse = served.call(RPC, ListSubscriptionsRequest(**filters), who)
    return answer


def list_ids(served: Served, **filters: Any) -> list[str]:
    return [each.id for each in list_subscriptions(served, **filters).data]


def test_it_works(subscriptions: Served, body: Any, mark: str) -> None:
    made = create_confirmed(subscriptions, body, surnames=mark)
    left = list_lenses(made)[0].reference_uuid
    subscriptions.call("CreateBoxDeliveries", build_delivery(made.id, (left, 3)))
    answer = list_subscriptions(subscriptions, search=mark)
    assert answer.data[0] == get(subscriptions, made.id)
    assert list_boxes(answer.data[0]) == [(3, 1), (0, 4)]
    assert MessageToDict(answer.meta, preserving_proto_field_name=True) == {
        "page": 1,
        "per_page": 30,
        "total_count": 1,
        "total_pages": 1,
    }


def test_pages_are_newest_first_and_true_past_the_end(
    subscriptions: Served, body: Any, mark: str
) -> None:
    made = []
    for minute in range(5):
        with subscriptions.clock.at(utc("2026-03-01T12:00") + timedelta(minutes=minute)):
            made.append(solicit(subscriptions, body, surnames=mark).id)
    made.reverse()
    pages = [
        list_subscriptions(subscriptions, search=mark, page=page, per_page=2)
        for page in (1, 2, 3, 4)
    ]
    assert [[each.id for each in page.data] for page in pages] == [
        made[:2],
        made[2:4],
        made[4:],
        [],
    ]
    assert {(page.meta.total_count, page.meta.total_pages) for page in pages} == {(5, 3)}
    assert not list_subscriptions(subscriptions, search=mark, page=10**6, per_page=100).data
    nothing = list_subscriptions(subscriptions, search=f"{mark}x")
    assert (nothing.meta.total_count, nothing.meta.total_pages) == (0, 0)


def test_equal_moments_have_an_order_of_their_own(
    subscriptions: Served, body: Any, mark: str
) -> None:
    with subscriptions.clock.at(utc("2026-03-01T12:00")):
        made = [solicit(subscriptions, body, surnames=mark).id for _ in range(4)]
    found = [
        list_ids(subscriptions, search=mark, page=page, per_page=1)[0] for page in (1, 2, 3, 4)
    ]
    assert found == sorted(made, reverse=True)


def test_only_the_accounts_merchants_are_listed(
    subscriptions: Served, body: Any, mark: str
) -> None:
    mine = solicit(subscriptions, body, surnames=mark).id
    theirs = solicit(subscriptions, body, "other", merchant=OTHER_STORE, surnames=mark).id
    assert list_ids(subscriptions, search=mark) == [mine]
    assert list_ids(subscriptions, search=mark, merchant_id="tienda_moderna,otra_tienda") == [mine]
    assert list_ids(subscriptions, search=mark, merchant_id="otra_tienda") == []
    assert [each.id for each in list_subscriptions(subscriptions, "other", search=mark).data] == [
        theirs
    ]
    request = ListSubscriptionsRequest()
    assert subscriptions.refusal(RPC, request, "staff").reason == "FORBIDDEN"
    assert subscriptions.refusal(RPC, request, "").reason == "UNAUTHENTICATED"


@pytest.mark.parametrize(
    ("needle", "found"),
    [
        ("Iván", True),
        ("ivan", True),
        ("IVÁN CINQUE", True),
        ("strasse", True),
        ("iva cin", True),
        ("cinque iv", True),
        ("cinque ivan ivan 679959234", True),
        ("van", False),
        ("inque", False),
        ("d'Été", True),
        ("dete", True),
        ("ete", False),
        ("679-95", True),
        ("679 959 234", True),
        ("959234", True),
        ("234", True),
        ("34", False),
        ("REF_50%", True),
        ("50", True),
        ("REF 5x", False),
        ("REFx50", False),
        ("%", False),
        ("_", False),
        ("\\", False),
        ("' OR 1=1", False),
        ("", True),
        ("   ", True),
    ],
)
def test_a_search_is_words_of_name_phone_or_reference(
    subscriptions: Served, body: Any, mark: str, needle: str, found: bool
) -> None:
    made = solicit(
        subscriptions,
        body,
        given_names="Iván",
        surnames="Cinque Straße D\u2019Été",
        mobile_phone="679-959-234",
        reference=f"Ref_50% {mark}",
        email="hidden@example.com",
    )
    assert (made.id in list_ids(subscriptions, search=needle, per_page=1)) is found
    assert list_ids(subscriptions, search=mark.upper()) == [made.id]
    assert made.id not in list_ids(subscriptions, search="hidden@")


@pytest.mark.parametrize("reference", ["---", "%", "\U0001f600", "'", "\u0301"])
def test_a_reference_without_words_is_stored_and_listed(
    subscriptions: Served, body: Any, mark: str, reference: str
) -> None:
    nameless = {"given_names": "", "surnames": "", "mobile_phone": ""}
    named = f"{reference}{reference if reference != '%' else '%%'}"
    made = solicit(subscriptions, body, reference=named, **nameless)
    assert list_ids(subscriptions, per_page=1) == [made.id]
    set_status(subscriptions, made.id)


@pytest.mark.parametrize(
    ("name", "needle"),
    [
        ("O\u00b4Brien", "obrien"),
        ("OBrien", "o\u00b4brien"),
        ("Mu\u00adller", "muller"),
        ("Zero\u200bWidth", "zerowidth"),
    ],
)
def test_what_is_not_seen_in_a_name_is_not_looked_for(
    subscriptions: Served, body: Any, mark: str, name: str, needle: str
) -> None:
    made = solicit(subscriptions, body, given_names=mark, surnames=name)
    assert list_ids(subscriptions, search=f"{mark} {needle}") == [made.id]


def test_of_many_words_the_first_of_the_longest_count() -> None:
    words = "ana luz paz eva sol mar rio uno dos"
    assert [*find_search_words(words)] == words.split()[:8]
    assert find_search_words(f"{words} longest")[0] == "longest"


def test_statuses_are_alternatives(subscriptions: Served, body: Any, mark: str) -> None:
    draft = solicit(subscriptions, body, surnames=mark).id
    waiting = create_confirmed(subscriptions, body, surnames=mark).id
    ended = solicit(subscriptions, body, surnames=mark).id
    set_status(subscriptions, ended)
    over = create_activated(subscriptions, body, utc("2020-01-01T12:00"), surnames=mark).id
    at_work = create_activated(subscriptions, body, datetime.now(UTC), surnames=mark).id
    assert {
        status: set(list_ids(subscriptions, search=mark, status=status))
        for status in ("draft", "activating", "cancelled", "finished", "active", "draft, finished")
    } == {
        "draft": {draft},
        "activating": {waiting},
        "cancelled": {ended},
        "finished": {over},
        "active": {at_work},
        "draft, finished": {draft, over},
    }
    assert len(list_ids(subscriptions, search=mark, payment_status="pending")) == 5
    assert list_ids(subscriptions, search=mark, payment_status="paid,failed") == []


def test_merchants_and_stores_are_alternatives(subscriptions: Served, body: Any, mark: str) -> None:
    first = solicit(subscriptions, body, surnames=mark).id
    second = solicit(subscriptions, body, surnames=mark, merchant=SECOND).id
    store = {**SECOND, "store_ref": "calle_2"}
    third = solicit(subscriptions, body, surnames=mark, merchant=store).id

    def find(**filters: str) -> set[str]:
        return set(list_ids(subscriptions, search=mark, **filters))

    assert find(merchant_id="tienda_del_este") == {second, third}
    assert find(merchant_id="tienda_del_este,tienda_moderna") == {first, second, third}
    assert find(store_ref="calle_1,tienda_moderna") == {first, second}
    assert find(merchant_id="tienda_moderna", store_ref="calle_2") == set()
    assert find(merchant_reference="tienda_del_este") == {second, third}
    assert find(merchant_reference="tienda_del_este, tienda_moderna") == {first, second, third}
    assert find(merchant_reference="otra_tienda") == set()
    assert find(merchant_reference="tienda_del_este", merchant_id="tienda_moderna") == set()
    assert find(store_id="calle_1,tienda_moderna") == {first, second}
    assert find(store_id="calle_1,calle_2", store_ref="calle_2") == {third}
    assert find(merchant_reference="tienda_moderna", store_id="calle_2") == set()


@pytest.mark.parametrize(
    ("filters", "madrid", "hawaii"),
    [
        ({"created_at": "2026-03-01"}, True, False),  # 00:30 in Madrid
        ({"created_at": "2026-02-28"}, False, True),  # 13:30 in Honolulu
        ({"created_at_from": "2026-03-01"}, True, False),
        ({"created_at_to": "2026-02-28"}, False, True),
        ({"created_at_from": "2026-02-28", "created_at_to": "2026-03-01"}, True, True),
        ({"created_at_from": "2026-03-02", "created_at_to": "2026-02-27"}, False, False),
        ({"created_at_from": "0001-01-01", "created_at_to": "9999-12-31"}, True, True),
        ({"created_at": "9999-12-31"}, False, False),
        ({"created_at": "0001-01-01"}, False, False),
        ({"created_at": "current_month"}, True, False),  # asked on 31 March
        ({"created_at": "current_year"}, True, True),
        ({"activated_at": "2026-03-01"}, False, False),
        ({"activated_at": "2026-03-10"}, True, False),
        ({"activated_at": "2026-03-10", "created_at": "2026-03-01"}, True, False),
        ({"activated_at": "2026-03-10", "created_at": "2026-03-02"}, False, False),
        ({"activated_at_from": "2026-03-10", "activated_at_to": "2026-03-10"}, True, False),
        ({"activated_at": "current_month"}, True, False),
    ],
)
def test_days_are_those_of_the_merchants_zone(
    subscriptions: Served,
    body: Any,
    mark: str,
    filters: dict[str, str],
    madrid: bool,
    hawaii: bool,
) -> None:
    with subscriptions.clock.at(utc("2026-02-28T23:30")):
        here = create_confirmed(subscriptions, body, surnames=mark)
        far = solicit(subscriptions, body, surnames=mark, merchant=FAR_STORE)
    with subscriptions.clock.at(utc("2026-03-09T23:00")):
        activate(subscriptions, here.id, here.last_persisted_cart.cart_items[0].reference_uuid)
    with subscriptions.clock.at(utc("2026-03-31T12:00")):
        found = list_ids(subscriptions, search=mark, **filters)
    assert (here.id in found, far.id in found) == (madrid, hawaii)


@pytest.mark.parametrize(
    ("filters", "path"),
    [
        ({"status": "draft,unknown"}, "status"),
        ({"status": "draft,,sent"}, "status"),
        ({"payment_status": "maybe"}, "payment_status"),
        ({"created_at": "yesterday"}, "created_at"),
        ({"created_at": "2026-02-30"}, "created_at"),
        ({"created_at_from": "current_month"}, "created_at_from"),
        ({"activated_at_to": "20260301"}, "activated_at_to"),
        ({"page": 0}, "page"),
        ({"page": 2**31 - 1}, "page"),
        ({"per_page": 0}, "per_page"),
        ({"per_page": 101}, "per_page"),
        ({"search": "x" * 256}, "search"),
        ({"search": "x\0"}, "search"),
        ({"merchant_id": ","}, "merchant_id"),
        ({"merchant_reference": "a,,b"}, "merchant_reference"),
        ({"store_id": ","}, "store_id"),
        ({"person_ref": ""}, "person_ref"),
    ],
)
def test_a_wrong_filter_is_malformed(
    subscriptions: Served, filters: dict[str, Any], path: str
) -> None:
    failure = subscriptions.refusal(RPC, ListSubscriptionsRequest(**filters))
    assert (failure.code, failure.reason) == (StatusCode.INVALID_ARGUMENT, "MALFORMED")
    assert [fault.path for fault in failure.faults] == [path]


def test_a_longer_page_needs_no_more_statements(
    subscriptions: Served, body: Any, mark: str
) -> None:
    statements: list[str] = []

    def note(statement: str) -> None:
        # Of calls, and not of the service's own work; the cache looks for changes once a second.
        if get_current_call().rpc and "reference_changes" not in statement:
            statements.append(statement)

    counts = []
    with watch_statements(subscriptions.database.engine, note):
        for size in (1, 6):
            for _ in range(size):
                solicit(subscriptions, body, surnames=mark, reference=uuid.uuid4().hex)
            statements.clear()
            list_subscriptions(subscriptions, search=mark)
            counts.append(len(statements))
    assert counts[0] == counts[1] > 0
