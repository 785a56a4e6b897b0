"""The results of an acuity exam, and the chart lines that express them.

logMAR is the decimal logarithm of the smallest angle that an eye resolves, in
minutes of arc. Lines of a chart are 0.1 apart: Bailey and Lovie, "New design
principles for visual acuity letter charts", Am J Optom Physiol Opt 1976;53:740.
Letter sizes are the preferred numbers of ISO 8596.
"""

from marshmallow import Schema
from marshmallow.fields import Float, Integer, Nested, String
from marshmallow.validate import Range

from optics.fields import one_of

ACUITY_SERVICE = "acuity-service"  # the product that a partner orders
CORRECTIONS = ("none", "glasses", "contacts")
MIN_LOGMAR, MAX_LOGMAR = -0.3, 1.3
# One line per 0.1 logMAR from MIN_LOGMAR on: the distance in feet at which a normal eye
# reads the line that this eye reads at 20 feet.
_SNELLEN_FEET = (10, 12.5, 16, 20, 25, 32, 40, 50, 63, 80, 100, 125, 160, 200, 250, 320, 400)
# The same lines at 6 metres.
_SNELLEN_METRES = (3, 3.8, 4.8, 6, 7.5, 9.5, 12, 15, 19, 24, 30, 38, 48, 60, 75, 95, 120)


def _logmar() -> Float:
    return Float(validate=Range(MIN_LOGMAR, MAX_LOGMAR, error="Must be from {min} to {max}."))


class EyeAcuitySchema(Schema):
    """The acuity of one eye; without logmar, the eye could not read the largest letter."""

    logmar = _logmar()


class VisualAcuitySchema(Schema):
    """The results of an acuity exam."""

    right_eye = Nested(EyeAcuitySchema, required=True)
    left_eye = Nested(EyeAcuitySchema, required=True)
    correction = String(required=True, validate=one_of(*CORRECTIONS))
    distance = Integer(
        strict=True, validate=Range(300, 10_000, error="Must be from {min} to {max} mm.")
    )
    smallest_logmar = _logmar()


def to_snellen(logmar: float) -> str:
    """Return the chart line in feet, such as "20/20", nearest to a logMAR in range."""
    return f"20/{_SNELLEN_FEET[_find_line(logmar)]}"


def to_snellen_metres(logmar: float) -> str:
    """Return the chart line in metres, such as "6/6", nearest to a logMAR in range."""
    return f"6/{_SNELLEN_METRES[_find_line(logmar)]}"


def _find_line(logmar: float) -> int:
    return round((logmar - MIN_LOGMAR) * 10)
