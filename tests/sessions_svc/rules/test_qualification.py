"""The rules of qualification: which persons they disqualify."""

from datetime import date
from typing import Any

import pytest

from sessions_svc.rules import codes
from sessions_svc.rules.prescriptions import EYES
from sessions_svc.rules.qualification import Limits, compute_age, find_disqualifications
from sessions_svc.rules.sessions import CHECK_QUALIFICATION
from tests.sessions_svc.bodies import (
    ABSENT,
    TODAY,
    Values,
    build_contacts,
    build_glasses,
    build_user,
    drop_absent,
    load_session,
)


def find_reasons(limits: Limits | None = None, **fields: Any) -> list[str]:
    return find_disqualifications(load_session(**fields), limits or Limits(), {"example1"}, TODAY)


@pytest.mark.parametrize(
    ("birthdate", "day", "age"),
    [
        ("1988-06-15", "2026-06-14", 37),
        ("1988-06-15", "2026-06-15", 38),
        ("2026-06-15", "2026-06-15", 0),
        ("2008-02-29", "2026-02-28", 17),
        ("2008-02-29", "2026-03-01", 18),
        ("2008-02-29", "2028-02-28", 19),
        ("2008-02-29", "2028-02-29", 20),
        ("2008-03-01", "2028-02-29", 19),
    ],
)
def test_age_is_in_whole_years(birthdate: str, day: str, age: int) -> None:
    assert compute_age(date.fromisoformat(day), date.fromisoformat(birthdate)) == age


@pytest.mark.parametrize(
    ("birthdate", "expected"),
    [
        ("2008-06-16", ["age"]),
        ("2008-06-15", []),
        ("1970-06-16", []),
        ("1970-06-15", ["age"]),
        ("0001-01-01", ["age"]),
    ],
)
def test_ages_18_to_55_qualify(birthdate: str, expected: list[str]) -> None:
    assert find_reasons(user=build_user(birthdate=birthdate)) == expected


def test_the_fifty_states_and_dc_qualify() -> None:
    assert len(codes.US_STATES) == 51
    assert [find_reasons(user=build_user(region=region)) for region in codes.US_STATES] == [[]] * 51


@pytest.mark.parametrize(
    ("region", "expected"),
    [("DC", []), ("US-IL", []), ("PR", ["region"]), ("ZZ", ["region"]), ("CA-ON", ["region"])],
)
def test_another_region_does_not_qualify(region: str, expected: list[str]) -> None:
    assert find_reasons(user=build_user(region=region)) == expected


@pytest.mark.parametrize("eye", EYES)
@pytest.mark.parametrize(
    ("key", "expected"),
    [("example1", []), ("example9", ["unknown_product_key"]), (ABSENT, [])],
)
def test_a_contacts_eye_needs_a_mapped_product(eye: str, key: Any, expected: list[str]) -> None:
    fields = drop_absent({"product_key": key, "sphere": -1.0})
    assert find_reasons(prescriptions=[build_contacts(**{eye: fields})]) == expected


def test_glasses_need_no_product() -> None:
    values = load_session(prescriptions=[build_glasses()])
    assert find_disqualifications(values, Limits(), (), TODAY) == []


@pytest.mark.parametrize("kind", [build_contacts, build_glasses])
@pytest.mark.parametrize("eye", EYES)
@pytest.mark.parametrize(
    ("fields", "served"),
    [
        ({"sphere": -12.0}, True),
        ({"sphere": -12.01}, False),
        ({"sphere": 0.0}, True),
        ({"sphere": 6.0}, True),
        ({"sphere": 6.01}, False),
        ({"cylinder": -5.0, "axis": 1}, True),
        ({"cylinder": -5.01, "axis": 1}, False),
        ({"cylinder": 5.0, "axis": 1}, True),
        ({"cylinder": 5.01, "axis": 1}, False),
        ({"add": 4.0}, True),
        ({"add": 4.01}, False),
    ],
)
def test_a_prescription_is_served_within_its_limits(
    kind: Any, eye: str, fields: Values, served: bool
) -> None:
    expected = [] if served else ["prescription"]
    assert find_reasons(prescriptions=[kind(**{eye: fields})]) == expected


def test_a_missing_eye_has_no_limits() -> None:
    for missing in (ABSENT, {}):
        assert find_reasons(prescriptions=[build_contacts(left_eye=missing)]) == []


EVERYTHING: Values = {
    "user": build_user(birthdate="2020-01-01", region="CA-ON"),
    "prescriptions": [build_contacts(right_eye={"product_key": "none", "sphere": 20.0})],
}
ALL = ["age", "region", "unknown_product_key", "prescription"]


def test_all_reasons_are_named_in_their_order() -> None:
    assert find_reasons(**EVERYTHING) == ALL


def test_a_qualification_request_has_the_same_reasons() -> None:
    person = {name: EVERYTHING["user"][name] for name in ("birthdate", "region")}
    values = CHECK_QUALIFICATION.load({**EVERYTHING, "user": person})
    assert find_disqualifications(values, Limits(), {"example1"}, TODAY) == ALL


@pytest.mark.parametrize(
    ("order", "expected"),
    [
        ({"products": [{"type": "acuity-service"}]}, []),
        ({"products": [{"type": "acuity-service"}, {"type": "acuity-service"}]}, []),
        ({"products": [{"type": "contacts"}]}, ALL),
        ({"products": []}, ALL),
        ({}, ALL),
    ],
)
def test_the_acuity_service_alone_needs_no_qualification(
    order: Values, expected: list[str]
) -> None:
    assert find_reasons(order=order, **EVERYTHING) == expected


@pytest.mark.parametrize(
    ("limits", "expected"),
    [
        (Limits(), []),
        (Limits(min_age=39), ["age"]),
        (Limits(min_age=38, max_age=38), []),
        (Limits(max_age=37), ["age"]),
        (Limits(regions=frozenset({"CA-ON"})), ["region"]),
        (Limits(min_sphere=-1.0), ["prescription"]),
        (Limits(min_sphere=-3.0, max_sphere=-1.5), []),
        (Limits(max_sphere=-2.5), ["prescription"]),
        (Limits(max_cylinder=0.5), ["prescription"]),
        (Limits(max_add=1.0), ["prescription"]),
    ],
)
def test_each_limit_is_the_partners_own(limits: Limits, expected: list[str]) -> None:
    right = {"product_key": "example1", "sphere": -2.0, "cylinder": -0.75, "axis": 90, "add": 1.5}
    left = {"product_key": "example1"}
    assert (
        find_reasons(limits, prescriptions=[build_contacts(right_eye=right, left_eye=left)])
        == expected
    )
