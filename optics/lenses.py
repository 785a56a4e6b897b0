"""How a pair of lenses fits its frame and its wearer: centring, blanks, differences of the eyes.

Lengths are millimetres, powers dioptres, prisms prism dioptres. Points of a shape are from the
centre of its box, seen from the front: x to the viewer's right, y up. Decentration is towards the
nose; negative is outward.
"""

import math
from collections.abc import Iterable

from optics.powers import LEFT_EYE, Power, to_eighth

BLANK_ALLOWANCE_MM = 2.0  # chips and the edge of a blank


def find_decentration(a: float, bridge: float, pd: float) -> float:
    """How far the optical centre lies from the centre of the box, by frame PD and monocular PD."""
    return round((a + bridge) / 2 - pd, 2)


def find_decentration_prism(power: float, decentration: float) -> float:
    """The prism at the centre of the box, by Prentice's rule."""
    return round(abs(decentration * power) / 10, 2)


def estimate_least_blank(
    ed: float, decentration: float, allowance: float = BLANK_ALLOWANCE_MM
) -> float:
    """The least blank by the rule of thumb: it leaves out a height, and may then be too small."""
    return round(ed + 2 * abs(decentration) + allowance, 2)


def find_least_blank(
    points: Iterable[tuple[float, float]],
    decentration: float,
    rise: float,
    which: str,
    allowance: float = BLANK_ALLOWANCE_MM,
) -> float:
    """The least blank for a traced shape: twice the way from the fitting point to its farthest.

    `rise` is the fitting point's height over the middle of the box. The nose is to the viewer's
    right of the right lens.
    """
    x = -decentration if which == LEFT_EYE else decentration
    farthest = max(math.hypot(px - x, py - rise) for px, py in points)
    return round(2 * farthest + allowance, 2)


def find_largest_difference(one: Power, other: Power) -> float:
    """The difference of two powers in the meridian where it is largest."""
    if not one.cylinder and not other.cylinder:
        return round(abs(to_eighth(one.sphere) - to_eighth(other.sphere)), 3)
    mean, straight, oblique = (
        a - b for a, b in zip(_to_vector(one), _to_vector(other), strict=True)
    )
    return round(abs(mean) + math.hypot(straight, oblique), 3)


def has_opposite_signs(one: Power, other: Power, over: float) -> bool:
    """Whether some meridian has one power above `over` and the other one below its negative."""
    (low, high), (other_low, other_high) = one.meridians, other.meridians
    if (high <= over or other_low >= -over) and (low >= -over or other_high <= over):
        return False
    return any(
        (first > over and second < -over) or (first < -over and second > over)
        for first, second in ((one.at(turn), other.at(turn)) for turn in range(1, 181))
    )


def find_reading_imbalance(right: Power, left: Power, drop: float) -> float:
    """The vertical prism between the eyes at a reading level `drop` under the optical centres."""
    return round(abs(right.at(90) - left.at(90)) * drop / 10, 2)


def shift_vertex(power: float, towards_eye: float) -> float:
    """The power that acts alike when a lens is moved towards the eye, in one meridian."""
    return power / (1 - towards_eye / 1000 * power)


def _to_vector(power: Power) -> tuple[float, float, float]:
    """A power as its mean sphere and the two components of its cylinder (Thibos, 1997)."""
    cylinder, turn = to_eighth(power.cylinder), math.radians(2 * (power.axis or 0))
    mean = to_eighth(power.sphere) + cylinder / 2
    return mean, -cylinder / 2 * math.cos(turn), -cylinder / 2 * math.sin(turn)
