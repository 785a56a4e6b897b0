"""RequestVerification: the clock of a prescriber's silence, on both engines."""

from datetime import UTC, datetime, timedelta

import grpc
import pytest

from tests.serving import Served, decode
from tests.subscriptions_svc.prescribed import (
    NOON,
    ask,
    create_prescribed,
    deliver,
    find_refused,
    lens,
    record,
)
from tests.subscriptions_svc.shop import get, list_lenses


def test_a_denial_is_not_lifted_by_asking_again(subscriptions: Served) -> None:
    made = create_prescribed(subscriptions, "require", lens())
    record(subscriptions, made, "wrong")
    with pytest.raises(grpc.RpcError) as failed:
        ask(subscriptions, made)
    assert decode(failed.value).reason == "NOT_ALLOWED"
    assert find_refused(subscriptions, made)["code"] == "prescription_denied"
    # What could not be read may be sent once more.
    record(subscriptions, made, "unusable")
    assert ask(subscriptions, made).state == "requested"


def test_in_the_us_silence_verifies_after_8_business_hours(subscriptions: Served) -> None:
    made = create_prescribed(
        subscriptions, "require", lens(), country="US", time_zone="America/New_York"
    )
    assert find_refused(subscriptions, made) == {"code": "prescription_unverified"}
    asked = ask(subscriptions, made, NOON)  # 7:00 in New York, so until 17:00
    until = datetime(2026, 3, 2, 22, tzinfo=UTC)
    assert asked.state == "requested"
    assert asked.requested_at.ToDatetime(UTC) == NOON
    assert asked.verify_by.ToDatetime(UTC) == until
    just_before = until - timedelta(seconds=1)
    assert find_refused(subscriptions, made, just_before) == {
        "code": "prescription_unverified",
        "verify_by": "2026-03-02T22:00:00Z",
    }
    deliver(subscriptions, made, until)
    with subscriptions.clock.at(until):
        found = list_lenses(get(subscriptions, made.id))[0].prescription.verification
    assert (found.state, found.reason, found.decided_at.ToDatetime(UTC)) == (
        "verified",
        "passive",
        until,
    )
    # A late denial counts for the boxes to come.
    denied = record(subscriptions, made, "wrong", until + timedelta(hours=1))
    assert (denied.state, denied.reason) == ("denied", "wrong")
    assert find_refused(subscriptions, made, until + timedelta(hours=2)) == {
        "code": "prescription_denied",
        "reason": "wrong",
    }
    assert record(subscriptions, made, "confirmed", until).state == "verified"
    deliver(subscriptions, made, until + timedelta(hours=3))
