"""The forms that all of this service's schemas share: texts, days, counts, and their limits."""

import json
import re
from collections.abc import Iterator, Mapping
from datetime import date
from typing import Any, TypeAlias

from marshmallow import ValidationError
from marshmallow.fields import Field
from marshmallow.validate import Length, Range

Values: TypeAlias = Mapping[str, Any]
Faults: TypeAlias = Iterator[tuple[str, str]]  # path, message

# An item costs at most this, once and a month, and a cart has at most ITEMS_MAX of them: then all
# sums over all months are exact as JSON numbers.
MONEY_MAX = 10**12
COUNT_MAX = 10**6
ITEMS_MAX = 100
TEXT_MAX = 255

_DAY = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")


def parsed_day(text: str) -> date | None:
    """A real day written YYYY-MM-DD, and in no other form of ISO 8601; None for all else."""
    try:
        return date.fromisoformat(text) if _DAY.fullmatch(text) else None
    except ValueError:
        return None


def not_blank(text: str) -> None:
    if not text.strip():
        raise ValidationError("Must not be blank.")


def day_text(text: str) -> None:
    if parsed_day(text) is None:
        raise ValidationError("Must be a day as YYYY-MM-DD.")


def period_text(text: str) -> None:
    if text not in ("current_month", "current_year") and parsed_day(text) is None:
        raise ValidationError("Must be a day as YYYY-MM-DD, current_month or current_year.")


# Numbers stay text, for int refuses more than 4,300 digits; it refuses NaN and Infinity too.
_JSON = json.JSONDecoder(parse_int=str, parse_float=str, parse_constant=int)


def json_array(text: str) -> None:
    try:
        is_array = isinstance(_JSON.decode(text), list)
    except (ValueError, RecursionError):
        is_array = False
    if not is_array:
        raise ValidationError("Must be a JSON array.")


AT_MOST = "Must be at most {max} characters."
SHORT = Length(max=TEXT_MAX, error=AT_MOST)
FILLED = (not_blank, SHORT)
ONE_OF = "Must be one of: {choices}."
ANY_OF = "Must be one or more, joined by commas, of: {choices}."
SOME = Length(1, ITEMS_MAX, error="Must have {min} to {max} entries.")
RANGE = "Must be from {min} to {max}."
COUNT = Range(1, COUNT_MAX, error=RANGE)


class CommaSeparated(Field[list[str]]):
    """Alternatives in one text, such as `draft,sent`; loads as a list."""

    def _deserialize(self, value: Any, attr: Any, data: Any, **kwargs: Any) -> list[str]:
        words = [word.strip() for word in str(value).split(",")]
        if not all(words) or len(words) > ITEMS_MAX:
            raise ValidationError(f"Must be 1 to {ITEMS_MAX} values joined by commas, none empty.")
        return words


def numbered(values: Values, name: str, prefix: str = "") -> Iterator[tuple[str, Values]]:
    """The entries of a list, each with its path."""
    return ((f"{prefix}{name}.{i}", item) for i, item in enumerate(values.get(name, ())))
