"""The rules of sessions: the person."""

import pytest

from sessions_svc.rules import codes
from sessions_svc.rules import sessions as rules
from tests.sessions_svc.bodies import (
    TODAY,
    build_contacts,
    build_glasses,
    build_session,
    build_user,
    find_faults,
    load_session,
)

HOST = ".".join(["b" * 62] * 3)
EMAILS = """
    test@example.com first.last+tag@sub.example.co.uk o'neil@example.com
    jürgen@münchen.example a@xn--mnchen-3ya.xn--p1ai
"""
NO_EMAILS = """
    nobody @example.com test@ test@example test@example.c test@127.0.0.1 test@example..com
    test@-example.com test@example-.com .test@example.com te..st@example.com a@b@example.com
"""


@pytest.mark.parametrize(
    "email",
    [
        *EMAILS.split(),
        *(f"{'a' * 64}@example.com", f"a@{HOST}.{'c' * 59}.com", f"a@{'b' * 63}.com"),
    ],
)
def test_a_valid_email_is_accepted(email: str) -> None:
    assert find_faults(build_session(user=build_user(email=email))) == {}


@pytest.mark.parametrize(
    "email",
    [
        *NO_EMAILS.split(),
        *("", "te st@example.com", "test@example.com\n", "[e-mail protected]"),
        *(f"{'a' * 65}@example.com", f"a@{HOST}.{'c' * 60}.com", f"a@{'b' * 64}.com"),
    ],
)
def test_an_invalid_email_is_refused(email: str) -> None:
    message = ["Must be an e-mail address, such as name@example.com."]
    assert find_faults(build_session(user=build_user(email=email))) == {"user.email": message}


@pytest.mark.parametrize("name", ["X", "李", "Anne Marie", "é" * 50, "\U0001d49c" * 50])
def test_a_name_of_1_to_50_code_points_is_accepted(name: str) -> None:
    assert find_faults(build_session(user=build_user(first_name=name, last_name=name))) == {}


@pytest.mark.parametrize("name", ["", " ", "\t\n", "\u00a0\u3000", "\u200b", "é" * 51])
def test_a_long_or_blank_name_is_refused(name: str) -> None:
    message = ["Must be 1 to 50 characters, not blank."]
    found = find_faults(build_session(user=build_user(first_name=name, last_name=name)))
    assert found == {"user.first_name": message, "user.last_name": message}


@pytest.mark.parametrize("day", ["1988-01-01", "2024-02-29", "0001-01-01"])
def test_a_real_date_is_accepted(day: str) -> None:
    prescription = build_contacts(issue_date=day, expiration_date="2030-01-01")
    assert (
        find_faults(build_session(user=build_user(birthdate=day), prescriptions=[prescription]))
        == {}
    )
    assert find_faults(build_session(prescriptions=[build_glasses(expiration_date=day)])) == {}


NO_DAYS = """
    2023-02-29 1988-13-01 1988-00-10 0000-01-01 1988-1-1 19880101 1988-W01-1 1988-001
    1988-01-01T00:00:00Z 01/01/1988 \u0661\u0669\u0668\u0668-01-01
"""


@pytest.mark.parametrize("day", [*NO_DAYS.split(), "1988-01-01\n", " 1988-01-01"])
def test_an_invalid_date_is_refused(day: str) -> None:
    prescription = build_contacts(issue_date=day, expiration_date=day)
    message = ["Must be a real date as YYYY-MM-DD."]
    assert find_faults(
        build_session(user=build_user(birthdate=day), prescriptions=[prescription])
    ) == {
        "user.birthdate": message,
        "prescriptions.0.issue_date": message,
        "prescriptions.0.expiration_date": message,
    }


@pytest.mark.parametrize(
    ("birthdate", "good"), [("2026-06-14", True), ("2026-06-15", True), ("2026-06-16", False)]
)
def test_a_birthdate_is_not_in_the_future(birthdate: str, good: bool) -> None:
    expected = [] if good else [("user.birthdate", "Must not be in the future.")]
    assert (
        rules.find_date_faults(load_session(user=build_user(birthdate=birthdate)), TODAY)
        == expected
    )


@pytest.mark.parametrize(
    ("region", "full"),
    [
        ("IL", "US-IL"),
        ("CA", "US-CA"),
        ("ZZ", "US-ZZ"),
        ("US-IL", "US-IL"),
        ("CA-ON", "CA-ON"),
        ("FR-75C", "FR-75C"),
        ("AT-9", "AT-9"),
    ],
)
def test_a_region_is_loaded_in_full(region: str, full: str) -> None:
    assert load_session(user=build_user(region=region))["user"]["region"] == full
    assert codes.expand_region(full) == full


@pytest.mark.parametrize(
    "region",
    ["", "I", "il", "us-il", "ILL", "Illinois", "US-", "US-ABCD", "USA-IL", "US_IL", "IL\n", "12"],
)
def test_a_malformed_region_is_refused(region: str) -> None:
    message = "Must be a US state such as IL, or an ISO 3166-2 code such as US-IL or CA-ON."
    assert find_faults(build_session(user=build_user(region=region))) == {"user.region": [message]}
