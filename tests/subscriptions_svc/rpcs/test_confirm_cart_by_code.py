"""The confirmation of a cart by its shopper."""

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC
from typing import Any

import grpc
import pytest

from protos.subscriptions_pb2 import (
    CancelSubscriptionRequest,
    RecordPaymentRequest,
    UpdateProductsRequest,
)
from tests.serving import Served, decode
from tests.subscriptions_svc.bodies import build_material
from tests.subscriptions_svc.shop import create_activated, get, pay, propose, solicit
from tests.subscriptions_svc.shopper import (
    DRAFT,
    LATE_EVENING,
    NOON,
    accept,
    find_refusal,
    look,
    to_document,
)


def test_it_works(subscriptions: Served, body: Any) -> None:
    made = solicit(subscriptions, body)
    code = made.last_persisted_cart.code
    assert to_document(look(subscriptions, code)) == DRAFT

    with subscriptions.clock.at(LATE_EVENING):
        assert to_document(accept(subscriptions, code)) == {**DRAFT, "state": "waiting_for_payment"}
        assert get(subscriptions, made.id).status == "waiting_for_payment"

        pay(subscriptions, made.id)
    after = get(subscriptions, made.id)
    assert (after.status, after.confirmed_at.ToDatetime(UTC)) == ("activating", LATE_EVENING)
    assert to_document(look(subscriptions, code)) == {
        **DRAFT,
        "state": "confirmed",
        "confirmed_on": "2026-03-02",
        "contract_number": after.contract_number,
    }


def test_a_paid_one_is_confirmed_at_once(subscriptions: Served, body: Any) -> None:
    made = solicit(subscriptions, body)
    pay(subscriptions, made.id)
    assert accept(subscriptions, made.last_persisted_cart.code).state == "confirmed"
    assert get(subscriptions, made.id).status == "activating"


def test_without_the_terms_nothing_is_confirmed(subscriptions: Served, body: Any) -> None:
    made = solicit(subscriptions, body)
    before = subscriptions.rows()
    failure = find_refusal(accept, subscriptions, made.last_persisted_cart.code, accepted=False)
    assert (failure.reason, [fault.path for fault in failure.faults]) == (
        "INVALID",
        ["terms_accepted"],
    )
    assert subscriptions.rows() == before


@pytest.mark.parametrize(
    "code", ["", "x", "a" * 27, "a" * 33, "a" * 100_000, "\0", "ñ", "' OR 1=1 --", "../s", " "]
)
def test_an_unknown_code_is_not_found(subscriptions: Served, code: str) -> None:
    assert find_refusal(look, subscriptions, code).reason == "NOT_FOUND"
    assert find_refusal(accept, subscriptions, code).reason == "NOT_FOUND"
    assert find_refusal(accept, subscriptions, code, accepted=False).reason == "NOT_FOUND"


def test_two_at_once_confirm_once(subscriptions: Served, body: Any) -> None:
    made = solicit(subscriptions, body)
    pay(subscriptions, made.id)
    with ThreadPoolExecutor(8) as pool:
        told = list(
            pool.map(
                lambda _: to_document(accept(subscriptions, made.last_persisted_cart.code)),
                range(8),
            )
        )
    number = get(subscriptions, made.id).contract_number
    assert [each["contract_number"] for each in told] == [number] * 8
    assert {each["state"] for each in told} == {"confirmed"}


def test_the_link_of_the_cart_in_force_does_not_confirm_another(
    subscriptions: Served, body: Any
) -> None:
    made = create_activated(subscriptions, body, NOON)
    with subscriptions.clock.at(NOON):
        code = propose(subscriptions, made)
        assert accept(subscriptions, made.last_persisted_cart.code).state == "confirmed"
        assert get(subscriptions, made.id).pending_cart.code == code


def test_a_link_dies_with_its_cart(subscriptions: Served, body: Any) -> None:
    made = create_activated(subscriptions, body, NOON)
    with subscriptions.clock.at(NOON):
        first = propose(subscriptions, made)
        second = propose(subscriptions, made, "Other glasses")
        assert find_refusal(accept, subscriptions, first).reason == "NOT_FOUND"
        assert accept(subscriptions, second).state == "confirmed"
        assert accept(subscriptions, second).state == "confirmed"
        # And so does that of the cart whose place it has taken.
        assert (
            find_refusal(look, subscriptions, made.last_persisted_cart.code).reason == "NOT_FOUND"
        )
    names = [item.name for item in get(subscriptions, made.id).last_persisted_cart.cart_items]
    assert names == ["Contact lens package", "Other glasses"]


def test_two_at_once_confirm_a_change_once(subscriptions: Served, body: Any) -> None:
    made = create_activated(subscriptions, body, NOON)
    with subscriptions.clock.at(NOON), ThreadPoolExecutor(8) as pool:
        code = propose(subscriptions, made)
        told = list(pool.map(lambda _: accept(subscriptions, code).state, range(8)))
    assert told == ["confirmed"] * 8
    assert len(get(subscriptions, made.id).last_persisted_cart.cart_items) == 2


def test_a_shopper_who_confirms_while_the_shop_proposes_gets_what_was_seen(
    subscriptions: Served, body: Any
) -> None:
    for _ in range(5):
        made = create_activated(subscriptions, body, NOON)
        pay(subscriptions, made.id)
        with subscriptions.clock.at(NOON), ThreadPoolExecutor(2) as pool:
            code = propose(subscriptions, made, "Seen")
            confirming = pool.submit(accept_or_find_reason, subscriptions, code)
            proposing = pool.submit(propose, subscriptions, made, "Not seen")
            told = confirming.result()
            proposing.result()
            names = [
                item.name for item in get(subscriptions, made.id).last_persisted_cart.cart_items
            ]
        assert "Not seen" not in names
        assert ("Seen" in names) == (told == "confirmed")


def accept_or_find_reason(served: Served, code: str) -> str:
    try:
        return accept(served, code).state
    except grpc.RpcError as error:
        return decode(error).reason


def test_a_change_that_is_not_possible_any_more_is_refused(
    subscriptions: Served, body: Any
) -> None:
    made = create_activated(subscriptions, body, NOON)
    pay(subscriptions, made.id)
    request = UpdateProductsRequest(subscription_id=made.id)
    request.cart_items.add(**build_material())
    failed = RecordPaymentRequest(subscription_id=made.id, successful=False)
    with subscriptions.clock.at(NOON):
        subscriptions.call("UpdateProducts", request)
        code = get(subscriptions, made.id).pending_cart.code
        subscriptions.call("RecordPayment", failed, "staff", desk=True)
        before = subscriptions.rows()
        assert find_refusal(accept, subscriptions, code).reason == "NOT_ALLOWED"
        assert subscriptions.rows() == before


def test_a_cancelled_subscription_is_shown_as_ended(subscriptions: Served, body: Any) -> None:
    made = solicit(subscriptions, body)
    request = CancelSubscriptionRequest(subscription_id=made.id, reason="Asked for it")
    subscriptions.call("CancelSubscription", request)
    assert accept(subscriptions, made.last_persisted_cart.code).state == "ended"
