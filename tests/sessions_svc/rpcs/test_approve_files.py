"""The files of dispensed prescriptions: byte for byte, and how large, on both engines."""

import random

import pytest
from grpc import StatusCode

from chassis.errors import Fault
from protos import sessions_pb2 as pb
from sessions_svc.rules.statuses import Status
from tests.serving import Served
from tests.sessions_svc.desk import (
    bring,
    build_dispensed_contacts,
    build_dispensed_glasses,
    build_request,
    get_session,
    move,
)

MIB = 1024 * 1024


@pytest.mark.parametrize("size", [1, 2 * MIB, 5 * MIB])
def test_a_file_comes_back_byte_for_byte(sessions: Served, unique: str, size: int) -> None:
    bring(sessions, unique, Status.AWAITING_REVIEW)
    source = random.Random(size).randbytes(size)
    move(sessions, "Approve", unique, source=source)
    if size > 4 * MIB:
        return  # more than this client takes; the gateway does, see tests/gateway
    (dispensed,) = get_session(sessions, unique).data.dispensed_prescriptions
    (asset,) = dispensed.assets
    assert asset.content_type == "application/pdf"
    assert asset.source == source


def test_files_keep_their_prescription_and_their_order(sessions: Served, unique: str) -> None:
    bring(sessions, unique, Status.AWAITING_REVIEW)
    dispensed = [build_dispensed_contacts(), build_dispensed_glasses()]
    request = build_request("Approve", unique, dispensed_prescriptions=dispensed)
    assert isinstance(request, pb.ApproveRequest)
    for number in range(40):
        of = request.dispensed_prescriptions[number % 2]
        of.assets.add(content_type="text/plain", source=b"%d" % number)
    sessions.call("Approve", request, "staff", desk=True)
    found = get_session(sessions, unique).data.dispensed_prescriptions
    assert [[int(asset.source) for asset in each.assets] for each in found] == [
        list(range(0, 40, 2)),
        list(range(1, 40, 2)),
    ]


def test_files_of_more_than_five_mib_together_are_refused(sessions: Served, unique: str) -> None:
    bring(sessions, unique, Status.AWAITING_REVIEW)
    request = build_request("Approve", unique, source=b"a")
    assert isinstance(request, pb.ApproveRequest)
    request.dispensed_prescriptions[0].assets.add(
        content_type="image/png", source=b"\0" * (5 * MIB)
    )
    before = sessions.rows()
    failure = sessions.refusal("Approve", request, "staff", desk=True)
    assert failure.code is StatusCode.INVALID_ARGUMENT
    message = "Must not have more than 5 MiB of assets together."
    assert failure.faults == (Fault("dispensed_prescriptions", message),)
    assert sessions.rows() == before


def test_a_message_of_more_than_16_mib_is_refused_unread(sessions: Served, unique: str) -> None:
    bring(sessions, unique, Status.AWAITING_REVIEW)
    request = build_request("Approve", unique, source=b"\0" * (16 * MIB))
    failure = sessions.refusal("Approve", request, "staff", desk=True)
    assert failure.code is StatusCode.RESOURCE_EXHAUSTED
    assert "larger than max" in failure.message
    assert get_session(sessions, unique).status == "awaiting_review"
