"""ErasePerson and ExportPerson: what is kept of a shopper, on both engines."""

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from grpc import StatusCode
from sqlalchemy import func, select, update

from chassis.events.courier import Courier
from chassis.notices.files import Files
from chassis.notices.postman import Postman
from chassis.notices.sweeper import Sweeper
from chassis.persons import erase_old
from protos import subscriptions_pb2 as pb
from subscriptions_svc.definition import SERVICE
from subscriptions_svc.store import tables
from subscriptions_svc.store.messages import QUEUE
from tests.chassis.audit.trails import read_entries, wait_for_entries, wait_until
from tests.serving import Served
from tests.stripe_stub import run_stub
from tests.subscriptions_svc.payments import (
    call_provider,
    confirm_by_link,
    connect,
    list_payments,
    opened_monthly,
)
from tests.subscriptions_svc.shop import (
    build_delivery,
    confirm,
    get,
    list_boxes,
    list_lenses,
    set_status,
    solicit,
)

NIN = "12345678Z"


def build_canary(unique: str) -> str:
    """A word that is in no other test's rows."""
    return f"Qz{unique[:12]}"


def hash_number(text: str) -> int:
    """A number of a text, the same each time."""
    return int.from_bytes(text.encode()[-8:])


def build_shopper(unique: str) -> dict[str, Any]:
    """A canary in each personal field."""
    canary = build_canary(unique)
    return {
        "given_names": f"{canary}a",
        "surnames": f"{canary}b",
        "email": f"{canary}.{unique}@example.com",
        "mobile_phone": f"+34 600 {hash_number(unique) % 1_000_000:06}",
        "nin": NIN,
        "address": f"{canary}c",
        "postal_code": f"{canary}d",
        "city": f"{canary}e",
        "discounts": json.dumps([{"code": f"{canary}h", "for": [f"{canary}i"]}]),
    }


def solicit_private(subscriptions: Served, body: Any, unique: str) -> pb.Subscription:
    """A subscription of that shopper, with its own reference."""
    return solicit(subscriptions, body, reference=f"ref-{unique}", **build_shopper(unique))


def erase(subscriptions: Served, request_id: str = "", **fields: Any) -> int:
    """Erase a person as staff."""
    sent: dict[str, Any] = {"x_request_id": request_id} if request_id else {}
    asked = pb.ErasePersonRequest(**fields)
    return int(subscriptions.call("ErasePerson", asked, "staff", desk=True, **sent).erased)


def dump(subscriptions: Served) -> str:
    """Every row of the store, as text."""
    return "\n".join(
        repr([bytes(value) if isinstance(value, memoryview) else value for value in row])
        for rows in subscriptions.rows().values()
        for row in rows
    )


def search(subscriptions: Served, text: str) -> list[str]:
    """The ids that a search finds."""
    asked = pb.ListSubscriptionsRequest(search=text)
    return [row.id for row in subscriptions.call("ListSubscriptions", asked).data]


def test_it_works(subscriptions: Served, body: Any, unique: str) -> None:
    made = solicit_private(subscriptions, body, unique)
    subscriptions.call("SendSms", pb.SendSmsRequest(subscription_id=made.id))
    confirm(subscriptions, made.id)
    left = list_lenses(made)[0].reference_uuid
    request = build_delivery(made.id, (left, 1))
    subscriptions.call("CreateBoxDeliveries", request, idempotency_key=unique)
    event = pb.CreateWarrantyEventRequest(
        subscription_id=made.id,
        type="repair",
        charged_amount=1,
        product_id=left,
        name=f"{build_canary(unique)}f",
        description=f"{build_canary(unique)}g",
    )
    subscriptions.refusal("CreateWarrantyEvent", event)
    payment = pb.RecordPaymentRequest(subscription_id=made.id, successful=True)
    paid = subscriptions.call("RecordPayment", payment, "staff", desk=True, idempotency_key=unique)
    assert paid.customer.given_names == f"{build_canary(unique)}a"
    assert f"{build_canary(unique)}h" in paid.discounts
    set_status(subscriptions, made.id)
    assert search(subscriptions, f"{build_canary(unique)}b") == [made.id]
    before = {name: len(rows) for name, rows in subscriptions.rows().items()}
    boxes, cart = list_boxes(get(subscriptions, made.id)), made.last_persisted_cart.cart_items

    assert erase(subscriptions, unique, email=build_shopper(unique)["email"].lower()) == 1
    text = dump(subscriptions)
    assert build_canary(unique) not in text
    assert build_canary(unique).lower() not in text
    after = {name: len(rows) for name, rows in subscriptions.rows().items()}
    assert after == {**before, "subscription_words": after["subscription_words"]}

    found = get(subscriptions, made.id)
    assert (found.reference, found.payment_status) == (f"ref-{unique}", "paid")
    assert found.customer == pb.Customer()
    assert list_boxes(found) == boxes
    prices = [item.price_with_tax.value for item in found.last_persisted_cart.cart_items]
    assert prices == [item.price_with_tax.value for item in cart]
    assert search(subscriptions, f"ref-{unique}") == [made.id]
    assert search(subscriptions, f"{build_canary(unique)}b") == []
    again = subscriptions.call("RecordPayment", payment, "staff", desk=True, idempotency_key=unique)
    assert (again.id, again.customer, again.discounts) == (paid.id, pb.Customer(), "")
    (entry,) = read_entries(subscriptions, unique)[-1:]
    assert (entry["rpc"], entry["ids"]) == ("SubscriptionDeskService/ErasePerson", [made.id])


def test_the_files_of_their_messages_are_deleted(
    subscriptions: Served, body: Any, unique: str, tmp_path: Path
) -> None:
    files = Files(tmp_path / "messages")
    postman = Postman(subscriptions.database, QUEUE, {"email": files, "sms": files})
    sweeper = Sweeper(subscriptions.database, tables.messages, files.folder)
    assert sweeper.sweep() == 0
    while postman.send_one():
        pass
    before, written = set(files.folder.glob("*")), []
    for name in (unique, f"kept{unique}"):
        made = solicit_private(subscriptions, body, name)
        subscriptions.call("SendSms", pb.SendSmsRequest(subscription_id=made.id))
        while postman.send_one():
            pass
        written.append(set(files.folder.iterdir()) - before)
        before |= written[-1]
    erased, kept = written
    assert len(erased) == 1
    assert erase(subscriptions, email=build_shopper(unique)["email"], include_open=True) == 1
    for path in (next(iter(erased)).with_suffix(".partial"), files.folder / "notes.txt"):
        path.touch()
    with SERVICE.background(
        subscriptions.database, tmp_path, Courier()
    ):  # its first round begins at once
        wait_until(lambda: not any(path.exists() for path in erased))
    assert sweeper.sweep() == 0
    assert {*files.folder.iterdir()} >= {*kept, files.folder / "notes.txt"}
    assert not list(files.folder.glob("*.partial"))


def test_a_message_that_waits_is_not_sent(subscriptions: Served, body: Any, unique: str) -> None:
    made = solicit_private(subscriptions, body, unique)
    subscriptions.call("SendSms", pb.SendSmsRequest(subscription_id=made.id))
    phone = build_shopper(unique)["mobile_phone"]
    assert erase(subscriptions, phone=phone, include_open=True) == 1
    of_cart = tables.messages.c.cart_id == made.last_persisted_cart.id
    due = select(func.count()).where(of_cart, tables.messages.c.due_at.is_not(None))
    with subscriptions.database.read() as tx:
        assert tx.execute(due).scalar() == 0
    assert build_canary(unique) not in dump(subscriptions)


def test_export_has_all_of_a_person(subscriptions: Served, body: Any, unique: str) -> None:
    made = solicit_private(subscriptions, body, unique)
    asked = pb.ExportPersonRequest(email=build_shopper(unique)["email"])
    answer = subscriptions.call("ExportPerson", asked, "staff", desk=True, x_request_id=unique)
    document = json.loads(answer.document)
    (row,) = document["subscriptions"]
    assert (row["id"], row["city"], row["nin"]) == (made.id, f"{build_canary(unique)}e", NIN)
    assert document["cart_items"]
    assert f"{build_canary(unique)}h" in row["discounts"]
    assert document.keys() >= {"pending_carts", "cancelled_items", "messages", "events"}
    assert document.keys() >= {"prescriptions", "box_outcomes", "graduation_changes"}
    assert document.keys() >= {"payments", "payment_entries", "charges", "reminders"}
    assert row.get("cart_code") is None
    (entry,) = wait_for_entries(subscriptions, unique)
    assert (entry["rpc"], entry["ids"]) == ("SubscriptionDeskService/ExportPerson", [made.id])


def test_reason_of_a_cancellation_and_page_of_a_payment(
    subscriptions: Served, body: Any, unique: str
) -> None:
    with run_stub() as stub, opened_monthly(subscriptions):
        connect(subscriptions, stub)
        made = solicit_private(subscriptions, body, unique)
        confirm_by_link(subscriptions, made)
        call_provider(subscriptions)
        (payment,) = list_payments(subscriptions, made.id)
        request = pb.RequestPaymentRequest(payment_id=payment.id)
        keyed: dict[str, Any] = {"desk": True, "idempotency_key": unique}
        subscriptions.call("RequestPayment", request, "staff", **keyed)
        ending = pb.CancelSubscriptionRequest(
            subscription_id=made.id, reason=f"{build_canary(unique)}j has moved"
        )
        subscriptions.call("CancelSubscription", ending)
        email = build_shopper(unique)["email"]
        answer = subscriptions.call(
            "ExportPerson", pb.ExportPersonRequest(email=email), "staff", desk=True
        )
        document = json.loads(answer.document)
        assert document["cancellations"][0]["reason"] == ending.reason
        [charge] = document["charges"]
        assert (charge["subject"], charge["amount"]) == (payment.id, 2000)
        assert payment.page_url not in answer.document
        assert erase(subscriptions, email=email) == 1
        text = dump(subscriptions)
        assert build_canary(unique) not in text
        assert payment.page_url not in text
        again = subscriptions.call("RequestPayment", request, "staff", **keyed)
        assert (again.id, again.page_url) == (payment.id, "")


def test_an_identity_number_in_any_form(subscriptions: Served, body: Any, unique: str) -> None:
    made = solicit_private(subscriptions, body, unique)
    asked = pb.ExportPersonRequest(nin="12.345.678-z")
    answer = subscriptions.call("ExportPerson", asked, "staff", desk=True)
    assert made.id in answer.document
    asked = pb.ExportPersonRequest(nin=NIN, merchant_id="otra_tienda")
    failure = subscriptions.refusal("ExportPerson", asked, "staff", desk=True)
    assert failure.code is StatusCode.NOT_FOUND


def test_what_is_open_is_erased_only_on_request(
    subscriptions: Served, body: Any, unique: str
) -> None:
    solicit_private(subscriptions, body, unique)
    before = subscriptions.rows()
    email = build_shopper(unique)["email"]
    asked = pb.ErasePersonRequest(email=email)
    failure = subscriptions.refusal("ErasePerson", asked, "staff", desk=True)
    assert (failure.code, failure.reason) == (StatusCode.FAILED_PRECONDITION, "OPEN")
    assert subscriptions.rows() == before
    assert erase(subscriptions, email=email, include_open=True) == 1


@pytest.mark.parametrize(
    "fields", [{}, {"email": "a@example.com", "nin": NIN}, {"merchant_id": "x"}, {"nin": "-"}]
)
@pytest.mark.parametrize("rpc", ["ExportPerson", "ErasePerson"])
def test_a_person_is_named_in_one_way(
    subscriptions: Served, rpc: str, fields: dict[str, str]
) -> None:
    asked = getattr(pb, f"{rpc}Request")(**fields)
    failure = subscriptions.refusal(rpc, asked, "staff", desk=True)
    assert (failure.code, len(failure.faults)) == (StatusCode.INVALID_ARGUMENT, 1)


@pytest.mark.parametrize("rpc", ["ExportPerson", "ErasePerson"])
def test_only_staff_may(subscriptions: Served, rpc: str) -> None:
    asked = getattr(pb, f"{rpc}Request")(email="a@example.com")
    failure = subscriptions.refusal(rpc, asked, desk=True)
    assert failure.code is StatusCode.PERMISSION_DENIED


def test_what_was_written_after_an_erasure_is_erased_in_its_time(
    subscriptions: Served, body: Any, unique: str
) -> None:
    now, days = datetime.now(UTC), timedelta(days=365)
    made = solicit_private(subscriptions, body, unique)
    confirm(subscriptions, made.id)
    assert erase(subscriptions, email=build_shopper(unique)["email"], include_open=True) == 1
    lens = list_lenses(made)[0].reference_uuid
    change = pb.ChangeGraduationRequest(subscription_id=made.id, reference_uuid=lens)
    change.prescription.CopyFrom(pb.NewPrescription(sphere=-7.25, issue_date="2026-01-01"))
    change.prescription.prescriber.name = f"{build_canary(unique)}k"
    subscriptions.call("ChangeGraduation", change)
    ending = pb.CancelSubscriptionRequest(
        subscription_id=made.id, reason=f"{build_canary(unique)}j has moved"
    )
    later = now + timedelta(days=400)
    subscriptions.call("CancelSubscription", ending)
    assert build_canary(unique) in dump(subscriptions)
    assert erase_old(subscriptions.database, SERVICE.persons, days, later) >= 1
    assert build_canary(unique) not in dump(subscriptions)


def test_retention_erases_what_ended_long_ago(
    subscriptions: Served, body: Any, unique: str
) -> None:
    now = datetime.now(UTC)
    names = ("cancelled", "finished", "over", "recent", "draft")
    ids = {name: solicit_private(subscriptions, body, name + unique).id for name in names}
    old, new = now - timedelta(days=400), now - timedelta(days=300)
    values: dict[str, dict[str, Any]] = {
        "cancelled": {"status": "cancelled", "created_at": old},
        "finished": {"status": "finished", "renewal_at": old},
        "over": {"status": "active", "renewal_at": old},
        "recent": {"status": "finished", "renewal_at": new},
        "draft": {"created_at": old},
    }
    with subscriptions.database.write() as tx:
        for name, each in values.items():
            this = tables.subscriptions.c.id == ids[name]
            tx.execute(update(tables.subscriptions).where(this).values(each))
    days = timedelta(days=365)
    assert erase_old(subscriptions.database, SERVICE.persons, days, now) == 3
    assert erase_old(subscriptions.database, SERVICE.persons, days, now) == 0
    named = select(tables.subscriptions.c.id).where(tables.subscriptions.c.surnames.is_not(None))
    with subscriptions.database.read() as tx:
        kept = set(tx.execute(named).scalars())
    assert {name for name, id_ in ids.items() if id_ in kept} == {"recent", "draft"}
