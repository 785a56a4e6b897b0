"""Prescriptions of contact lenses, and boxes that go out by them, on both engines."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from google.protobuf.json_format import MessageToDict

from protos import subscriptions_pb2 as pb
from subscriptions_svc.store.tables import prescriptions
from tests.optics.fhir_documents import contact, document, extension
from tests.serving import Served
from tests.subscriptions_svc.bodies import build_lens, build_package
from tests.subscriptions_svc.prescribed import (
    NEW_YORK,
    NOON,
    PRESCRIBED,
    create_prescribed,
    deliver,
    find_refused,
    lens,
)
from tests.subscriptions_svc.shop import (
    build_cart_update,
    build_delivery,
    build_ending,
    build_solicitation,
    change_cart,
    create_activated,
    create_confirmed,
    get,
    list_lenses,
    pay,
)


def test_it_works(subscriptions: Served) -> None:
    prescriber = {"name": "Dr. Vega", **NEW_YORK}
    made = create_prescribed(
        subscriptions,
        "none",
        lens(cylinder=-0.75, axis=90, base_curve=8.6, diameter=14.2, prescriber=prescriber),
        build_lens("right"),
    )
    with subscriptions.clock.at(NOON):
        left, right = list_lenses(get(subscriptions, made.id))
    assert MessageToDict(left.prescription, preserving_proto_field_name=True) == {
        "sphere": -2.25,
        "cylinder": -0.75,
        "axis": 90,
        "base_curve": 8.6,
        "diameter": 14.2,
        "issue_date": "2026-01-10",
        "expiration_date": "2026-04-01",
        "prescriber": prescriber,
        "verification": {"state": "unverified"},
    }
    assert not right.HasField("prescription")


def test_without_a_policy_boxes_go_out_as_ever(subscriptions: Served) -> None:
    made = create_prescribed(subscriptions, "none", lens(), build_lens("right"))
    for which in (0, 1):
        answer = deliver(subscriptions, made, NOON + timedelta(days=60), which)
        assert not answer.warnings


def test_a_merchant_who_requires_refuses_past_the_expiry_with_its_date(
    subscriptions: Served,
) -> None:
    made = create_prescribed(
        subscriptions, "require", lens(), lens("right", expiration_date="2026-12-31")
    )
    last = datetime(2026, 4, 1, 21, 59, 59, tzinfo=UTC)  # still 1 April in Madrid
    deliver(subscriptions, made, last)
    day_after = datetime(2026, 4, 1, 22, tzinfo=UTC)
    request = build_delivery(made.id, (list_lenses(made)[0].reference_uuid, 1))
    with subscriptions.clock.at(day_after):
        failure = subscriptions.refusal("CreateBoxDeliveries", request)
        found = get(subscriptions, made.id)
    assert failure.reason == "PRESCRIPTION"
    refusal = pb.PrescriptionRefusal()
    failure.details[0].Unpack(refusal)
    assert [(each.code, each.expiration_date) for each in refusal.items] == [
        ("prescription_expired", "2026-04-01")
    ]
    assert found.available_actions.deliver_boxes  # those of the other eye
    assert [each.prescription.is_expired for each in list_lenses(found)] == [True, False]
    deliver(subscriptions, made, day_after, which=1)
    assert [each.delivered_boxes for each in list_lenses(get(subscriptions, made.id))] == [1, 1]


def test_a_merchant_who_requires_refuses_without_a_prescription(subscriptions: Served) -> None:
    made = create_prescribed(subscriptions, "require", build_lens("both"))
    assert find_refused(subscriptions, made) == {"code": "prescription_missing"}


def test_one_refused_lens_refuses_the_whole_call(subscriptions: Served) -> None:
    made = create_prescribed(subscriptions, "require", lens(), build_lens("right"))
    uuids = [each.reference_uuid for each in list_lenses(made)]
    with subscriptions.clock.at(NOON):
        failure = subscriptions.refusal(
            "CreateBoxDeliveries", build_delivery(made.id, (uuids[0], 1), (uuids[1], 1))
        )
    refusal = pb.PrescriptionRefusal()
    failure.details[0].Unpack(refusal)
    assert [each.cart_item_reference_uuid for each in refusal.items] == [uuids[1]]


def test_a_merchant_who_is_warned_hands_over(subscriptions: Served) -> None:
    made = create_prescribed(subscriptions, "warn", lens(), build_lens("right"))
    assert not deliver(subscriptions, made).warnings
    [expired] = deliver(subscriptions, made, NOON + timedelta(days=60)).warnings
    assert (expired.code, expired.expiration_date) == ("prescription_expired", "2026-04-01")
    [missing] = deliver(subscriptions, made, which=1).warnings
    assert missing.code == "prescription_missing"


def test_an_expiry_that_is_not_stated_is_derived(subscriptions: Served) -> None:
    unstated = build_lens("left", prescription={"sphere": 0, "issue_date": "2025-06-01"})
    made = create_prescribed(subscriptions, "require", unstated)
    found = list_lenses(made)[0].prescription
    assert (found.expiration_date, found.expiration_is_derived) == ("2026-06-01", True)
    assert found.sphere == 0
    assert found.HasField("sphere")
    deliver(subscriptions, made, datetime(2026, 6, 1, tzinfo=UTC))
    assert find_refused(subscriptions, made, datetime(2026, 6, 2, tzinfo=UTC)) == {
        "code": "prescription_expired",
        "expiration_date": "2026-06-01",
    }


@pytest.mark.parametrize(
    ("changes", "path", "reason"),
    [
        ({"issue_date": "2999-01-01", "expiration_date": "2999-02-01"}, "issue_date", "INVALID"),
        ({"eye": "right"}, "eye", "INVALID"),
        ({"axis": 90}, "axis", "MALFORMED"),
        ({"sphere": 31}, "sphere", "MALFORMED"),
        ({"sphere": float("nan")}, "sphere", "MALFORMED"),
        ({"expiration_date": "2026-01-10"}, "expiration_date", "MALFORMED"),
        ({"prescriber": {"time_zone": "x"}}, "prescriber.time_zone", "MALFORMED"),
        ({"prescriber": {"name": " "}}, "prescriber.name", "MALFORMED"),
    ],
)
def test_faults(
    subscriptions: Served, body: Any, changes: dict[str, Any], path: str, reason: str
) -> None:
    request = build_solicitation(body, cart_items=[build_package(lens())])
    values = {**PRESCRIBED, **changes}
    request.cart_items[0].items[0].prescription.CopyFrom(pb.NewPrescription(**values))
    before = subscriptions.rows()
    failure = subscriptions.refusal("CreateSubscription", request)
    assert failure.reason == reason
    assert [each.path for each in failure.faults] == [f"cart_items.0.items.0.prescription.{path}"]
    assert subscriptions.rows() == before


def test_only_a_contact_lens_has_one(subscriptions: Served, body: Any) -> None:
    package = build_package(build_lens("left"), prescription=PRESCRIBED)
    request = build_solicitation(body, cart_items=[package])
    failure = subscriptions.refusal("CreateSubscription", request)
    assert [each.path for each in failure.faults] == ["cart_items.0.prescription"]


def test_an_exchanged_lens_brings_its_own(subscriptions: Served, body: Any) -> None:
    """A proposed cart keeps the prescription until it is confirmed, replaced or gone."""
    package = build_package(build_lens("left"), build_lens("right"))
    made = create_activated(subscriptions, body, NOON, cart_items=[package])
    pay(subscriptions, made.id)

    def count() -> int:
        rows = subscriptions.rows()["prescriptions"]
        return sum(made.id in row for row in rows)

    def propose(sphere: float) -> Any:
        return build_package(lens("left", sphere=sphere), build_lens("right"))

    with subscriptions.clock.at(NOON + timedelta(days=1)):
        for sphere in (-1.0, -1.25):
            update = build_cart_update(made.id, propose(sphere))
            subscriptions.call("UpdateProducts", update)
            assert count() == 1
        changed = change_cart(subscriptions, made.id, propose(-1.5))
        assert list_lenses(changed)[0].prescription.sphere == -1.5
        assert count() == 1
    with subscriptions.clock.at(NOON + timedelta(days=400)):
        subscriptions.call("UpdateProducts", build_cart_update(made.id, propose(-1.75)))
        assert count() == 2
        subscriptions.call("CancelSubscription", build_ending(get(subscriptions, made.id)))
        assert count() == 1


def test_a_fhir_document_becomes_a_prescription(subscriptions: Served) -> None:
    expiry = extension("expiration-date", valueDate="2026-09-01")
    sent = document(
        contact(backCurve=8.6, cylinder=-0.5, axis=10, add=1.5),
        dateWritten="2026-02-01T08:00:00Z",
        extension=[expiry],
    )
    answer = subscriptions.call("ReadCartItems", pb.ReadCartItemsRequest(document=json.dumps(sent)))
    [item] = answer.cart_items
    assert item.prescription == pb.NewPrescription(
        sphere=-2.0,
        cylinder=-0.5,
        axis=10,
        add=1.5,
        base_curve=8.6,
        issue_date="2026-02-01",
        expiration_date="2026-09-01",
    )
    assert [each.path for each in answer.not_carried] == ["dateWritten"]
    values = MessageToDict(item.prescription, preserving_proto_field_name=True)
    made = create_prescribed(subscriptions, "require", build_lens("left", prescription=values))
    assert list_lenses(made)[0].prescription.expiration_date == "2026-09-01"


def test_a_document_without_powers_has_none(subscriptions: Served) -> None:
    sent = document(contact(power=None, backCurve=8.6), dateWritten="2026-02-01")
    request = pb.ReadCartItemsRequest(document=json.dumps(sent))
    answer = subscriptions.call("ReadCartItems", request)
    assert not answer.cart_items[0].HasField("prescription")
    assert [each.path for each in answer.not_carried] == ["lensSpecification.0.power"]


def test_export_and_erasure(subscriptions: Served, body: Any, unique: str) -> None:
    email = f"{unique}@example.com"
    named = lens(prescriber={"name": "Dr. Vega"})
    made = create_confirmed(subscriptions, body, email=email, cart_items=[build_package(named)])
    asked = pb.ExportPersonRequest(email=email)
    exported = subscriptions.call("ExportPerson", asked, "staff", desk=True).document
    [kept] = json.loads(exported)["prescriptions"]
    assert kept["details"] == {"sphere": -2.25, "prescriber": "Dr. Vega"}
    erase = pb.ErasePersonRequest(email=email, include_open=True)
    subscriptions.call("ErasePerson", erase, "staff", desk=True)
    with subscriptions.database.read() as tx:
        is_its = prescriptions.c.subscription_id == made.id
        [row] = tx.execute(prescriptions.select().where(is_its)).all()
    assert (row.details, str(row.expires_on)) == (None, "2026-04-01")
    found = list_lenses(get(subscriptions, made.id))[0].prescription
    assert not found.HasField("sphere")
    assert not found.prescriber.name
