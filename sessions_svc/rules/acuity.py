"""What an acuity exam finds, and how its numbers are told.

logMAR is the decimal logarithm of the smallest angle that an eye resolves, in
minutes of arc. Lines of a chart are 0.1 apart: Bailey and Lovie, "New design
principles for visual acuity letter charts", Am J Optom Physiol Opt 1976;53:740;
the sizes are the preferred numbers of ISO 8596.
"""

from marshmallow import Schema
from marshmallow.fields import Float, Integer, Nested, String
from marshmallow.validate import OneOf, Range

CORRECTIONS = ("none", "glasses", "contacts")
# Feet at which a normal eye reads the line that this eye reads at 20 feet, from logMAR -0.3 on.
_FEET = (10, 12.5, 16, 20, 25, 32, 40, 50, 63, 80, 100, 125, 160, 200, 250, 320, 400)
# The same lines at 6 metres.
_METRES = (3, 3.8, 4.8, 6, 7.5, 9.5, 12, 15, 19, 24, 30, 38, 48, 60, 75, 95, 120)
KEENEST, WEAKEST = -0.3, 1.3  # logMAR


def _logmar() -> Float:
    return Float(validate=Range(KEENEST, WEAKEST, error="Must be from {min} to {max}."))


class EyeAcuitySchema(Schema):
    """What one eye can see; without logmar not even the largest letter."""

    logmar = _logmar()


class VisualAcuitySchema(Schema):
    """What an exam has found."""

    right_eye = Nested(EyeAcuitySchema, required=True)
    left_eye = Nested(EyeAcuitySchema, required=True)
    correction = String(
        required=True, validate=OneOf(CORRECTIONS, error="Must be one of: {choices}.")
    )
    distance = Integer(
        strict=True, validate=Range(300, 10_000, error="Must be from {min} to {max} mm.")
    )
    smallest_logmar = _logmar()


def snellen(logmar: float) -> str:
    """The line of a chart in feet that is nearest to a logMAR in range."""
    return f"20/{_FEET[_line(logmar)]}"


def snellen_metres(logmar: float) -> str:
    """The same line of a chart in metres."""
    return f"6/{_METRES[_line(logmar)]}"


def _line(logmar: float) -> int:
    return round((logmar - KEENEST) * 10)
