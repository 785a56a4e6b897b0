"""ChangeGraduation with a prescription: another one replaces that on file, on both engines."""

from datetime import datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import select

from protos import subscriptions_pb2 as pb
from subscriptions_svc.store.tables import prescriptions
from tests.serving import Served
from tests.subscriptions_svc.prescribed import (
    NOON,
    PRESCRIBED,
    create_prescribed,
    deliver,
    find_refused,
    lens,
    record,
)
from tests.subscriptions_svc.shop import get, list_lenses

RPC = "ChangeGraduation"


def test_another_prescription_replaces_the_one_on_file(subscriptions: Served) -> None:
    made = create_prescribed(subscriptions, "require", lens(sphere=-2.0))
    uuid = list_lenses(made)[0].reference_uuid

    def change(at: datetime, **values: Any) -> pb.Prescription:
        prescription = pb.NewPrescription(**{**PRESCRIBED, **values})
        request = pb.ChangeGraduationRequest(
            subscription_id=made.id, reference_uuid=uuid, prescription=prescription
        )
        with subscriptions.clock.at(at):
            answer = subscriptions.call(RPC, request)
            assert not answer.HasField("prescription")
            found: pb.Prescription = list_lenses(get(subscriptions, made.id))[0].prescription
        return found

    deliver(subscriptions, made)
    record(subscriptions, made, "confirmed")
    same = change(NOON, sphere=-2.0)
    assert (same.verification.state, len(list_versions(subscriptions, made))) == ("verified", 1)
    other = change(NOON, sphere=-2.5)
    assert (other.sphere, other.verification.state) == (-2.5, "unverified")
    late = NOON + timedelta(days=60)
    assert find_refused(subscriptions, made, late)["expiration_date"] == "2026-04-01"
    renewed = change(late, issue_date="2026-04-20", expiration_date="2027-04-20")
    assert not renewed.is_expired
    deliver(subscriptions, made, late)
    assert list_lenses(get(subscriptions, made.id))[0].delivered_boxes == 2
    assert list_versions(subscriptions, made) == [1, 2, 3]


def list_versions(served: Served, made: pb.Subscription) -> list[int]:
    with served.database.read() as tx:
        is_its = prescriptions.c.subscription_id == made.id
        found = select(prescriptions.c.version).where(is_its).order_by(prescriptions.c.version)
        return list(tx.execute(found).scalars())


@pytest.mark.parametrize(
    ("values", "path"),
    [
        ({"eye": "right"}, "prescription.eye"),
        ({"issue_date": "2026-03-03"}, "prescription.issue_date"),
        ({"axis": 90}, "prescription.axis"),
    ],
)
def test_faults_of_a_prescription(subscriptions: Served, values: dict[str, Any], path: str) -> None:
    made = create_prescribed(subscriptions, "none", lens())
    request = pb.ChangeGraduationRequest(
        subscription_id=made.id,
        reference_uuid=list_lenses(made)[0].reference_uuid,
        prescription=pb.NewPrescription(**{**PRESCRIBED, **values}),
    )
    before = subscriptions.rows()
    with subscriptions.clock.at(NOON):
        failure = subscriptions.refusal(RPC, request)
    assert [each.path for each in failure.faults] == [path]
    assert subscriptions.rows() == before
