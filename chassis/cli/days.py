"""A number of days on the command line or in the environment."""

from datetime import timedelta
from typing import Any

import click

MAX_DAYS = 36500


class Days(click.ParamType[timedelta]):
    """Days as `365d`."""

    name = "days"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> timedelta:
        """Return the time."""
        if isinstance(value, timedelta):
            return value
        number = value.strip().removesuffix("d")
        is_number = number.isascii() and number.isdecimal() and value.strip().endswith("d")
        if not is_number or not 1 <= int(number[:9]) <= MAX_DAYS:
            self.fail(f"{value!r} is not a number of days from 1d to {MAX_DAYS}d.", param, ctx)
        return timedelta(days=int(number))
