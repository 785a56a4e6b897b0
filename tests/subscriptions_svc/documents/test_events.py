"""Events for a merchant's endpoint: each change once, in its transaction, as a form."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import update

from protos.subscriptions_pb2 import (
    CancelSubscriptionRequest,
    ConfirmCartByCodeRequest,
    ConfirmSubscriptionRequest,
    RecordPaymentRequest,
)
from protos.subscriptions_pb2_grpc import ShopperServiceStub
from subscriptions_svc.actions.advance_by_time import advance_by_time
from subscriptions_svc.documents import events
from subscriptions_svc.store import tables as store
from tests.chassis.events.receiver import Receiver, answer_status, hang, redirect
from tests.event_schemas import read_form
from tests.serving import Served
from tests.subscriptions_svc.endpoint import (
    NOON,
    WRITTEN,
    deliver,
    list_names,
    listen,
    load_form,
)
from tests.subscriptions_svc.shop import (
    activate,
    build_delivery,
    build_ending,
    confirm,
    create_activated,
    create_confirmed,
    get,
    list_lenses,
    propose,
    set_status,
    solicit,
)


def pay(served: Served, subscription_id: str, *, successful: bool = True) -> None:
    request = RecordPaymentRequest(subscription_id=subscription_id, successful=successful)
    served.call("RecordPayment", request, "staff", desk=True)


def cancel(served: Served, subscription_id: str) -> None:
    served.call("CancelSubscription", build_ending(get(served, subscription_id)))


def test_it_works(subscriptions: Served, body: Any, mail: Any, partner: Receiver) -> None:
    with subscriptions.clock.at(NOON):
        made = create_confirmed(subscriptions, body)
    (got,) = mail()
    (received,) = partner.received
    assert (received.method, received.path) == ("POST", "/events")
    assert received.headers["content-type"] == "application/x-www-form-urlencoded"
    event_id = received.headers["webhook-id"]
    number = ("contract_number", made.contract_number)
    assert got == load_form(made, "subscriptions/created", event_id, number)
    with subscriptions.database.read() as tx:
        (row,) = store.outbox.find(tx, 10, stream=made.id)
    assert (row.owner, row.state, row.attempts) == ("tienda_moderna", "delivered", 1)


def test_a_solicitation_is_no_event(subscriptions: Served, body: Any, mail: Any) -> None:
    solicit(subscriptions, body)
    assert mail() == []


def test_the_shoppers_confirmation_sends_an_event_once_paid(
    subscriptions: Served, body: Any, mail: Any
) -> None:
    made = solicit(subscriptions, body)
    request = ConfirmCartByCodeRequest(code=made.last_persisted_cart.code, terms_accepted=True)
    ShopperServiceStub(subscriptions.channel).ConfirmCartByCode(request, timeout=20)
    assert mail() == []
    with subscriptions.clock.at(NOON):
        pay(subscriptions, made.id)
    payment, created = mail()
    assert payment == load_form(
        made,
        "subscriptions/payment_status_changed",
        dict(payment)["event_id"],
        ("updated_at", WRITTEN),
        ("successful", "true"),
    )
    assert dict(created)["event"] == "subscriptions/created"
    assert dict(created)["contract_number"] == get(subscriptions, made.id).contract_number


def test_a_failed_payment_sends_an_event(subscriptions: Served, body: Any, mail: Any) -> None:
    made = solicit(subscriptions, body)
    pay(subscriptions, made.id, successful=False)
    pay(subscriptions, made.id, successful=False)
    assert [dict(each)["successful"] for each in mail()] == ["false"]


def test_an_activation_sends_an_event_with_its_moment(
    subscriptions: Served, body: Any, mail: Any
) -> None:
    made = create_activated(subscriptions, body, NOON)
    created, activation = mail()
    assert dict(created)["event"] == "subscriptions/created"
    assert activation == load_form(
        made,
        "subscriptions/activated",
        dict(activation)["event_id"],
        ("activated_at", WRITTEN),
    )


def test_a_cancellation_sends_an_event(subscriptions: Served, body: Any, mail: Any) -> None:
    made = solicit(subscriptions, body)
    with subscriptions.clock.at(NOON):
        cancel(subscriptions, made.id)
    (got,) = mail()
    event_id = dict(got)["event_id"]
    assert got == load_form(made, "subscriptions/cancelled", event_id, ("updated_at", WRITTEN))


def test_a_cart_sends_an_event_when_it_comes_into_force(
    subscriptions: Served, body: Any, mail: Any
) -> None:
    made = create_activated(subscriptions, body, NOON)
    before = len(mail())
    with subscriptions.clock.at(NOON):
        propose(subscriptions, made)
        assert len(mail()) == before
        confirm(subscriptions, made.id)
        got = mail()[-1]
    event_id = dict(got)["event_id"]
    assert got == load_form(made, "subscriptions/updated", event_id, ("updated_at", WRITTEN))


def test_boxes_send_events_on_request_only(
    subscriptions: Served, body: Any, mail: Any, partner: Receiver
) -> None:
    made = create_confirmed(subscriptions, body)
    left, right = (lens.reference_uuid for lens in list_lenses(made))
    subscriptions.call("CreateBoxDeliveries", build_delivery(made.id, (left, 1)))
    assert list_names(mail()) == ["subscriptions/created"]

    listen(subscriptions, partner, events=["subscriptions/boxes_delivered"])
    with subscriptions.clock.at(NOON):
        request = build_delivery(made.id, (left, 1), (right, 2), (left, 1))
        subscriptions.call("CreateBoxDeliveries", request)
    cancel(subscriptions, made.id)
    got = mail()[1:]
    assert got == [
        load_form(
            made,
            "subscriptions/boxes_delivered",
            dict(got[0])["event_id"],
            ("delivered_at", WRITTEN),
            ("deliveries[][cart_item_reference_uuid]", left),
            ("deliveries[][quantity]", "2"),
            ("deliveries[][cart_item_reference_uuid]", right),
            ("deliveries[][quantity]", "2"),
        )
    ]


def test_a_repeated_change_sends_one_event(subscriptions: Served, body: Any, mail: Any) -> None:
    made = create_activated(subscriptions, body, NOON)
    with subscriptions.clock.at(NOON):
        confirm(subscriptions, made.id)
        for item in made.last_persisted_cart.cart_items:
            activate(subscriptions, made.id, item.reference_uuid)
        pay(subscriptions, made.id)
        pay(subscriptions, made.id)
        cancel(subscriptions, made.id)
        request = CancelSubscriptionRequest(subscription_id=made.id, reason="Again")
        assert subscriptions.refusal("CancelSubscription", request).reason == "CONFLICT"
    assert list_names(mail()) == [
        "subscriptions/created",
        "subscriptions/activated",
        "subscriptions/payment_status_changed",
        "subscriptions/cancelled",
    ]


def test_a_refused_call_sends_no_event(subscriptions: Served, body: Any, mail: Any) -> None:
    made = create_confirmed(subscriptions, body)
    listen_for = list_lenses(made)[0].reference_uuid
    subscriptions.refusal("CreateBoxDeliveries", build_delivery(made.id, (listen_for, 5)))
    set_status(subscriptions, made.id)
    request = ConfirmSubscriptionRequest(subscription_id=made.id)
    subscriptions.refusal("ConfirmSubscription", request, "staff", desk=True)
    assert list_names(mail()) == ["subscriptions/created"]


def test_concurrent_calls_send_one_event(subscriptions: Served, body: Any, mail: Any) -> None:
    made = solicit(subscriptions, body)
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda _: confirm(subscriptions, made.id), range(8)))
    assert list_names(mail()) == ["subscriptions/created"]


def test_a_repeated_key_sends_one_event(
    subscriptions: Served, body: Any, mail: Any, unique: str
) -> None:
    made = solicit(subscriptions, body)
    request = CancelSubscriptionRequest(subscription_id=made.id, reason="Asked for it")
    for _ in range(2):
        subscriptions.call("CancelSubscription", request, idempotency_key=unique)
    assert list_names(mail()) == ["subscriptions/cancelled"]


def test_a_reference_of_any_kind_arrives_whole(subscriptions: Served, body: Any, mail: Any) -> None:
    made = solicit(subscriptions, body, reference="ref&event=x+ñ %00 €😀")
    cancel(subscriptions, made.id)
    (got,) = mail()
    assert dict(got)["order_ref_1"] == "ref&event=x+ñ %00 €😀"
    assert dict(got)["event"] == "subscriptions/cancelled"


def test_without_an_endpoint_nothing_is_kept(subscriptions: Served, body: Any) -> None:
    made = create_confirmed(subscriptions, body)
    with subscriptions.database.read() as tx:
        assert store.outbox.find(tx, 10, stream=made.id) == []


def test_a_type_that_is_not_wanted_is_not_sent_again(
    subscriptions: Served, body: Any, mail: Any, partner: Receiver
) -> None:
    partner.answers = [answer_status(501)]
    made = create_confirmed(subscriptions, body)
    assert len(mail()) == 1
    deliver(subscriptions, datetime.now(UTC) + timedelta(days=3))
    assert len(partner.received) == 1
    with subscriptions.database.read() as tx:
        assert [row.state for row in store.outbox.find(tx, 10, stream=made.id)] == ["declined"]


def test_a_redirect_is_followed_with_the_form(
    subscriptions: Served, body: Any, mail: Any, partner: Receiver
) -> None:
    partner.answers = [redirect(307, "/moved"), redirect(308, "/moved/again"), answer_status(200)]
    create_confirmed(subscriptions, body)
    mail()
    assert [each.path for each in partner.received] == ["/events", "/moved", "/moved/again"]
    assert len({each.body for each in partner.received}) == 1


def test_ten_retries_and_no_more(
    subscriptions: Served, body: Any, mail: Any, partner: Receiver
) -> None:
    partner.answers = [answer_status(500)]
    made = create_confirmed(subscriptions, body)
    now = datetime.now(UTC)
    for _ in range(15):
        deliver(subscriptions, now)
        now += timedelta(days=1)
    assert len(partner.received) == 11
    assert len(set(partner.ids())) == 1
    with subscriptions.database.read() as tx:
        assert [row.state for row in store.outbox.find(tx, 10, stream=made.id)] == ["dead"]


@pytest.mark.parametrize(
    ("moment", "zone", "mail"),
    [
        (NOON, "Europe/Madrid", WRITTEN),
        (
            datetime(2026, 7, 1, 22, 30, tzinfo=UTC),
            "Europe/Madrid",
            "2026-07-02 00:30:00.000000000 CEST +02:00",
        ),
        (NOON, "UTC", "2026-03-01 12:00:00.651999000 UTC +00:00"),
        (NOON, "America/Mexico_City", "2026-03-01 06:00:00.651999000 CST -06:00"),
        (NOON, "Asia/Kolkata", "2026-03-01 17:30:00.651999000 IST +05:30"),
    ],
)
def test_moments_are_written_as_the_vendor_writes_them(
    moment: datetime, zone: str, mail: str
) -> None:
    assert events.format_moment(moment, zone) == mail


@contextmanager
def process(url: str) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """`python -m subscriptions_svc` on a store, and where it listens."""
    command = [sys.executable, "-m", "subscriptions_svc"]
    environment = {"DATABASE_URL": url, "LISTEN": "127.0.0.1:0", "WEBHOOK_PRIVATE_TARGETS": "on"}
    started = subprocess.Popen(
        command, env={**os.environ, **environment}, stdout=subprocess.PIPE, text=True
    )
    try:
        assert started.stdout is not None
        yield started, started.stdout.readline()
    finally:
        started.kill()
        started.communicate()


def until(condition: Callable[[], bool]) -> None:
    """Wait for a condition."""
    end = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.05)


def test_events_committed_before_a_kill_arrive_after_it(
    store_url: Callable[[str, str], str], engine: str, partner: Receiver, start: Any, body: Any
) -> None:
    served: Served = start("subscriptions", engine)  # without a dispatcher of its own
    listen(served, partner)
    made = solicit(served, body)
    partner.answers = [hang, answer_status(200)]
    url = served.database.url.render_as_string(hide_password=False)
    confirm(served, made.id)
    with process(url) as (killed, _):
        until(lambda: len(partner.received) == 1)
        killed.send_signal(signal.SIGKILL)
        killed.wait()
    with served.database.write() as tx:  # a minute later
        tx.execute(update(store.outbox.table).values(due_at=datetime.now(UTC)))
    with process(url):
        until(lambda: len(partner.received) == 2)
    first, second = partner.received
    assert first.body == second.body
    assert dict(read_form(first.body))["order_ref"] == made.id


def test_moves_by_time_send_events(subscriptions: Served, body: Any, mail: Any) -> None:
    with subscriptions.clock.at(NOON):
        made = create_confirmed(subscriptions, body)
    for _ in range(2):
        advance_by_time(subscriptions.database, NOON + timedelta(days=31))
    mine = [each for each in mail() if dict(each)["order_ref"] == made.id]
    assert list_names(mine) == ["subscriptions/created", "subscriptions/activated"]
    assert dict(mine[1])["activated_at"] == "2026-03-31 14:00:00.651999000 CEST +02:00"
