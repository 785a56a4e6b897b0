"""Approve: what a doctor dispenses, and what comes back of it, on both engines."""

from typing import Any

import pytest
from google.protobuf.json_format import MessageToDict
from grpc import StatusCode

from chassis.errors import Fault
from sessions_svc.rules.statuses import Status
from tests.serving import Served
from tests.sessions_svc.desk import (
    bring,
    build_dispensed_contacts,
    build_dispensed_glasses,
    expect_refusal,
    get_session,
    move,
)

REQUIRED = "Missing data for required field."


def test_it_works(sessions: Served, unique: str) -> None:
    bring(sessions, unique, Status.AWAITING_REVIEW)
    one_eye = build_dispensed_contacts()
    del one_eye["left_eye"]
    one_eye["right_eye"] |= {"dominance": "N", "add": 0.25}
    asset = {"content_type": "application/pdf", "source": "JVBERg=="}
    dispensed = [build_dispensed_contacts(assets=[asset]), build_dispensed_glasses(), one_eye]

    approved = move(sessions, "Approve", unique, dispensed_prescriptions=dispensed)
    assert (approved.status, approved.HasField("data")) == ("approved", False)

    data = MessageToDict(get_session(sessions, unique).data, preserving_proto_field_name=True)
    found = data.pop("dispensed_prescriptions")
    assert data == {}
    ids = [int(each.pop("id")) for each in found]
    assert ids == sorted(set(ids))
    assert found == dispensed


@pytest.mark.parametrize("status", [each for each in Status if each is not Status.APPROVED])
def test_only_an_approved_session_has_prescriptions(
    sessions: Served, unique: str, status: Status
) -> None:
    bring(sessions, unique, status)
    assert not get_session(sessions, unique).data.dispensed_prescriptions


EYE = build_dispensed_contacts()["right_eye"]
GLASSES_EYE = build_dispensed_glasses()["right_eye"]


@pytest.mark.parametrize(
    ("prescription", "expected"),
    [
        (
            {},
            {
                "type": REQUIRED,
                "issue_date": REQUIRED,
                "expiration_date": REQUIRED,
                "right_eye": "Required: a prescription has at least one eye.",
                "left_eye": "Required: a prescription has at least one eye.",
            },
        ),
        (build_dispensed_contacts(id=7), {"id": "Unknown field."}),
        (
            build_dispensed_contacts(expiration_date="2026-06-15"),
            {"expiration_date": "Must be after issue_date."},
        ),
        (
            build_dispensed_contacts(issue_date="2026-02-30"),
            {"issue_date": "Must be a real date as YYYY-MM-DD."},
        ),
        (
            build_dispensed_contacts(right_eye={"sphere": -1.0}),
            {"right_eye.product_keys": "Required for contacts."},
        ),
        (
            build_dispensed_contacts(right_eye={"product_keys": ["a"], "cylinder": -1.0}),
            {"right_eye.sphere": REQUIRED, "right_eye.axis": "Required with a cylinder."},
        ),
        (
            build_dispensed_contacts(left_eye={**EYE, "pupillary_distance": 30.0}),
            {"left_eye.pupillary_distance": "Not a field of contacts."},
        ),
        (
            build_dispensed_contacts(left_eye={**EYE, "brand_label": "", "model_label": "é" * 201}),
            {
                "left_eye.brand_label": "Must be 1 to 200 characters.",
                "left_eye.model_label": "Must be 1 to 200 characters.",
            },
        ),
        (
            build_dispensed_contacts(left_eye={**EYE, "sphere": 30.25, "dominance": "X"}),
            {
                "left_eye.sphere": "Must be from -30 to 30 dioptres.",
                "left_eye.dominance": "Must be D (dominant) or N.",
            },
        ),
        (
            build_dispensed_glasses(
                left_eye={**GLASSES_EYE, "product_keys": ["a"], "dominance": "D"}
            ),
            {
                "left_eye.product_keys": "Not a field of glasses.",
                "left_eye.dominance": "Not a field of glasses.",
            },
        ),
        (
            build_dispensed_glasses(left_eye=None),
            {"left_eye": "Required: a glasses prescription has both eyes."},
        ),
        (
            build_dispensed_glasses(assets=[{}, {"content_type": "PDF", "source": "aaaa"}]),
            {
                "assets.0.content_type": REQUIRED,
                "assets.0.source": REQUIRED,
                "assets.1.content_type": "Must be a media type, such as application/pdf.",
            },
        ),
        (
            build_dispensed_glasses(assets=[{"content_type": "a/b", "source": "aaaa"}] * 21),
            {"assets": "Must not have more than 20 items."},
        ),
        (
            build_dispensed_glasses(assets=[{"content_type": "a/b\0", "source": "aaaa"}]),
            {"assets.0.content_type": "Control characters are not allowed."},
        ),
    ],
)
def test_faults_are_named(
    sessions: Served, unique: str, prescription: dict[str, Any], expected: dict[str, str]
) -> None:
    bring(sessions, unique, Status.AWAITING_REVIEW)
    failure = expect_refusal(sessions, "Approve", unique, dispensed_prescriptions=[prescription])
    assert failure.code is StatusCode.INVALID_ARGUMENT
    found = {fault.path: fault.message for fault in reversed(failure.faults)}
    assert found == {f"dispensed_prescriptions.0.{path}": text for path, text in expected.items()}


@pytest.mark.parametrize(
    ("number", "message"), [(0, REQUIRED), (21, "Must not have more than 20 items.")]
)
def test_at_least_one_is_dispensed_and_at_most_twenty(
    sessions: Served, unique: str, number: int, message: str
) -> None:
    bring(sessions, unique, Status.AWAITING_REVIEW)
    dispensed = [build_dispensed_contacts()] * number
    failure = expect_refusal(sessions, "Approve", unique, dispensed_prescriptions=dispensed)
    assert failure.faults == (Fault("dispensed_prescriptions", message),)


def test_twenty_prescriptions_keep_their_order(sessions: Served, unique: str) -> None:
    bring(sessions, unique, Status.AWAITING_REVIEW)
    dispensed = [
        build_dispensed_contacts(right_eye={**EYE, "sphere": float(-index)}) for index in range(20)
    ]
    move(sessions, "Approve", unique, dispensed_prescriptions=dispensed)
    found = get_session(sessions, unique).data.dispensed_prescriptions
    assert [each.right_eye.sphere for each in found] == [float(-index) for index in range(20)]
