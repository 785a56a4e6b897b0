"""Reminders, on both engines: which are sent, how often, in which language, and their end."""

import re
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, date, datetime, timedelta
from types import SimpleNamespace
from typing import Any

import grpc
import pytest
from flask.testing import FlaskClient
from sqlalchemy import update

from protos.subscriptions_pb2 import GetRemindersRequest, StopRemindersRequest, Subscription
from protos.subscriptions_pb2_grpc import ShopperServiceStub
from subscriptions_svc.actions.advance_by_time import remind_shoppers
from subscriptions_svc.notices.reminders import compose_reminder, queue_reminder
from subscriptions_svc.rules.reminding.reminders import KINDS
from subscriptions_svc.store import tables
from subscriptions_svc.store.subscriptions import NOBODY, find_subscription
from subscriptions_svc.store.views import read_view
from tests.serving import Served, decode
from tests.subscriptions_svc.links import read_messages, send
from tests.subscriptions_svc.payments import MERCHANT
from tests.subscriptions_svc.prescribed import create_prescribed, deliver, lens, record
from tests.subscriptions_svc.shop import (
    build_delivery,
    create_activated,
    list_lenses,
    set_status,
    solicit,
)

DAY = timedelta(days=1)
NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
URL = "https://shop.example"


def set_merchant(served: Served, **values: Any) -> None:
    is_it = tables.merchants.c.id == MERCHANT
    with served.database.write() as tx:
        tx.execute(update(tables.merchants).where(is_it).values(values))


@pytest.fixture(autouse=True)
def reminding(subscriptions: Served) -> Iterator[None]:
    set_merchant(subscriptions, reminders=" ".join(KINDS))
    yield
    set_merchant(subscriptions, reminders="", locale="es-ES")


def remind(served: Served, made: Subscription, moment: datetime) -> list[dict[str, str]]:
    """Remind everybody; returns what one subscription was ever sent."""
    remind_shoppers(served.database, URL, moment)
    rows = read_messages(served, made.last_persisted_cart.id)
    return [row.content for row in rows if row.reminder]


def leave_unconfirmed(served: Served, body: Any, **changes: Any) -> Subscription:
    with served.clock.at(NOON):
        made = solicit(served, body, **changes)
    set_status(served, made.id, "sent")
    return made


def find_code(content: dict[str, str]) -> str:
    (code,) = re.findall(rf"{URL}/r/(\S+)", content["text"])
    return str(code)


def test_it_works(subscriptions: Served, body: Any, http: FlaskClient) -> None:
    made = leave_unconfirmed(subscriptions, body)
    assert remind(subscriptions, made, NOON + 2 * DAY) == []
    (first,) = remind(subscriptions, made, NOON + 4 * DAY)
    assert first["subject"] == "Tienda Moderna: tu suscripción todavía te espera"
    assert f"{URL}/s/{made.last_persisted_cart.code}\n" in first["text"]
    # At most one a week, and none once a month has passed.
    sent = [len(remind(subscriptions, made, NOON + n * DAY)) for n in (5, 10, 11, 18, 25, 32, 90)]
    assert sent == [1, 1, 2, 3, 4, 4, 4]
    link = f"/r/{find_code(first)}"
    for _ in range(2):  # a GET has no effect
        assert "Detener los recordatorios" in http.get(link).text
    stopped = http.post(link)
    assert (stopped.status_code, "No recibirás" in stopped.text) == (200, False)
    assert "Ya no recibirás más recordatorios de Tienda Moderna" in stopped.text
    assert http.post(link).text == stopped.text
    assert http.get(link).text == stopped.text
    assert http.get("/r/unknown").status_code == http.post("/r/%00").status_code == 404


def test_who_stops_them_gets_none(subscriptions: Served, body: Any) -> None:
    made = leave_unconfirmed(subscriptions, body)
    (first,) = remind(subscriptions, made, NOON + 4 * DAY)
    stub = ShopperServiceStub(subscriptions.channel)
    code = find_code(first)
    assert not stub.GetReminders(GetRemindersRequest(code=code), timeout=20).is_stopped
    with ThreadPoolExecutor(4) as pool:
        request = StopRemindersRequest(code=code)
        answers = list(pool.map(lambda _: stub.StopReminders(request, timeout=20), range(8)))
    assert {each.is_stopped for each in answers} == {True}
    assert len(remind(subscriptions, made, NOON + 20 * DAY)) == 1


def test_boxes_that_are_due(subscriptions: Served, body: Any) -> None:
    made = create_activated(subscriptions, body, NOON)
    uuids = [lens.reference_uuid for lens in list_lenses(made)]
    with subscriptions.clock.at(NOON):
        request = build_delivery(made.id, *((uuid, 1) for uuid in uuids))
        subscriptions.call("CreateBoxDeliveries", request)
    assert remind(subscriptions, made, NOON + 80 * DAY) == []
    (sent,) = remind(subscriptions, made, NOON + 93 * DAY)
    assert sent["subject"] == "Tienda Moderna: ya te tocan las próximas cajas"
    assert "desde el 1 de junio de 2026" in sent["text"]
    with subscriptions.clock.at(NOON + 94 * DAY):
        subscriptions.call("CreateBoxDeliveries", request)
    assert len(remind(subscriptions, made, NOON + 120 * DAY)) == 1


@pytest.mark.parametrize(("policy", "count"), [("none", 1), ("warn", 1), ("require", 0)])
def test_nobody_is_sent_for_boxes_that_are_refused(
    subscriptions: Served, policy: str, count: int
) -> None:
    made = create_prescribed(subscriptions, policy, lens(), reminders=["boxes_due"])
    deliver(subscriptions, made)  # its prescription expires on 1 April
    assert len(remind(subscriptions, made, datetime(2026, 6, 10, tzinfo=UTC))) == count


def test_a_prescription_about_to_expire(subscriptions: Served) -> None:
    lenses = lens(expiration_date="2026-07-01"), lens("right", expiration_date="2026-09-01")
    made = create_prescribed(subscriptions, "none", *lenses, reminders=["prescription_expiring"])
    days = [datetime(2026, *day, 12, tzinfo=UTC) for day in ((5, 31), (6, 1), (6, 7), (7, 1))]
    assert [len(remind(subscriptions, made, day)) for day in days] == [0, 1, 1, 2]
    sent = remind(subscriptions, made, datetime(2026, 7, 20, tzinfo=UTC))
    assert len(sent) == 2
    assert "es válida hasta el 1 de julio de 2026. Revísate" in sent[0]["text"]
    assert sent[0]["subject"].endswith(": tu receta caduca pronto")
    # The other lens's; one that was denied is not looked at.
    assert len(remind(subscriptions, made, datetime(2026, 8, 3, 12, tzinfo=UTC))) == 3
    record(subscriptions, made, "wrong", datetime(2026, 8, 4, tzinfo=UTC), which=1)
    assert len(remind(subscriptions, made, datetime(2026, 8, 20, 12, tzinfo=UTC))) == 3


@pytest.mark.parametrize(
    ("locale", "day"),
    [("en-GB", "1 July 2026"), ("en-US", "July 1, 2026"), ("ja-JP", "July 1, 2026")],
)
def test_a_day_is_written_as_in_the_merchants_country(locale: str, day: str) -> None:
    row = SimpleNamespace(locale=locale, given_names="", shop="Shop")
    links = {"link": "", "stop": ""}
    _, text = compose_reminder(row, "boxes_due", date(2026, 7, 1), links)
    assert f"since {day}." in text


@pytest.mark.parametrize("locale", ["es-ES", "en-GB", "pt-PT", "de-DE", "it-IT", "fr-FR"])
def test_in_the_merchants_language(subscriptions: Served, body: Any, locale: str) -> None:
    set_merchant(subscriptions, locale=locale)
    made = leave_unconfirmed(subscriptions, body)
    (sent,) = remind(subscriptions, made, NOON + 4 * DAY)
    assert sent["language"] == locale[:2]
    assert "%(" not in sent["text"] + sent["subject"]


def test_a_kind_that_is_off_is_not_sent(subscriptions: Served, body: Any) -> None:
    set_merchant(subscriptions, reminders="boxes_due")
    made = leave_unconfirmed(subscriptions, body)
    assert remind(subscriptions, made, NOON + 4 * DAY) == []


@pytest.mark.parametrize("status", ["draft", "waiting_for_payment", "cancelled"])
def test_other_states_are_not_reminded(subscriptions: Served, body: Any, status: str) -> None:
    made = leave_unconfirmed(subscriptions, body)
    set_status(subscriptions, made.id, status)
    assert remind(subscriptions, made, NOON + 4 * DAY) == []


def test_without_an_address_nothing_is_sent(subscriptions: Served, body: Any) -> None:
    made = leave_unconfirmed(subscriptions, body, email="")
    assert remind(subscriptions, made, NOON + 4 * DAY) == []


def test_many_clocks_remind_once(subscriptions: Served, body: Any) -> None:
    made = [leave_unconfirmed(subscriptions, body) for _ in range(4)]
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda each: remind(subscriptions, each, NOON + 4 * DAY), made))
    assert [len(remind(subscriptions, each, NOON + 4 * DAY)) for each in made] == [1] * 4


def test_one_that_was_found_before_another_clock_had_committed(
    subscriptions: Served, body: Any
) -> None:
    made, moment = leave_unconfirmed(subscriptions, body), NOON + 4 * DAY
    for is_queued in (True, False):
        with subscriptions.database.write() as tx:
            view = read_view(tx, find_subscription(tx, made.id, NOBODY, lock=True), moment)
            assert queue_reminder(tx, view, None, URL) == is_queued
    assert len(remind(subscriptions, made, moment)) == 1


def test_they_leave_the_shops_own_messages_alone(subscriptions: Served, body: Any) -> None:
    made = leave_unconfirmed(subscriptions, body)
    for days in (4, 11, 18, 25):
        remind(subscriptions, made, NOON + days * DAY)
    set_status(subscriptions, made.id, "waiting_for_payment")

    assert send(subscriptions, "SendEmail", made.id)


@pytest.mark.parametrize("code", ["", "unknown", "\0", "x" * 3000])
def test_another_code_is_not_found(subscriptions: Served, code: str) -> None:
    stub = ShopperServiceStub(subscriptions.channel)
    with pytest.raises(grpc.RpcError) as failed:
        stub.GetReminders(GetRemindersRequest(code=code), timeout=20)
    assert decode(failed.value).reason == "NOT_FOUND"
    with pytest.raises(grpc.RpcError) as failed:
        stub.StopReminders(StopRemindersRequest(code=code), timeout=20)
    assert decode(failed.value).reason == "NOT_FOUND"
