"""Arithmetic of spectacle lenses: eighths, transposition, spherical equivalent, prism.

Powers are dioptres, prisms prism dioptres, axes 1-180 degrees (TABO). Practice software prints
eighths with two decimals, cut or rounded: .12 and .13 are .125. They are kept as they are written
and computed as eighths. A base setting is 0-360
degrees as seen from the front, counter-clockwise from the viewer's right: base in is 0 for the
right eye and 180 for the left, base up is 90 for both (as DCS has it in PRVA).
"""

import math
from collections.abc import Mapping
from typing import Any, NamedTuple

RIGHT_EYE, LEFT_EYE = "right_eye", "left_eye"
MAX_AXIS = 180  # degrees
STEP = 0.125  # dioptres; lenses are not made in finer steps
# What is left of an eighth that is written with two decimals.
_EIGHTHS = {12: 0.125, 13: 0.125, 37: 0.375, 38: 0.375, 62: 0.625, 63: 0.625, 87: 0.875, 88: 0.875}


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
        sphere = _sum(to_eighth(self.sphere), to_eighth(self.cylinder))
        return Power(sphere, -self.cylinder, axis)

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
        return _sum(to_eighth(self.sphere), to_eighth(self.cylinder) / 2)

    @property
    def meridians(self) -> tuple[float, float]:
        """The powers of the principal meridians, the lower one first."""
        sphere = to_eighth(self.sphere)
        if not self.cylinder:
            return sphere, sphere
        other = _sum(sphere, to_eighth(self.cylinder))
        return (sphere, other) if sphere < other else (other, sphere)

    @property
    def strongest(self) -> float:
        """The power of the stronger principal meridian, without its sign."""
        low, high = self.meridians
        return max(abs(low), abs(high))

    def at(self, meridian: float) -> float:
        """The power in a meridian, in degrees."""
        turn = math.radians(meridian - (self.axis or 0))
        return to_eighth(self.sphere) + to_eighth(self.cylinder) * math.sin(turn) ** 2


class Prism(NamedTuple):
    """One prism: its power, and the base setting in degrees."""

    power: float
    base: float


def to_eighth(power: float) -> float:
    """Return the eighth that a power with two decimals stands for; any other power as it is."""
    if not power % 0.25:  # nearly all of them
        return power
    hundredths = abs(power) * 100
    whole = round(hundredths)
    eighth = _EIGHTHS.get(whole % 100)
    if eighth is None or abs(hundredths - whole) > 1e-6:
        return power
    return math.copysign(whole // 100 + eighth, power)


def is_on_step(power: float) -> bool:
    """Return whether lenses are made in a power: it is a multiple of 0.125 D."""
    return not power % STEP or not to_eighth(power) % STEP


def drops_axis(eye: Mapping[str, Any]) -> bool:
    """Return whether an eye has a cylinder of 0, with which no axis or any of 0-180 may come."""
    return eye.get("cylinder") == 0 and 0 <= (eye.get("axis") or 0) <= MAX_AXIS


def drop_zero_cylinder(eye: Mapping[str, Any]) -> dict[str, Any]:
    """Return an eye as it is sent, without a cylinder of 0 and its axis."""
    if not drops_axis(eye):
        return dict(eye)
    return {name: each for name, each in eye.items() if name not in ("cylinder", "axis")}


def is_balance(eye: Mapping[str, Any]) -> bool:
    """Return whether an eye gets a balance lens: one without a power of its own."""
    return bool(eye.get("balance"))


def power_of(eye: Mapping[str, Any]) -> Power:
    """The power in the prescription of an eye that gets no balance lens."""
    return Power(eye["sphere"], eye.get("cylinder", 0.0), eye.get("axis"))


def has_prism(eye: Mapping[str, Any]) -> bool:
    """Return whether an eye has a prism."""
    return bool(eye.get("horizontal_prism") or eye.get("vertical_prism"))


def resultant(eye: Mapping[str, Any], which: str) -> Prism | None:
    """The one prism that the horizontal and the vertical one of an eye make together."""
    if not has_prism(eye):
        return None
    right, up = split_prism(eye, which)
    base = math.degrees(math.atan2(up, right)) % 360
    return Prism(round(math.hypot(right, up), 2), round(base, 1) % 360)


def split_prism(eye: Mapping[str, Any], which: str) -> tuple[float, float]:
    """The prism of an eye by the place of its base: to the viewer's right, and up."""
    horizontal, vertical = eye.get("horizontal_prism"), eye.get("vertical_prism")
    right = up = 0.0
    if horizontal:
        to_the_right = (horizontal["direction"] == "in") == (which == RIGHT_EYE)
        right = horizontal["power"] if to_the_right else -horizontal["power"]
    if vertical:
        up = vertical["power"] if vertical["direction"] == "up" else -vertical["power"]
    return right, up


def _sum(one: float, other: float) -> float:
    """Return a sum without binary rounding errors."""
    return round(one + other, 4)
