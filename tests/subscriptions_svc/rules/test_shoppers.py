"""The store and the shopper of a solicitation."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from subscriptions_svc.rules import shoppers
from tests.subscriptions_svc.bodies import change_example, find_meaning_faults


def test_the_store_must_be_the_merchants() -> None:
    values = {"merchant": {"id": "tienda_moderna", "store_ref": "elsewhere"}}
    assert [path for path, _ in shoppers.find_store_faults(values, {"tienda_moderna"})] == [
        "merchant.store_ref"
    ]
    assert list(shoppers.find_store_faults(values, {"elsewhere"})) == []


@pytest.mark.parametrize(
    ("address", "taken"),
    [
        ("john@example.com", True),
        ("j.o+n@mail.example.es", True),
        ("john", False),
        ("john@", False),
        ("@example.com", False),
        ("john@example", False),
        ("john doe@example.com", False),
        ("john@example.com\n", False),
        ("jos\u00e9@example.com", True),
        ('"jos\u00e9"@example.com', False),
        ('"\x01"@example.com', False),
        ("john@b\u00fccher.example", True),
    ],
)
def test_an_email_has_the_form_of_one(address: str, taken: bool) -> None:
    assert find_meaning_faults(change_example("email", address)) == ([] if taken else ["email"])


@pytest.mark.parametrize(
    ("phone", "country", "dialled"),
    [
        ("679959234", "ES", "+34679959234"),
        ("679-959-234", "ES", "+34679959234"),
        ("+34 679 95 92 34", "ES", "+34679959234"),
        ("+34666777888", "PT", "+34666777888"),
        ("0034 679 95 92 34", "ES", "+34679959234"),
        ("912345678", "PT", "+351912345678"),
        ("5512345678", "MX", "+525512345678"),
        ("+44 20 7946 0958", "ES", "+442079460958"),
        ("020 7946 0958", "GB", "+442079460958"),
        ("679959234", "XX", None),  # a country that does not exist: its own numbers are unknown
        ("+34679959234", "XX", "+34679959234"),
        ("abc", "ES", None),
        ("0", "ES", None),
        ("112", "ES", None),
        ("67995923", "ES", None),
        ("6799592345678", "ES", None),
        ("+999 679959234", "ES", None),
        ("679959234\r\nX", "ES", None),
        ("6" * 255, "ES", None),
        ("", "ES", None),
        (" ", "ES", None),
        ("\0", "ES", None),
    ],
)
def test_a_phone_is_a_number_of_its_country(phone: str, country: str, dialled: str | None) -> None:
    assert shoppers.to_e164(phone, country) == dialled


def test_a_phone_is_of_the_merchants_country_and_an_empty_one_is_none() -> None:
    portuguese = change_example("mobile_phone", "21 123 4567")
    assert find_meaning_faults(portuguese, phone_country="PT") == []
    for phone in ("abc", "112", "0"):
        assert find_meaning_faults(change_example("mobile_phone", phone)) == ["mobile_phone"]
    assert find_meaning_faults(change_example("mobile_phone", "")) == []


@given(st.text() | st.from_regex(r"\+?[0-9 ()./-]{0,20}", fullmatch=True))
def test_what_is_dialled_is_e164(phone: str) -> None:
    dialled = shoppers.to_e164(phone, "ES")
    if dialled is not None:
        assert re.fullmatch(r"\+[1-9][0-9]{3,16}", dialled)
        assert shoppers.to_e164(dialled, "PT") == dialled


@pytest.mark.parametrize(
    ("day", "taken"),
    [
        ("2026-03-01", True),
        ("2024-02-29", True),
        ("2026-03-02", False),
        ("2025-02-29", False),
        ("2000-13-01", False),
        ("0000-01-01", False),
        ("20001220", False),
        ("2000-W51-3", False),
        ("2000-12-20T00:00:00", False),
        ("20/12/2000", False),
        ("\u0662000-12-20", False),
        ("2000-12-20\n", False),
    ],
)
def test_a_birth_is_a_real_day_and_not_in_the_future(day: str, taken: bool) -> None:
    document = change_example("date_of_birth", day)
    del document["nin_control"]
    assert find_meaning_faults(document) == ([] if taken else ["date_of_birth"])


@pytest.mark.parametrize(
    ("number", "taken"),
    [
        ("12345678Z", True),
        ("54362315K", True),
        ("12345678-z", True),
        ("X2482300W", True),
        ("12345678A", False),
        ("X2482300A", False),
        ("A12345678", False),
        ("1234567Z", False),
        ("00", False),
        (" ", False),
        ("\uff112345678Z", False),
        ("B64717838", False),
    ],
)
def test_a_spanish_nin_is_a_dni_or_nie(number: str, taken: bool) -> None:
    assert find_meaning_faults(change_example("nin", number)) == ([] if taken else ["nin"])
    assert find_meaning_faults(change_example("nin", number), country="PT") == []


@pytest.mark.parametrize(
    ("control", "taken"),
    [
        ("0012201M", True),
        ("0012201F", True),
        ("0012202M", False),
        ("0012201m", False),
        ("0012201X", False),
        ("0012201", False),
        ("0012201MM", False),
        ("0012201M\n", False),
        ("2000-12-20", False),
        ("\u0660012201M", False),
        ("", False),
        ("0013201M", False),
        ("0012219M", False),
    ],
)
def test_a_spanish_nin_control_repeats_the_birth_with_its_check_digit(
    control: str, taken: bool
) -> None:
    assert find_meaning_faults(change_example("nin_control", control)) == (
        [] if taken else ["nin_control"]
    )
    assert find_meaning_faults(change_example("nin_control", control), country="MX") == []


def test_a_nin_control_of_another_birth_is_refused() -> None:
    other = change_example("nin_control", f"001221{shoppers.compute_check_digit('001221')}M")
    assert find_meaning_faults(other) == ["nin_control"]
    del other["date_of_birth"]
    assert find_meaning_faults(other) == []


@pytest.mark.parametrize(
    ("yymmdd", "taken"), [("000229", True), ("010229", False), ("001320", False)]
)
def test_a_nin_control_alone_must_hold_a_day_of_some_century(yymmdd: str, taken: bool) -> None:
    document = change_example("nin_control", f"{yymmdd}{shoppers.compute_check_digit(yymmdd)}F")
    del document["date_of_birth"]
    assert find_meaning_faults(document) == ([] if taken else ["nin_control"])


@pytest.mark.parametrize(("digits", "digit"), [("001220", 1), ("740812", 2), ("520727", 3)])
def test_check_digits_are_those_of_travel_documents(digits: str, digit: int) -> None:
    assert shoppers.compute_check_digit(digits) == digit
