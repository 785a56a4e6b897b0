"""Arithmetic of spectacle lenses: transposition, spherical equivalent, resultant prism.

Powers are dioptres, prisms prism dioptres, axes 1-180 degrees (TABO). A base setting is 0-360
degrees as seen from the front, counter-clockwise from the viewer's right: base in is 0 for the
right eye and 180 for the left, base up is 90 for both (as DCS has it in PRVA).
"""

import math
from collections.abc import Mapping
from typing import Any, NamedTuple

RIGHT_EYE, LEFT_EYE = "right_eye", "left_eye"


class Power(NamedTuple):
    """The distance power of a lens; without a cylinder it has no axis."""

    sphere: float
    cylinder: float = 0.0
    axis: int | None = None

    @property
    def transposed(self) -> "Power":
        """The same power in the other cylinder form; a sphere has no other."""
        if not self.cylinder or self.axis is None:
            return self
        axis = self.axis - 90 if self.axis > 90 else self.axis + 90
        return Power(_sum(self.sphere, self.cylinder), -self.cylinder, axis)

    @property
    def minus(self) -> "Power":
        """In minus cylinder form, as labs surface it."""
        return self.transposed if self.cylinder > 0 else self

    @property
    def plus(self) -> "Power":
        """In plus cylinder form."""
        return self.transposed if self.cylinder < 0 else self

    @property
    def spherical_equivalent(self) -> float:
        """Sphere plus half the cylinder."""
        return _sum(self.sphere, self.cylinder / 2)


class Prism(NamedTuple):
    """One prism: its power, and the base setting in degrees."""

    power: float
    base: float


def power_of(eye: Mapping[str, Any]) -> Power:
    """The power in the prescription of an eye."""
    return Power(eye["sphere"], eye.get("cylinder", 0.0), eye.get("axis"))


def resultant(eye: Mapping[str, Any], which: str) -> Prism | None:
    """The one prism that the horizontal and the vertical one of an eye make together."""
    horizontal, vertical = eye.get("horizontal_prism"), eye.get("vertical_prism")
    if not horizontal and not vertical:
        return None
    right = up = 0.0
    if horizontal:
        to_the_right = (horizontal["direction"] == "in") == (which == RIGHT_EYE)
        right = horizontal["power"] if to_the_right else -horizontal["power"]
    if vertical:
        up = vertical["power"] if vertical["direction"] == "up" else -vertical["power"]
    base = math.degrees(math.atan2(up, right)) % 360
    return Prism(round(math.hypot(right, up), 2), round(base, 1) % 360)


def _sum(one: float, other: float) -> float:
    """Return a sum without binary rounding errors."""
    return round(one + other, 4)
