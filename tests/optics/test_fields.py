"""Shared field rules."""

from collections.abc import Callable
from datetime import date
from typing import Any

import pytest
from marshmallow import ValidationError

from optics.fields import at_most, between, check_not_blank, filled, one_of, parse_day


@pytest.mark.parametrize(
    "text", ["2024-02-30", "20240228", "2024-2-8", "2024-W09-3", "", "\u0662024-01-01"]
)
def test_only_a_day_of_the_calendar_is_read(text: str) -> None:
    assert parse_day(text) is None


def test_a_day_is_read() -> None:
    assert parse_day("2024-02-29") == date(2024, 2, 29)


@pytest.mark.parametrize("text", ["", " ", "\t\n", "\u2003"])
def test_blank_texts_are_refused(text: str) -> None:
    with pytest.raises(ValidationError, match=r"^Must not be blank\.$"):
        check_not_blank(text)
    with pytest.raises(ValidationError, match=r"^Must be 1 to 5 characters and not blank\.$"):
        filled(5)(text)


def test_bounds_are_inclusive() -> None:
    filled(2)("ab")
    at_most(2)("ab")
    between(1, 2)(1)
    between(1, 2)(2)
    one_of("a", "b")("b")
    cases: list[tuple[Callable[[Any], object], Any, str]] = [
        (at_most(2), "abc", "Must be at most 2 characters."),
        (between(1, 2), 2.5, "Must be from 1 to 2."),
        (one_of("a", "b"), "c", "Must be one of: a, b."),
    ]
    for validator, value, sentence in cases:
        with pytest.raises(ValidationError) as refused:
            validator(value)
        assert refused.value.messages == [sentence]
