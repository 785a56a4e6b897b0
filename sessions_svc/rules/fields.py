"""Validators that the schemas of several rooms share."""

import re
from typing import Any

from marshmallow import ValidationError
from marshmallow.validate import Regexp

from optics.fields import filled, parse_day

MAX_ITEMS = 20  # of any list; our own limit, which keeps a request cheap to validate
KEY = Regexp(
    re.compile(r"[A-Za-z0-9._:-]{1,64}\Z"),
    error="Must be 1 to 64 of the characters A-Z a-z 0-9 . _ : -",
)
PERSON_REF = filled(64)  # characters of a partner's own reference of a person


def check_date(value: str) -> None:
    """Raise ValidationError unless the text is a real calendar date as YYYY-MM-DD."""
    if parse_day(value) is None:
        raise ValidationError("Must be a real date as YYYY-MM-DD.")


def limit_items(items: Any) -> Any:
    """Return the items unchanged; raise ValidationError for more than `MAX_ITEMS`."""
    if isinstance(items, list) and len(items) > MAX_ITEMS:
        raise ValidationError(f"Must not have more than {MAX_ITEMS} items.")
    return items


def refuse_duplicates(items: list[str]) -> None:
    """Raise ValidationError when an item occurs more than once."""
    if len(set(items)) < len(items):
        raise ValidationError("Must not have duplicate items.")
