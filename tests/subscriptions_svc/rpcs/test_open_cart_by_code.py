"""A person looks at the cart behind a link: the subscription is then in progress."""

from typing import Any

import pytest

from protos.subscriptions_pb2 import OpenCartByCodeRequest
from protos.subscriptions_pb2_grpc import ShopperServiceStub
from tests.serving import Served
from tests.subscriptions_svc.shop import create_activated, get, propose, set_status, solicit
from tests.subscriptions_svc.shopper import NOON, find_refusal, look, open_cart


@pytest.mark.parametrize("status", ["draft", "sent", "in_progress"])
def test_it_works(subscriptions: Served, body: Any, status: str) -> None:
    made = solicit(subscriptions, body)
    set_status(subscriptions, made.id, status)
    code = made.last_persisted_cart.code
    for _ in range(2):
        assert open_cart(subscriptions, code) == look(subscriptions, code)
        assert get(subscriptions, made.id).status == "in_progress"


def test_nothing_that_is_further_moves(subscriptions: Served, body: Any) -> None:
    made = solicit(subscriptions, body)
    for status in ("waiting_for_payment", "activating", "active", "cancelled", "finished"):
        set_status(subscriptions, made.id, status)
        open_cart(subscriptions, made.last_persisted_cart.code)
        assert get(subscriptions, made.id).status == status


def test_a_change_is_looked_at_without_an_effect(subscriptions: Served, body: Any) -> None:
    made = create_activated(subscriptions, body, NOON)
    with subscriptions.clock.at(NOON):
        code = propose(subscriptions, made)
        before = subscriptions.rows()
        assert open_cart(subscriptions, code).state == "change"
    assert subscriptions.rows() == before


@pytest.mark.parametrize("code", ["", "x", "x" * 5000, "\u20ac"])
def test_an_unknown_code_opens_nothing(subscriptions: Served, code: str) -> None:
    stub = ShopperServiceStub(subscriptions.channel)
    refused = find_refusal(stub.OpenCartByCode, OpenCartByCodeRequest(code=code), timeout=20)
    assert refused.reason == "NOT_FOUND"
