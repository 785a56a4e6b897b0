"""The JSON that a partner attaches to a session."""

import json
from typing import Any, NoReturn

from marshmallow import ValidationError

# The text must be shorter than this, as sent.
PARTNER_INFO_CHARACTERS = 20_000
# Our own limit, which keeps a request cheap to validate.
MAX_PARTNER_INFO_LEVELS = 100


def _refuse_constant(constant: str) -> NoReturn:
    raise ValueError(constant)


# Numbers stay text: Python's int refuses more than 4,300 digits, JSON does not.
_DECODER = json.JSONDecoder(parse_int=str, parse_float=str, parse_constant=_refuse_constant)


def check_partner_info(text: str) -> None:
    """Raise ValidationError unless the text is a JSON object within both limits."""
    if len(text) >= PARTNER_INFO_CHARACTERS:
        raise ValidationError("Must be under 20,000 characters as JSON text.")
    too_deep = f"Must not be nested deeper than {MAX_PARTNER_INFO_LEVELS} levels."
    try:
        document = _DECODER.decode(text)
    except RecursionError:
        raise ValidationError(too_deep) from None
    except ValueError:
        raise ValidationError("Must be valid JSON.") from None
    if not isinstance(document, dict):
        raise ValidationError("Must be a JSON object.")
    level: list[Any] = [document]
    for _ in range(MAX_PARTNER_INFO_LEVELS):
        values = (each.values() if isinstance(each, dict) else each for each in level)
        level = [inner for each in values for inner in each if isinstance(inner, (dict, list))]
        if not level:
            return
    raise ValidationError(too_deep)
