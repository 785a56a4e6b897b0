"""Field rules and their sentences, shared by the services' schemas."""

import re
from collections.abc import Callable
from datetime import date

from marshmallow import ValidationError
from marshmallow.validate import Length, OneOf, Range

AT_MOST = "Must be at most {max} characters."
ONE_OF = "Must be one of: {choices}."
RANGE = "Must be from {min} to {max}."
_DAY = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")


def parse_day(text: str) -> date | None:
    """Return the day of the calendar that is written YYYY-MM-DD; None for anything else."""
    try:
        return date.fromisoformat(text) if _DAY.fullmatch(text) else None
    except ValueError:
        return None


def check_not_blank(text: str) -> None:
    """Raise ValidationError for a text that is empty or blank."""
    if not text or text.isspace():
        raise ValidationError("Must not be blank.")


def filled(limit: int) -> Callable[[str], None]:
    """Return a validator of texts of 1 to `limit` characters that are not blank."""

    def check_filled(text: str) -> None:
        if not text or text.isspace() or len(text) > limit:
            raise ValidationError(f"Must be 1 to {limit} characters and not blank.")

    return check_filled


def at_most(limit: int) -> Length:
    """Return a validator of texts of up to `limit` characters."""
    return Length(max=limit, error=AT_MOST)


def one_of(*words: str) -> OneOf:
    """Return a validator of the given words."""
    return OneOf(words, error=ONE_OF)


def between(low: float, high: float) -> Range:
    """Return a validator of numbers from `low` to `high`, both included."""
    return Range(low, high, error=RANGE)
