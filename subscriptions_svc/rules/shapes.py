"""Field shapes shared by the schemas: texts, days, counts, and their limits."""

import json
from collections.abc import Iterator, Mapping
from typing import Any, TypeAlias

from marshmallow import ValidationError
from marshmallow.fields import Field
from marshmallow.validate import Length

from optics.fields import at_most, between, check_not_blank, filled
from optics.fields import parse_day as parse_day  # for the store, too, which imports no optics

Values: TypeAlias = Mapping[str, Any]
Faults: TypeAlias = Iterator[tuple[str, str]]  # path, message

# The most that an item may cost, once and a month. With at most MAX_ITEMS of them in a cart, all
# sums over all months are exact as JSON numbers.
MAX_MONEY = 10**12
MAX_COUNT = 10**6
MAX_ITEMS = 100
MAX_TEXT_LENGTH = 255
MAX_DISCOUNTS_LENGTH = 20_000


def check_day(text: str) -> None:
    """Raise ValidationError unless the text is a day."""
    if parse_day(text) is None:
        raise ValidationError("Must be a day as YYYY-MM-DD.")


def check_period(text: str) -> None:
    """Raise ValidationError unless the text is a day or names the current month or year."""
    if text not in ("current_month", "current_year") and parse_day(text) is None:
        raise ValidationError("Must be a day as YYYY-MM-DD, current_month or current_year.")


# Numbers stay text, since int() refuses more than 4,300 digits; it also refuses NaN and Infinity.
_JSON = json.JSONDecoder(parse_int=str, parse_float=str, parse_constant=int)


def check_json_array(text: str) -> None:
    """Raise ValidationError unless the text is a JSON array."""
    try:
        is_array = isinstance(_JSON.decode(text), list)
    except (ValueError, RecursionError):
        is_array = False
    if not is_array:
        raise ValidationError("Must be a JSON array.")


SHORT_TEXT = at_most(MAX_TEXT_LENGTH)
FILLED_TEXT = (check_not_blank, SHORT_TEXT)
PERSON_REF = filled(64)  # characters of a merchant's own reference of a person
ANY_OF_MESSAGE = "Must be one or more, joined by commas, of: {choices}."
FILLED_LIST = Length(1, MAX_ITEMS, error="Must have {min} to {max} entries.")
COUNT_RANGE = between(1, MAX_COUNT)


class CommaSeparated(Field[list[str]]):
    """Alternatives in one text, such as `draft,sent`; loaded as a list."""

    def _deserialize(self, value: Any, attr: Any, data: Any, **kwargs: Any) -> list[str]:
        words = [word.strip() for word in str(value).split(",")]
        if not all(words) or len(words) > MAX_ITEMS:
            raise ValidationError(f"Must be 1 to {MAX_ITEMS} values joined by commas, none empty.")
        return words


def enumerate_entries(values: Values, name: str, prefix: str = "") -> Iterator[tuple[str, Values]]:
    """Return the entries of a list, each with its path."""
    return ((f"{prefix}{name}.{i}", item) for i, item in enumerate(values.get(name, ())))
