"""RecordVerification: what a prescriber has said, and its refusals, on both engines."""

from typing import Any

import pytest
from grpc import StatusCode

from protos import subscriptions_pb2 as pb
from tests.serving import Served
from tests.subscriptions_svc.bodies import build_lens
from tests.subscriptions_svc.prescribed import (
    create_prescribed,
    deliver,
    find_refused,
    lens,
    record,
)
from tests.subscriptions_svc.shop import UNKNOWN, list_lenses


@pytest.mark.parametrize(
    ("outcome", "state"),
    [
        ("expired", "denied"),
        ("wrong", "denied"),
        ("unknown_patient", "denied"),
        ("unusable", "rejected"),
    ],
)
def test_a_denial_refuses_everywhere(subscriptions: Served, outcome: str, state: str) -> None:
    made = create_prescribed(subscriptions, "require", lens())
    deliver(subscriptions, made)
    assert record(subscriptions, made, outcome).state == state
    told = find_refused(subscriptions, made)
    assert told == {"code": "prescription_denied", "reason": outcome}


def test_refusals_of_the_verification(subscriptions: Served) -> None:
    made = create_prescribed(subscriptions, "none", build_lens("left"), lens("right"))
    left, right = (each.reference_uuid for each in list_lenses(made))

    def find(rpc: str, request: Any) -> tuple[Any, str]:
        failure = subscriptions.refusal(rpc, request, "staff", desk=True)
        return failure.code, failure.reason

    for rpc, kind, more in (
        ("RequestVerification", pb.RequestVerificationRequest, {}),
        ("RecordVerification", pb.RecordVerificationRequest, {"outcome": "wrong"}),
    ):
        for id_, uuid, code, reason in (
            (UNKNOWN, left, StatusCode.NOT_FOUND, "NOT_FOUND"),
            (made.id, UNKNOWN, StatusCode.NOT_FOUND, "NOT_FOUND"),
            (made.id, left, StatusCode.FAILED_PRECONDITION, "NOT_ALLOWED"),
            (made.id, "", StatusCode.INVALID_ARGUMENT, "MALFORMED"),
        ):
            request = kind(subscription_id=id_, reference_uuid=uuid, **more)
            assert find(rpc, request) == (code, reason)
    other = pb.RecordVerificationRequest(
        subscription_id=made.id, reference_uuid=right, outcome="perhaps"
    )
    assert find("RecordVerification", other) == (StatusCode.INVALID_ARGUMENT, "MALFORMED")
