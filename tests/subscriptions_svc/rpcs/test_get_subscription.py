"""GetSubscription, called directly over gRPC on both engines."""

import re
from datetime import UTC, datetime
from typing import Any

import pytest
from google.protobuf.json_format import MessageToDict
from grpc import StatusCode

from protos.subscriptions_pb2 import GetSubscriptionRequest
from tests.serving import Served
from tests.subscriptions_svc.bodies import build_material
from tests.subscriptions_svc.shop import (
    OTHER_STORE,
    UNKNOWN,
    build_delivery,
    create_activated,
    create_confirmed,
    get,
    list_boxes,
    list_lenses,
    solicit,
)

ACTIONS = {
    "cancel": False,
    "withdraw": False,
    "send_sms": False,
    "resend_sms": False,
    "send_cart_link_email": False,
    "add_product": False,
    "change_item": False,
    "activate_product": False,
    "use_warranty": False,
    "deliver_boxes": False,
    "update_customer_info": True,
    "update_payment_info": False,
    "change_graduation": False,
    "reset_sms_count": False,
    "receive_gift_kit": False,
    "extend_period": False,
}


def utc(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def read_actions(subscription: Any) -> dict[str, bool]:
    plain: dict[str, bool] = MessageToDict(
        subscription.available_actions, preserving_proto_field_name=True
    )
    return {**ACTIONS, **plain}


def test_it_works(subscriptions: Served, body: Any) -> None:
    created = solicit(subscriptions, body)
    assert get(subscriptions, created.id) == created


def test_timestamps_have_milliseconds(subscriptions: Served, body: Any) -> None:
    with subscriptions.clock.at(datetime(2026, 3, 1, 12, 0, 0, 651_999, tzinfo=UTC)):
        created = solicit(subscriptions, body)
    assert created.created_at.ToJsonString() == "2026-03-01T12:00:00.651Z"


def test_absent_options_stay_absent(subscriptions: Served, body: Any) -> None:
    names: Any = dict.fromkeys(("given_names", "surnames", "email", "mobile_phone"))
    created = solicit(subscriptions, body, **names)
    assert not created.customer.ListFields()
    one = solicit(subscriptions, body, given_names=None)
    assert one.customer.full_name == "Doe Jr"


@pytest.mark.parametrize(
    "wrong",
    [UNKNOWN, "", "7", "not a uuid", "\0", "x" * 5000, "' OR 1=1 --", f"{UNKNOWN}\n", "é" * 36],
)
def test_an_id_of_nothing_is_not_found(subscriptions: Served, wrong: str) -> None:
    failure = subscriptions.refusal(
        "GetSubscription", GetSubscriptionRequest(subscription_id=wrong)
    )
    assert (failure.code, failure.reason) == (StatusCode.NOT_FOUND, "NOT_FOUND")


def test_an_id_in_capitals_is_not_found(subscriptions: Served, body: Any) -> None:
    request = GetSubscriptionRequest(subscription_id=solicit(subscriptions, body).id.upper())
    assert subscriptions.refusal("GetSubscription", request).code is StatusCode.NOT_FOUND


def test_another_merchants_subscription_is_unauthenticated(
    subscriptions: Served, body: Any
) -> None:
    mine = GetSubscriptionRequest(subscription_id=solicit(subscriptions, body).id)
    others = solicit(subscriptions, body, "other", merchant=OTHER_STORE)
    theirs = GetSubscriptionRequest(subscription_id=others.id)
    assert subscriptions.refusal("GetSubscription", mine, "other").reason == "UNAUTHENTICATED"
    assert subscriptions.refusal("GetSubscription", theirs).reason == "UNAUTHENTICATED"
    assert subscriptions.call("GetSubscription", theirs, "other") == others


@pytest.mark.parametrize(
    ("who", "authorization", "code"),
    [
        ("", {}, StatusCode.UNAUTHENTICATED),
        ("", {"authorization": "Basic ZGVtby1tZXJjaGFudDp3cm9uZw=="}, StatusCode.UNAUTHENTICATED),
        ("", {"authorization": "Bearer demo-merchant-secret"}, StatusCode.UNAUTHENTICATED),
        ("staff", {}, StatusCode.PERMISSION_DENIED),
    ],
)
def test_accounts_other_than_clients_are_refused(
    subscriptions: Served, who: str, authorization: dict[str, str], code: StatusCode
) -> None:
    request = GetSubscriptionRequest(subscription_id=UNKNOWN)
    failure = subscriptions.refusal("GetSubscription", request, who, **authorization)
    assert failure.code is code


def test_the_dates_of_deliveries_are_local_days(subscriptions: Served, body: Any) -> None:
    made = create_activated(subscriptions, body, utc("2025-03-01T12:00"))
    assert (made.HasField("last_delivery_date"), made.HasField("next_delivery_date")) == (
        False,
        False,
    )
    left, right = list_lenses(made)
    with subscriptions.clock.at(utc("2025-06-09T22:30")):  # the tenth in Madrid
        request = build_delivery(made.id, (left.reference_uuid, 1), (right.reference_uuid, 4))
        subscriptions.call("CreateBoxDeliveries", request)
        after = get(subscriptions, made.id)
    assert list_boxes(after) == [(1, 3), (4, 0)]
    assert (after.last_delivery_date, after.next_delivery_date) == ("2025-06-10", "2025-09-10")
    with subscriptions.clock.at(utc("2026-03-02T12:00")):
        second_year = get(subscriptions, made.id)
    assert list_boxes(second_year) == [(0, 4), (0, 4)]
    assert (second_year.last_delivery_date, second_year.next_delivery_date) == (
        "2025-06-10",
        "2026-03-01",
    )


def test_months_are_counted_and_the_last_one_ends_it(subscriptions: Served, body: Any) -> None:
    made = create_activated(subscriptions, body, utc("2024-02-29T12:00"))
    assert made.renewal_at.ToJsonString() == "2026-02-27T23:00:00Z"
    seen = []
    for moment in ("2024-02-29T12:00", "2025-02-27T22:59", "2025-02-27T23:00", "2026-02-27T22:59"):
        with subscriptions.clock.at(utc(moment)):
            found = get(subscriptions, made.id)
        seen.append((found.status, found.current_month))
    assert seen == [("active", 1), ("active", 12), ("active", 13), ("active", 24)]
    with subscriptions.clock.at(utc("2026-02-27T23:00")):
        over = get(subscriptions, made.id)
    assert (over.status, over.current_month) == ("finished", 24)
    assert read_actions(over) == ACTIONS


def test_the_actions_follow_the_state(subscriptions: Served, body: Any) -> None:
    cart = [*body("subscription")["cart_items"], build_material()]
    now = utc("2026-03-01T12:00")
    with subscriptions.clock.at(now):
        draft = solicit(subscriptions, body, cart_items=cart)
        waiting = create_confirmed(subscriptions, body, cart_items=cart)
    assert read_actions(draft) == {**ACTIONS, "withdraw": True, "send_sms": True}
    assert read_actions(waiting) == {
        **ACTIONS,
        "withdraw": True,
        "activate_product": True,
        "deliver_boxes": True,
        "change_graduation": True,
    }
    made = create_activated(subscriptions, body, now, cart_items=cart)
    with subscriptions.clock.at(utc("2026-03-02T12:00")):
        later = get(subscriptions, made.id)
    assert read_actions(later) == {
        **ACTIONS,
        "cancel": True,
        "withdraw": True,
        "add_product": True,
        "use_warranty": True,
        "deliver_boxes": True,
        "change_graduation": True,
        "extend_period": True,
    }


def test_the_cart_has_an_unguessable_code(subscriptions: Served, body: Any) -> None:
    codes = {solicit(subscriptions, body).last_persisted_cart.code for _ in range(3)}
    assert len(codes) == 3
    assert all(re.fullmatch(r"[A-Za-z0-9_-]{27}", code) for code in codes)
