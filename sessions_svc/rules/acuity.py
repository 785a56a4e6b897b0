"""The results of an acuity exam, and the chart lines that express them.

logMAR is the decimal logarithm of the smallest angle that an eye resolves, in
minutes of arc. Lines of a chart are 0.1 apart: Bailey and Lovie, "New design
principles for visual acuity letter charts", Am J Optom Physiol Opt 1976;53:740.
Letter sizes are the preferred numbers of ISO 8596.
"""

from collections.abc import Mapping
from typing import Any

from marshmallow import Schema, ValidationError
from marshmallow.fields import Boolean, Float, Integer, Nested, String
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


# Warning signs that demand a prompt examination: of a retinal break or detachment, American
# Academy of Ophthalmology, Posterior Vitreous Detachment, Retinal Breaks, and Lattice Degeneration
# Preferred Practice Pattern (2019), Ophthalmology 2020;127:P146; and Comprehensive Adult Medical
# Eye Evaluation Preferred Practice Pattern (2020), Ophthalmology 2021;128:P1.
WARNING_SIGNS = (
    "vision_loss",
    "flashes_or_floaters",
    "curtain",
    "double_vision",
    "pain_or_redness",
    "injury_or_surgery",
)


class EyeHealthSchema(Schema):
    """A person's answers about warning signs; every question is answered."""

    vision_loss = Boolean(required=True)
    flashes_or_floaters = Boolean(required=True)
    curtain = Boolean(required=True)
    double_vision = Boolean(required=True)
    pain_or_redness = Boolean(required=True)
    injury_or_surgery = Boolean(required=True)


def has_warning_sign(eye_health: Mapping[str, bool] | None) -> bool:
    """Return whether an answer is yes, so that the person is referred."""
    return any((eye_health or {}).values())


def require_results(sent: Mapping[str, Any]) -> None:
    """Raise ValidationError without results, unless an answer about the eyes' health is yes."""
    if "visual_acuity" not in sent and not has_warning_sign(sent.get("eye_health")):
        raise ValidationError("Missing data for required field.", "visual_acuity")


def to_snellen(logmar: float) -> str:
    """Return the chart line in feet, such as "20/20", nearest to a logMAR in range."""
    return f"20/{_SNELLEN_FEET[_find_line(logmar)]}"


def to_snellen_metres(logmar: float) -> str:
    """Return the chart line in metres, such as "6/6", nearest to a logMAR in range."""
    return f"6/{_SNELLEN_METRES[_find_line(logmar)]}"


def _find_line(logmar: float) -> int:
    return round((logmar - MIN_LOGMAR) * 10)
