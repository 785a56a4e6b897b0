"""In every state of a subscription, `available_actions` agrees with what the calls do.

A story is a row of random events: an action says yes or no, and the call that belongs to it
succeeds or is refused accordingly. After a call that succeeded it is told anew for the next action;
after one that was refused the subscription stands as it did. `FUZZ_EXAMPLES` sets how many stories
there are: see `make fuzz`.
"""

import os
import random
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from google.protobuf.message import Message
from grpc import RpcError

from protos.subscriptions_pb2 import (
    ChangeGraduationRequest,
    CreateWarrantyEventRequest,
    ExtendPeriodRequest,
    ResetSmsCountRequest,
    SendEmailRequest,
    SendSmsRequest,
    Subscription,
    UpdateCustomerInfoRequest,
)
from subscriptions_svc.actions.advance_by_time import advance_by_time
from tests.serving import Served, decode
from tests.subscriptions_svc.bodies import build_lens, build_material, build_package
from tests.subscriptions_svc.shop import (
    build_activation,
    build_cancellation,
    build_cart_update,
    build_delivery,
    confirm,
    confirm_as_shopper,
    get,
    list_lenses,
    pay,
    solicit,
)

START = datetime(2026, 3, 1, 12, tzinfo=UTC)
STORIES = int(os.environ.get("FUZZ_EXAMPLES", "24"))
REFUSED = {"NOT_ALLOWED", "WRONG_STATE", "CONFLICT", "INVALID", "OVER_DELIVERY"}
Call = tuple[str, Message] | None  # an RPC and its request; None where there is nothing to call


class Story:
    """What happens to one subscription, from a seed."""

    def __init__(self, served: Served, body: Any, seed: int) -> None:
        self.served, self.chance = served, random.Random(seed)
        served.clock.set = self.now = START
        cart = [
            build_material(),
            build_package(build_lens("left", exchange_cycle=3), build_lens("right", box_count=1)),
        ]
        if self.chance.random() < 0.3:
            cart = cart[self.chance.randrange(2) :][:1]
        self.id = solicit(served, body, cart_items=cart).id
        for _ in range(self.chance.randrange(9)):
            self.happens()

    @property
    def found(self) -> Subscription:
        """The subscription as it stands."""
        return get(self.served, self.id)

    def happens(self) -> None:
        """One event, or the attempt at one."""
        found = self.found
        items = [
            item for whole in found.last_persisted_cart.cart_items for item in (whole, *whole.items)
        ]
        events: list[tuple[int, Callable[[], Any]]] = [
            (3, lambda: confirm(self.served, self.id)),
            (2, self.confirm_as_shopper),
            (2, lambda: pay(self.served, self.id, successful=self.chance.random() < 0.8)),
            (4, lambda: self.call("ActivateCartItem", self.activation(items))),
            (2, lambda: self.passes(timedelta(hours=25))),
            (2, lambda: self.passes(timedelta(days=35))),
            (1, lambda: self.passes(timedelta(days=200))),
            (3, lambda: self.try_call(deliver_boxes(found))),
            (3, lambda: self.try_call(add_product(found))),
            (2, lambda: self.try_call(change_item(found, 0))),
            (1, lambda: self.try_call(send_sms(found))),
            (1, lambda: self.try_call(withdraw(found))),
        ]
        weights = [weight for weight, _ in events]
        happens = self.chance.choices([event for _, event in events], weights)[0]
        try:
            happens()
        except RpcError as error:
            check_refusal(error)

    def activation(self, items: list[Any]) -> Message:
        return build_activation(self.id, self.chance.choice(items).reference_uuid)

    def confirm_as_shopper(self) -> None:
        if self.found.status in ("draft", "sent"):
            confirm_as_shopper(self.served, self.id, self.now)

    def passes(self, time: timedelta) -> None:
        self.now += time
        self.served.clock.set = self.now
        advance_by_time(self.served.database, self.now)

    def try_call(self, call: Call) -> None:
        if call:
            self.call(*call)

    def call(self, rpc: str, request: Message) -> None:
        self.served.call(rpc, request)

    def does_succeed(self, call: Call) -> bool:
        """Whether a call does what it is for; a refusal is one of the refusals of a state."""
        if call is None:
            return False
        try:
            self.call(*call)
        except RpcError as error:
            check_refusal(error)
            return False
        return True


def check_refusal(error: RpcError) -> None:
    """Fail unless a refusal is one of a state."""
    assert decode(error).reason in REFUSED, decode(error)


def cancel(found: Subscription) -> Call:
    """A cancellation with the required amounts: everything is returned."""
    items = [
        item for whole in found.last_persisted_cart.cart_items for item in (whole.items or [whole])
    ]
    total = sum(item.cancellation_cost_returned.value for item in items)
    named = [item.reference_uuid for item in items]
    return "CancelSubscription", build_cancellation(
        found.id, total_to_pay=total, returned_items=named
    )


def withdraw(found: Subscription) -> Call:
    """The end of it, by the summary that a till shows for a full cancellation, or without."""
    if found.available_actions.cancel:
        return cancel(found)
    return "CancelSubscription", build_cancellation(found.id)


def add_product(found: Subscription) -> Call:
    kept = [item.id for item in found.last_persisted_cart.cart_items]
    return "UpdateProducts", build_cart_update(found.id, *kept, build_material(reference="ADDED"))


def change_item(found: Subscription, turn: int) -> Call:
    """The exchange of one item: glasses by glasses, one lens of a package by another."""
    cart = list(found.last_persisted_cart.cart_items)
    leaves = [(whole, item) for whole in cart for item in (whole.items or [whole])]
    if turn >= len(leaves):
        return None
    changed, gone = leaves[turn]
    new: list[Any] = []
    for whole in cart:
        if whole is not changed:
            new.append(whole.id)
        elif whole is gone:
            new.append(build_material(reference="CHANGED"))
        else:
            kept = [{"id": item.id} for item in whole.items if item is not gone]
            other = sum(item.price_with_tax.value for item in whole.items if item is not gone)
            one = build_lens(gone.product_data.eye, reference="CHANGED")
            new.append(build_package(one, *kept, price_with_tax=100 + other))
    return "UpdateProducts", build_cart_update(found.id, *new)


def activate_product(found: Subscription) -> Call:
    pending = [
        item
        for whole in found.last_persisted_cart.cart_items
        for item in (whole, *whole.items)
        if item.status == "pending"
    ]
    return (
        ("ActivateCartItem", build_activation(found.id, pending[0].reference_uuid))
        if pending
        else None
    )


def use_warranty(found: Subscription) -> Call:
    glasses = [
        item
        for whole in found.last_persisted_cart.cart_items
        for item in (whole, *whole.items)
        if item.type == "material_subscription"
    ]
    glasses.sort(key=lambda item: item.status)  # those handed over first
    if not glasses:
        return None
    request = CreateWarrantyEventRequest(
        subscription_id=found.id,
        type="repair",
        charged_amount=1,
        product_id=glasses[0].reference_uuid,
    )
    return "CreateWarrantyEvent", request


def deliver_boxes(found: Subscription) -> Call:
    eyes = sorted(list_lenses(found), key=lambda item: -item.remaining_boxes)
    if not eyes:
        return None
    return "CreateBoxDeliveries", build_delivery(found.id, (eyes[0].reference_uuid, 1))


def send_sms(found: Subscription) -> Call:
    return "SendSms", SendSmsRequest(subscription_id=found.id)


def send_email(found: Subscription) -> Call:
    return "SendEmail", SendEmailRequest(subscription_id=found.id)


def update_customer_info(found: Subscription) -> Call:
    request = UpdateCustomerInfoRequest(subscription_id=found.id, city="Girona")
    return "UpdateCustomerInfo", request


def change_graduation(found: Subscription) -> Call:
    lenses = list_lenses(found)
    if not lenses:
        return None
    request = ChangeGraduationRequest(
        subscription_id=found.id, reference_uuid=lenses[0].reference_uuid, name="-2.25"
    )
    return "ChangeGraduation", request


def reset_sms_count(found: Subscription) -> Call:
    return "ResetSmsCount", ResetSmsCountRequest(subscription_id=found.id)


def extend_period(found: Subscription) -> Call:
    return "ExtendPeriod", ExtendPeriodRequest(subscription_id=found.id, months=1)


CALLS: dict[str, Callable[[Subscription], Call]] = {
    "cancel": cancel,
    "withdraw": withdraw,
    "add_product": add_product,
    "activate_product": activate_product,
    "use_warranty": use_warranty,
    "deliver_boxes": deliver_boxes,
    "send_cart_link_email": send_email,
    "update_customer_info": update_customer_info,
    "change_graduation": change_graduation,
    "reset_sms_count": reset_sms_count,
    "extend_period": extend_period,
}


@pytest.mark.timeout(300)
def test_what_is_available_succeeds_and_what_is_not_is_refused(
    subscriptions: Served, body: Any
) -> None:
    seen: dict[str, set[bool]] = {}
    for seed in range(STORIES):
        story = Story(subscriptions, body, seed)
        for name, call in CALLS.items():
            found = story.found
            said = getattr(found.available_actions, name)
            seen.setdefault(name, set()).add(said)
            assert story.does_succeed(call(found)) is said, (seed, name, found.status)
            if said:
                story = Story(subscriptions, body, seed)
            else:
                assert story.found == found
        found = story.found
        said = found.available_actions.change_item
        seen.setdefault("change_item", set()).add(said)
        leaves = range(sum(len(whole.items) or 1 for whole in found.last_persisted_cart.cart_items))
        done = [story.does_succeed(change_item(found, leaf)) for leaf in leaves]
        assert any(done) is said, (seed, "change_item", found.status, done)
        if said:
            story = Story(subscriptions, body, seed)
        actions = story.found.available_actions
        said = actions.send_sms or actions.resend_sms
        seen.setdefault("send_sms", set()).add(said)
        assert story.does_succeed(send_sms(story.found)) is said, (seed, "send_sms")
        assert not (actions.send_sms and actions.resend_sms)
    subscriptions.clock.set = None
    # The stories are worth telling: each action was there, and was not.
    assert {name: len(told) for name, told in seen.items()} == dict.fromkeys(seen, 2)
