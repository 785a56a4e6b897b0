"""The clock of a verification, the expiry of a prescription, and the table of countries."""

from datetime import UTC, date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from subscriptions_svc.rules.prescriptions.policies import (
    COUNTRY_POLICIES,
    CountryPolicy,
    OnExpired,
    OnFile,
    Policy,
    VerifyMode,
    derive_expiry,
    find_country_policy,
    find_hindrance,
)
from subscriptions_svc.rules.prescriptions.schemas import NewPrescriptionSchema
from subscriptions_svc.rules.prescriptions.verification import (
    OUTCOMES,
    State,
    Verification,
)
from tests.subscriptions_svc.bodies import find_shape_faults

NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)
US = COUNTRY_POLICIES["US"]
ES = COUNTRY_POLICIES["ES"]


def at(text: str, zone: str = "America/New_York") -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=ZoneInfo(zone)).astimezone(UTC)


def test_silence_verifies_at_the_deadline_where_the_law_says_so() -> None:
    asked = Verification(State.REQUESTED, None, NOON, NOON + timedelta(hours=8))
    early, due = NOON + timedelta(hours=7), NOON + timedelta(hours=8)
    assert asked.at(early, is_passive=True) is asked
    passed = asked.at(due, is_passive=True)
    assert (passed.state, passed.reason, passed.decided_at) == (State.VERIFIED, "passive", due)
    assert asked.at(due, is_passive=False) is asked


def on_file(
    expires: str = "2026-03-02", zone: str = "UTC", state: State = State.UNVERIFIED, **more: Any
) -> OnFile:
    verification = Verification(state)._replace(**more)
    return OnFile(date.fromisoformat(expires), zone, verification)


def find(found: OnFile | None, policy: Policy, country: CountryPolicy = ES) -> str | None:
    hindrance = find_hindrance(found, policy, country, NOON)
    return hindrance and f"{hindrance.code} {'refused' if hindrance.refuses else 'warned of'}"


@pytest.mark.parametrize(
    ("found", "country", "code"),
    [
        (None, ES, "prescription_missing"),
        (on_file("2026-03-01"), ES, "prescription_expired"),
        (on_file("2026-03-02"), ES, None),
        (on_file(state=State.DENIED, reason="wrong"), ES, "prescription_denied"),
        (on_file(state=State.REJECTED, reason="unusable"), ES, "prescription_denied"),
        (on_file(), US, "prescription_unverified"),
        (on_file(state=State.REQUESTED, verify_by=NOON), US, None),
        (
            on_file(state=State.REQUESTED, verify_by=NOON + timedelta(seconds=1)),
            US,
            "prescription_unverified",
        ),
        (on_file("2026-03-01", state=State.VERIFIED), US, "prescription_expired"),
        (on_file(state=State.VERIFIED, reason="confirmed"), US, None),
    ],
)
def test_policies(found: OnFile | None, country: CountryPolicy, code: str | None) -> None:
    assert find(found, Policy.NONE, country) is None
    assert find(found, Policy.WARN, country) == (code and f"{code} warned of")
    assert find(found, Policy.REQUIRE, country) == (code and f"{code} refused")


def test_a_lenient_law_only_warns() -> None:
    lenient = CountryPolicy(False, 12, VerifyMode.PRESENTED, OnExpired.WARN)
    assert find(None, Policy.REQUIRE, lenient) == "prescription_missing warned of"
    expired = on_file("2026-03-01")
    assert find(expired, Policy.REQUIRE, lenient) == "prescription_expired warned of"


def test_the_last_day_is_the_prescribers() -> None:
    """Noon in UTC is already tomorrow in Kiritimati, and still yesterday nowhere."""
    assert on_file("2026-03-02", "Pacific/Kiritimati").has_expired(NOON)
    assert not on_file("2026-03-02", "America/New_York").has_expired(NOON + timedelta(hours=16))
    assert on_file("2026-03-02", "America/New_York").has_expired(NOON + timedelta(hours=17))


def test_an_expiry_that_is_not_stated_is_the_countrys() -> None:
    leap = date(2024, 2, 29)
    assert derive_expiry(leap, US) == date(2025, 2, 28)
    assert derive_expiry(leap, find_country_policy("GB")) == date(2026, 2, 28)
    assert find_country_policy("XX").max_age == 24


def test_outcomes_lead_to_states() -> None:
    assert {name: str(state) for name, state in OUTCOMES.items()} == {
        "confirmed": "verified",
        "expired": "denied",
        "wrong": "denied",
        "unknown_patient": "denied",
        "unusable": "rejected",
    }


@pytest.mark.parametrize(
    ("changes", "faults"),
    [
        ({}, []),
        ({"cylinder": -0.75, "axis": 180}, []),
        ({"cylinder": 0, "axis": 0}, []),
        ({"cylinder": -0.75}, ["axis"]),
        ({"axis": 90}, ["axis"]),
        ({"cylinder": -0.75, "axis": 0}, ["axis"]),
        ({"sphere": None}, ["sphere"]),
        ({"sphere": 30.25}, ["sphere"]),
        ({"add": 0}, ["add"]),
        ({"base_curve": 4.9}, ["base_curve"]),
        ({"diameter": 20.1}, ["diameter"]),
        ({"issue_date": "2026-02-30"}, ["issue_date"]),
        ({"expiration_date": "2026-01-01"}, ["expiration_date"]),
        ({"expiration_date": "2026-01-02"}, []),
        ({"prescriber": {"country": "us"}}, ["prescriber.country"]),
        ({"prescriber": {"time_zone": "Mars/Olympus"}}, ["prescriber.time_zone"]),
        ({"eye": "middle"}, ["eye"]),
    ],
)
def test_bounds(changes: dict[str, object], faults: list[str]) -> None:
    values = {"sphere": -2.0, "issue_date": "2026-01-01", **changes}
    assert find_shape_faults(values, NewPrescriptionSchema()) == faults
