"""ListDeliveries, called directly over gRPC on both engines."""

from datetime import UTC, datetime
from typing import Any

import pytest
from grpc import StatusCode

from protos.subscriptions_pb2 import Delivery, ListDeliveriesRequest, ListDeliveriesResponse
from tests.serving import Served
from tests.subscriptions_svc.bodies import build_lens, build_package
from tests.subscriptions_svc.shop import (
    OTHER_STORE,
    UNKNOWN,
    build_delivery,
    change_cart,
    create_activated,
    list_lenses,
    pay,
    set_status,
    solicit,
)

RPC = "ListDeliveries"
START = datetime(2026, 3, 1, 12, tzinfo=UTC)


def list_deliveries(
    served: Served, subscription_id: str, who: str = "client", **page: int
) -> ListDeliveriesResponse:
    request = ListDeliveriesRequest(subscription_id=subscription_id, **page)
    answer: ListDeliveriesResponse = served.call(RPC, request, who)
    return answer


def to_tuple(entry: Delivery) -> tuple[Any, ...]:
    return (
        entry.delivered_at.ToJsonString(),
        entry.reference,
        entry.product_data.eye,
        entry.quantity,
        entry.subscription_year,
    )


def test_it_works(subscriptions: Served, body: Any) -> None:
    made = create_activated(subscriptions, body, START)
    left, right = list_lenses(made)
    request = build_delivery(made.id, (left.reference_uuid, 2), (right.reference_uuid, 1))
    with subscriptions.clock.at(datetime(2026, 4, 1, 8, 30, 0, 651_999, tzinfo=UTC)):
        subscriptions.call("CreateBoxDeliveries", request, x_request_id="till-7")
    with subscriptions.clock.at(datetime(2027, 2, 28, 23, tzinfo=UTC)):
        subscriptions.call("CreateBoxDeliveries", build_delivery(made.id, (left.reference_uuid, 1)))
    answer = list_deliveries(subscriptions, made.id)
    assert [to_tuple(entry) for entry in answer.data] == [
        ("2027-02-28T23:00:00Z", "CL-LEFT-001", "left", 1, 2),
        ("2026-04-01T08:30:00.651Z", "CL-RIGHT-001", "right", 1, 1),
        ("2026-04-01T08:30:00.651Z", "CL-LEFT-001", "left", 2, 1),
    ]
    oldest = answer.data[2]
    assert (oldest.cart_item_reference_uuid, oldest.name, oldest.account, oldest.request_id) == (
        left.reference_uuid,
        "Left contact lens",
        "demo-merchant",
        "till-7",
    )
    meta = answer.meta
    assert (meta.page, meta.per_page, meta.total_count, meta.total_pages) == (1, 30, 3, 1)


def test_it_has_pages(subscriptions: Served, body: Any) -> None:
    made = create_activated(
        subscriptions, body, START, cart_items=[build_package(build_lens("both", box_count=9))]
    )
    for quantity in range(1, 4):
        request = build_delivery(made.id, (list_lenses(made)[0].reference_uuid, quantity))
        subscriptions.call("CreateBoxDeliveries", request)
    pages = [list_deliveries(subscriptions, made.id, page=page, per_page=2) for page in (1, 2, 3)]
    assert [[entry.quantity for entry in page.data] for page in pages] == [[3, 2], [1], []]
    assert {(page.meta.total_count, page.meta.total_pages) for page in pages} == {(3, 2)}


def test_what_was_taken_out_stays_in_the_ledger(subscriptions: Served, body: Any) -> None:
    made = pay(subscriptions, create_activated(subscriptions, body, START).id)
    left = list_lenses(made)[0].reference_uuid
    with subscriptions.clock.at(START):
        subscriptions.call("CreateBoxDeliveries", build_delivery(made.id, (left, 1)))
        change_cart(subscriptions, made.id, build_package(build_lens("left", reference="NEW")))
        set_status(subscriptions, made.id)
    answer = list_deliveries(subscriptions, made.id)
    assert [entry.cart_item_reference_uuid for entry in answer.data] == [left]


def test_a_ledger_may_be_empty(subscriptions: Served, body: Any) -> None:
    answer = list_deliveries(subscriptions, solicit(subscriptions, body).id)
    assert (list(answer.data), answer.meta.total_pages) == ([], 0)


@pytest.mark.parametrize(
    "page", [{"page": 0}, {"page": -1}, {"per_page": 0}, {"per_page": 101}, {"page": 2**31 - 1}]
)
def test_a_page_out_of_bounds_is_malformed(
    subscriptions: Served, body: Any, page: dict[str, int]
) -> None:
    request = ListDeliveriesRequest(subscription_id=solicit(subscriptions, body).id, **page)
    failure = subscriptions.refusal(RPC, request)
    assert (failure.reason, [fault.path for fault in failure.faults]) == ("MALFORMED", list(page))


def test_not_found_and_another_merchants_come_first(subscriptions: Served, body: Any) -> None:
    others = solicit(subscriptions, body, "other", merchant=OTHER_STORE)
    wrong = ListDeliveriesRequest(subscription_id=others.id, page=0)
    assert subscriptions.refusal(RPC, wrong).reason == "UNAUTHENTICATED"
    unknown = ListDeliveriesRequest(subscription_id=UNKNOWN, page=0)
    assert subscriptions.refusal(RPC, unknown).code is StatusCode.NOT_FOUND
