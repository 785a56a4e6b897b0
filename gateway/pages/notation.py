"""Figures and words as opticians write them."""

from datetime import UTC, datetime
from functools import partial

# En dash for an empty field.
NOTHING = "\u2013"


def to_datetime(seconds: int) -> datetime:
    """Return a time of an order, given in seconds of the epoch."""
    return datetime.fromtimestamp(seconds, UTC)


def humanize(code: str) -> str:
    """Return a word of the contract as people write it."""
    text = code.replace("three_d", "3D").replace("_", " ")
    return text[:1].upper() + text[1:]


def format_power(value: float) -> str:
    """Return dioptres with their sign and two decimals, or three where needed."""
    return f"{value:+.3f}".removesuffix("0")


def format_sphere(value: float) -> str:
    """Return the dioptres of a sphere; zero is plano."""
    return format_power(value) if value else "PL"


def format_axis(value: int) -> str:
    """Return degrees in three digits."""
    return f"{value:03d}"


def format_number(value: float, unit: str = "") -> str:
    """Return a number with one decimal, or with two where it was given so."""
    return f"{value:.2f}".removesuffix("0") + unit


format_mm = partial(format_number, unit=" mm")
format_degrees = partial(format_number, unit="°")
