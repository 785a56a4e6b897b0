"""The rules of prescriptions and their eyes."""

import json
from pathlib import Path
from typing import Any

import pytest

from sessions_svc.rules.prescriptions import EYES
from sessions_svc.rules.sessions import CHECK_QUALIFICATION
from tests.sessions_svc.bodies import (
    ABSENT,
    DIOPTRES,
    REQUIRED,
    Values,
    build_contacts,
    build_glasses,
    build_session,
    find_faults,
    load_session,
)

FIELD = Path(__file__).parents[2] / "field"


@pytest.mark.parametrize(
    "prescriptions",
    [
        [],
        [build_contacts()],
        [build_glasses()],
        [build_contacts(), build_glasses()],
        [build_glasses(), build_contacts()],
    ],
)
def test_one_prescription_of_each_type_may_be_sent(prescriptions: list[Values]) -> None:
    body = build_session(prescriptions=prescriptions)
    person = {"birthdate": "1988-01-01", "region": "IL"}
    qualification = {"user": person, "prescriptions": prescriptions}
    assert find_faults(body) == {}
    assert find_faults(qualification, CHECK_QUALIFICATION) == {}


def test_a_second_prescription_of_a_type_is_refused() -> None:
    body = build_session(
        prescriptions=[build_contacts(), build_glasses(), build_glasses(), build_contacts()]
    )
    message = ["At most one prescription of each type is allowed."]
    assert find_faults(body) == {"prescriptions.2.type": message, "prescriptions.3.type": message}


def test_prescriptions_without_a_type_are_not_of_one_type() -> None:
    body = build_session(prescriptions=[build_contacts(type=ABSENT), build_contacts(type=ABSENT)])
    assert find_faults(body) == {f"prescriptions.{index}.type": [REQUIRED] for index in (0, 1)}


@pytest.mark.parametrize(
    ("kind", "message"),
    [
        (ABSENT, REQUIRED),
        ("sunglasses", "Must be one of: contacts, glasses."),
        ("acuity-service", "Must be one of: contacts, glasses."),
        ("Contacts", "Must be one of: contacts, glasses."),
    ],
)
def test_a_prescription_requires_a_known_type(kind: Any, message: str) -> None:
    body = build_session(prescriptions=[build_contacts(type=kind)])
    assert find_faults(body) == {"prescriptions.0.type": [message]}


@pytest.mark.parametrize(
    ("sent", "kept"),
    [(ABSENT, "unverified"), ("unverified", "unverified"), ("verified", "verified")],
)
def test_a_prescription_is_unverified_by_default(sent: Any, kept: str) -> None:
    values = load_session(prescriptions=[build_contacts(verification=sent)])
    assert values["prescriptions"] == [build_contacts(verification=kept)]


def test_another_verification_is_refused() -> None:
    expected = {"prescriptions.0.verification": ["Must be one of: verified, unverified."]}
    assert (
        find_faults(build_session(prescriptions=[build_contacts(verification="yes")])) == expected
    )


@pytest.mark.parametrize(
    ("issued", "expires", "good"),
    [
        ("2017-07-04", "2017-07-05", True),
        ("2017-07-04", ABSENT, True),
        (ABSENT, "2001-07-04", True),
        (ABSENT, ABSENT, True),
        ("2017-07-04", "2017-07-04", False),
        ("2017-07-04", "2016-12-31", False),
    ],
)
def test_a_prescription_expires_after_its_issue(issued: Any, expires: Any, good: bool) -> None:
    body = build_session(prescriptions=[build_glasses(issue_date=issued, expiration_date=expires)])
    expected = {"prescriptions.0.expiration_date": ["Must be after issue_date."]}
    assert find_faults(body) == ({} if good else expected)


def test_an_invalid_date_is_not_compared() -> None:
    body = build_session(
        prescriptions=[build_contacts(issue_date="x", expiration_date="2017-07-04")]
    )
    message = ["Must be a real date as YYYY-MM-DD."]
    assert find_faults(body) == {"prescriptions.0.issue_date": message}


@pytest.mark.parametrize("missing", [ABSENT, {}])
@pytest.mark.parametrize(("eye", "other"), [EYES, EYES[::-1]])
def test_only_contacts_may_omit_an_eye(missing: Any, eye: str, other: str) -> None:
    both = ["Required: a glasses prescription has both eyes."]
    some = ["Required: a prescription has at least one eye."]
    nothing = {eye: missing, other: missing}
    assert find_faults(build_session(prescriptions=[build_contacts(**{eye: missing})])) == {}
    assert find_faults(build_session(prescriptions=[build_glasses(**{eye: missing})])) == {
        f"prescriptions.0.{eye}": both
    }
    assert find_faults(build_session(prescriptions=[build_contacts(**nothing)])) == {
        f"prescriptions.0.{eye}": some,
        f"prescriptions.0.{other}": some,
    }
    assert find_faults(build_session(prescriptions=[build_glasses(**nothing)])) == {
        f"prescriptions.0.{eye}": both,
        f"prescriptions.0.{other}": both,
    }


MM = "Must be from {} to {} mm."
NUMBER = "Special numeric values (nan or infinity) are not permitted."


@pytest.mark.parametrize("eye", EYES)
@pytest.mark.parametrize(
    ("kind", "field", "value", "message"),
    [
        (build_contacts, "sphere", -30.0, None),
        (build_contacts, "sphere", 30.0, None),
        (build_contacts, "sphere", 0.0, None),
        (build_contacts, "sphere", -30.01, DIOPTRES),
        (build_glasses, "sphere", 30.01, DIOPTRES),
        (build_glasses, "sphere", float("nan"), NUMBER),
        (build_glasses, "sphere", float("inf"), NUMBER),
        (build_contacts, "cylinder", -30.01, DIOPTRES),
        (build_glasses, "cylinder", 30.01, DIOPTRES),
        (build_glasses, "cylinder", float("nan"), NUMBER),
        (build_contacts, "add", 0.25, None),
        (build_glasses, "add", 5.0, None),
        (build_contacts, "add", 0.24, "Must be from 0.25 to 5 dioptres."),
        (build_glasses, "add", 0.0, "Must be from 0.25 to 5 dioptres."),
        (build_glasses, "add", 5.01, "Must be from 0.25 to 5 dioptres."),
        (build_contacts, "base_curve", 5.0, None),
        (build_contacts, "base_curve", 12.0, None),
        (build_contacts, "base_curve", 4.99, MM.format(5, 12)),
        (build_contacts, "base_curve", 12.01, MM.format(5, 12)),
        (build_contacts, "diameter", 8.0, None),
        (build_contacts, "diameter", 20.0, None),
        (build_contacts, "diameter", 7.99, MM.format(8, 20)),
        (build_contacts, "diameter", 20.01, MM.format(8, 20)),
        (build_contacts, "diameter", float("-inf"), NUMBER),
        (build_contacts, "dominance", "D", None),
        (build_contacts, "dominance", "N", None),
        (build_contacts, "dominance", "d", "Must be D (dominant) or N."),
        (build_contacts, "product_key", "anything at all", None),
        (build_contacts, "pupillary_distance", 30.0, "Not a field of contacts."),
        (build_glasses, "pupillary_distance", 20.0, None),
        (build_glasses, "pupillary_distance", 50.0, None),
        (build_glasses, "pupillary_distance", 19.99, MM.format(20, 50)),
        (build_glasses, "pupillary_distance", 50.01, MM.format(20, 50)),
        (build_glasses, "product_key", "example1", "Not a field of glasses."),
        (build_glasses, "base_curve", 8.7, "Not a field of glasses."),
        (build_glasses, "diameter", 14.1, "Not a field of glasses."),
        (build_glasses, "dominance", "D", "Not a field of glasses."),
    ],
)
def test_an_eye_has_the_fields_of_its_type_within_their_ranges(
    eye: str, kind: Any, field: str, value: Any, message: str | None
) -> None:
    fields = {field: value, "axis": 90} if field == "cylinder" else {field: value}
    expected = {f"prescriptions.0.{eye}.{field}": [message]} if message else {}
    assert find_faults(build_session(prescriptions=[kind(**{eye: fields})])) == expected


def test_a_foreign_field_is_no_fault_when_the_type_is_unknown() -> None:
    body = build_session(prescriptions=[build_glasses(type=ABSENT, right_eye={"diameter": 14.1})])
    assert find_faults(body) == {"prescriptions.0.type": [REQUIRED]}


NEEDED = "Required with a cylinder."
CYLINDER_NEEDED_TEXT = "Allowed only with a cylinder that is not zero."
AXIS = "Must be from 1 to 180 degrees."


@pytest.mark.parametrize("kind", [build_contacts, build_glasses])
@pytest.mark.parametrize("eye", EYES)
@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"cylinder": -0.25, "axis": 1}, {}),
        ({"cylinder": 0.25, "axis": 180}, {}),
        ({"cylinder": -30.0, "axis": 90}, {}),
        ({"cylinder": 30.0, "axis": 90}, {}),
        ({"cylinder": 0.0}, {}),
        ({"cylinder": -0.25}, {"axis": [NEEDED]}),
        ({"cylinder": -30.01}, {"cylinder": [DIOPTRES], "axis": [NEEDED]}),
        ({"cylinder": -30.01, "axis": 90}, {"cylinder": [DIOPTRES]}),
        ({"cylinder": -0.25, "axis": 0}, {"axis": [AXIS]}),
        ({"cylinder": -0.25, "axis": 181}, {"axis": [AXIS]}),
        ({"cylinder": -0.25, "axis": 90.5}, {"axis": ["Not a valid integer."]}),
        ({"axis": 90}, {"axis": [CYLINDER_NEEDED_TEXT]}),
        ({"cylinder": 0.0, "axis": 0}, {}),
        ({"cylinder": 0.0, "axis": 1}, {}),
        ({"cylinder": -0.0, "axis": 180}, {}),
        ({"cylinder": 0.0, "axis": 181}, {"axis": [AXIS, CYLINDER_NEEDED_TEXT]}),
        ({"cylinder": 0.0, "axis": -1}, {"axis": [AXIS, CYLINDER_NEEDED_TEXT]}),
        ({"axis": 0}, {"axis": [AXIS, CYLINDER_NEEDED_TEXT]}),
    ],
)
def test_an_axis_requires_a_cylinder_and_a_cylinder_an_axis(
    kind: Any, eye: str, fields: Values, expected: dict[str, list[str]]
) -> None:
    body = build_session(prescriptions=[kind(**{eye: {"sphere": 0.0, **fields}})])
    assert find_faults(body) == {
        f"prescriptions.0.{eye}.{name}": messages for name, messages in expected.items()
    }


def test_a_cylinder_of_zero_is_dropped_with_its_axis() -> None:
    prescription = json.loads((FIELD / "session-cylinder-zero.json").read_text())["prescriptions"]
    (kept,) = load_session(prescriptions=prescription)["prescriptions"]
    for eye in EYES:
        assert kept[eye] == {"sphere": -1.5, "pupillary_distance": 31.0}


def test_an_eye_of_a_zero_cylinder_alone_has_no_value() -> None:
    body = build_session(prescriptions=[build_glasses(left_eye={"cylinder": 0.0, "axis": 0})])
    message = ["Required: a glasses prescription has both eyes."]
    assert find_faults(body) == {"prescriptions.0.left_eye": message}
