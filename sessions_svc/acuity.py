"""What an acuity exam finds, and how its numbers are told.

logMAR is the decimal logarithm of the smallest angle that an eye resolves, in
minutes of arc. Lines of a chart are 0.1 apart: Bailey and Lovie, "New design
principles for visual acuity letter charts", Am J Optom Physiol Opt 1976;53:740;
the sizes are the preferred numbers of ISO 8596.
"""

from marshmallow import Schema
from marshmallow.fields import Float, Nested, String
from marshmallow.validate import OneOf, Range

CORRECTIONS = ("none", "glasses", "contacts")
# Feet at which a normal eye reads the line that this eye reads at 20 feet, from logMAR -0.3 on.
_LINES = (10, 12.5, 16, 20, 25, 32, 40, 50, 63, 80, 100, 125, 160, 200, 250, 320, 400)
KEENEST, WEAKEST = -0.3, 1.3  # logMAR


class EyeAcuitySchema(Schema):
    """What one eye can see; without logmar not even the largest letter."""

    logmar = Float(validate=Range(KEENEST, WEAKEST, error="Must be from {min} to {max}."))


class VisualAcuitySchema(Schema):
    """What an exam has found."""

    right_eye = Nested(EyeAcuitySchema, required=True)
    left_eye = Nested(EyeAcuitySchema, required=True)
    correction = String(
        required=True, validate=OneOf(CORRECTIONS, error="Must be one of: {choices}.")
    )


def snellen(logmar: float) -> str:
    """The line of a chart in feet that is nearest to a logMAR in range."""
    return f"20/{_LINES[round((logmar - KEENEST) * 10)]}"
