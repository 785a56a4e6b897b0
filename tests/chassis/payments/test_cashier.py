"""Charges and their cashier, on both engines: what is called, how often, and what is recorded."""

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

import pytest
from marshmallow import ValidationError
from sqlalchemy import select

from chassis.errors import Invalid
from chassis.payments.accounts import PaymentAccountSchema
from chassis.payments.charges import LEASE_TIME, MAX_TRIES
from tests.chassis.events.outboxes import wait_until
from tests.chassis.events.receiver import answer_status, hang
from tests.chassis.payments.conftest import SECRETS, START, Till
from tests.stripe_stub import answer_json, build_event, fail, sign

LONG = timedelta(hours=3)  # longer than any backoff


def sign_now(till: Till, body: bytes, secret: str = SECRETS[0]) -> str:
    """Return the signature of a callback at the till's moment."""
    return sign(body, secret, till.now.timestamp())


def test_it_works(till: Till, unique: str) -> None:
    account = till.open_account(unique)
    id_ = till.ask_for_page(account)
    assert till.find(unique, id_).state == "asked"
    till.call()
    page = till.find(unique, id_)
    assert (page.state, page.ref, page.tries) == ("open", "cs_test_1", 1)
    assert page.url == "https://checkout.stripe.com/c/pay/cs_test_1"
    assert till.recorded == []
    body = till.stub.pay(id_)
    assert till.receive(account, body, sign_now(till, body))
    taken = till.find(unique, id_)
    assert (taken.state, taken.payment_ref, taken.ended_at) == ("taken", "pi_1", START)
    assert (taken.url, taken.details) == (None, {})
    assert till.recorded == [(id_, "taken", None)]


def test_a_doubled_callback_is_recorded_once(till: Till, unique: str) -> None:
    account = till.open_account(unique)
    id_ = till.ask_for_page(account)
    till.call()
    body = till.stub.pay(id_)
    signature = sign_now(till, body)
    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(lambda _: till.receive(account, body, signature), range(8)))
    assert found == [True] * 8
    assert till.recorded == [(id_, "taken", None)]


def test_a_refund_is_recorded_at_once_or_by_its_callback(till: Till, unique: str) -> None:
    account = till.open_account(unique)
    first = till.ask_for_refund(account)
    till.call()
    till.stub.refund_status = "pending"
    second = till.ask_for_refund(account)
    till.call()
    assert till.recorded == [(first, "refunded", None)]
    assert till.find(unique, second).state == "open"
    refund = {**till.stub.refunds[second], "status": "succeeded"}
    body = build_event("refund.updated", refund)
    assert till.receive(account, body, sign_now(till, body))
    assert till.recorded == [(first, "refunded", None), (second, "refunded", None)]


def test_a_provider_that_hangs_is_called_again_and_given_up(till: Till, unique: str) -> None:
    account = till.open_account(unique)
    id_ = till.ask_for_page(account)
    for tries in range(1, MAX_TRIES + 1):
        till.stub.answers = [hang]
        till.call(timeout=0.2)
        charge = till.find(unique, id_)
        assert (charge.tries, charge.last_error) == (tries, "timeout")
        assert charge.state == ("failed" if tries == MAX_TRIES else "asked")
        till.now += LONG
    till.call()
    assert len(till.stub.calls) == MAX_TRIES
    assert till.recorded == [(id_, "failed", "timeout")]


def test_money_that_moved_after_all_is_recorded(till: Till, unique: str) -> None:
    account = till.open_account(unique)
    id_ = till.ask_for_page(account)
    till.stub.answers = [fail(400, "invalid_request_error", "No.")]
    till.call()
    assert till.recorded == [(id_, "failed", "status 400")]
    about = {"id": "cs_9", "client_reference_id": id_, "payment_status": "paid"}
    body = build_event("checkout.session.completed", about)
    assert till.receive(account, body, sign_now(till, body))
    assert till.recorded[1:] == [(id_, "taken", None)]
    # What fails or expires later does not undo it.
    for type_ in ("checkout.session.expired", "checkout.session.async_payment_failed"):
        body = build_event(type_, about)
        assert till.receive(account, body, sign_now(till, body))
    assert till.find(unique, id_).state == "taken"
    assert len(till.recorded) == 2


@pytest.mark.parametrize("garbage", [b"", b"<html>", b"[]", b'{"id":1}', b"\xff"])
def test_garbage_is_not_taken_for_an_answer(till: Till, unique: str, garbage: bytes) -> None:
    account = till.open_account(unique)
    id_ = till.ask_for_page(account)
    till.stub.answers = [answer_json(200, garbage)]
    till.call()
    assert till.find(unique, id_).last_error == "malformed"
    till.now += LONG
    till.call()
    assert till.find(unique, id_).state == "open"


def test_a_call_whose_process_died_is_made_again_under_the_same_key(
    till: Till, unique: str
) -> None:
    account = till.open_account(unique)
    id_ = till.ask_for_page(account)
    with till.database.write() as tx:
        (leased,) = till.charges.lease(tx, unique, 5, till.now)
    till.call()
    assert till.stub.calls == []
    till.now += LEASE_TIME
    till.call()
    (call,) = till.stub.calls
    assert call.headers["idempotency-key"] == id_ == leased.id


def test_one_hanging_owner_stops_nobody_else(till: Till, unique: str) -> None:
    slow, quick = till.open_account(unique), till.open_account(f"{unique}-2")
    for number in range(6):
        till.ask_for_page(slow, f"payment-{number}")
    till.stub.answers = [hang, hang]
    cashier = till.cashier()
    assert cashier.call_due() == 2  # of one owner at once
    wait_until(lambda: not till.stub.answers)  # both hang
    id_ = till.ask_for_page(quick)
    assert cashier.call_due() == 1
    wait_until(lambda: till.find(f"{unique}-2", id_).state == "open")
    till.stub.receiver.closing.set()
    cashier.wait_until_idle()


def test_many_cashiers_call_each_charge_once(till: Till, unique: str) -> None:
    account = till.open_account(unique)
    for number in range(12):
        till.ask_for_page(account, f"payment-{number}")
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda _: till.call(), range(4)))
    till.call()
    assert len(till.stub.calls) == 12


def test_one_page_of_a_subject_can_be_paid(till: Till, unique: str) -> None:
    account = till.open_account(unique)
    id_ = till.ask_for_page(account)
    with ThreadPoolExecutor(4) as pool:
        others = list(pool.map(lambda _: till.ask_for_page(account), range(8)))
    assert others == [""] * 8
    with till.database.read() as tx:
        payable = till.charges.find_payable(tx, unique, "payment-1")
    assert payable is not None
    assert payable.id == id_


def test_without_an_account_a_charge_is_given_up(till: Till, unique: str) -> None:
    id_ = till.ask_for_page(till.open_account(unique))
    with till.database.write() as tx:
        till.accounts.put(tx, unique, None)
    till.call()
    assert till.recorded == [(id_, "failed", "no account")]


def test_a_callback_of_another_owner_changes_nothing(till: Till, unique: str) -> None:
    mine = till.open_account(unique)
    theirs = till.open_account(f"{unique}-2", callback_secrets=["whsec_of_the_other"])
    id_ = till.ask_for_page(mine)
    till.call()
    body = till.stub.pay(id_)
    # Signed by the other owner: refused as mine, and as theirs it names no charge of theirs.
    other = sign_now(till, body, "whsec_of_the_other")
    with pytest.raises(Invalid, match="signature"):
        till.receive(mine, body, other)
    assert not till.receive(theirs, body, other)
    assert till.find(unique, id_).state == "open"


@pytest.mark.parametrize("changed", [{"amount_total": 1}, {"currency": "usd"}])
def test_a_callback_about_other_money_is_refused(
    till: Till, unique: str, changed: dict[str, Any]
) -> None:
    account = till.open_account(unique)
    id_ = till.ask_for_page(account)
    till.call()
    till.stub.sessions[id_].update(changed)
    body = till.stub.pay(id_)
    with pytest.raises(Invalid, match="another amount"):
        till.receive(account, body, sign_now(till, body))


def test_loading_an_equal_account_again_changes_nothing(till: Till, unique: str) -> None:
    def read() -> Any:
        query = select(till.accounts.table).where(till.accounts.table.c.owner == unique)
        with till.database.read() as tx:
            return tx.execute(query).one()

    till.open_account(unique)
    before = read()
    till.open_account(unique)
    assert read() == before
    till.open_account(unique, secret_key="sk_another_key")
    assert read() != before


@pytest.mark.parametrize(
    "changes",
    [
        {"provider": "cash"},
        {"api_url": "http://api.stripe.example"},
        {"api_url": "https://user@api.stripe.example"},
        {"api_url": "ftp://x"},
        {"secret_key": "short"},
        {"secret_key": "with a space in it"},
        {"secret_key": None},
        {"callback_secrets": []},
        {"callback_secrets": ["whsec_12345"] * 5},
        {"callback_secrets": ["short"]},
        {"more": 1},
    ],
    ids=map(str, range(11)),
)
def test_bad_accounts_are_refused(changes: dict[str, Any]) -> None:
    values = {"provider": "stripe", "secret_key": "sk_12345", "callback_secrets": ["whsec_12345"]}
    with pytest.raises(ValidationError):
        PaymentAccountSchema().load({**values, **changes})
    assert PaymentAccountSchema().load(values)["api_url"] == "https://api.stripe.com"


def test_erasing_deletes_links_and_asks_for_nothing_more(till: Till, unique: str) -> None:
    account = till.open_account(unique)
    opened = till.ask_for_page(account, "one")
    till.call()
    asked = till.ask_for_page(account, "two")
    with till.database.write() as tx:
        till.charges.erase(tx, ["one", "two"])
    assert [till.find(unique, each).url for each in (opened, asked)] == [None, None]
    assert till.find(unique, asked).state == "expired"
    till.stub.answers = [answer_status(500)]
    till.call()
    assert len(till.stub.calls) == 1
