"""Shapes of lenses against each other.

A shape is radii in 0.01 mm around a centre, seen from the front, counter-clockwise from the
viewer's right: evenly spaced, or at `angles` in 0.01 degree. The left lens of a frame at an angle
is the right one at 180 degrees less it.
"""

import math
from bisect import bisect_right
from collections.abc import Sequence

FULL_CIRCLE = 36000  # 0.01 degree
SAMPLES = 72  # even, so that each sample has its mirror image among them
LEAST_DIFFERENCE = (
    50  # 0.01 mm on average (root of the mean square); below it a shape is its own mirror image
)
LEAST_RATIO = 3  # of the two misfits


Shape = tuple[Sequence[float], Sequence[float]]
"""Radii, and their angles if they are uneven."""


def is_unmirrored(right: Shape, left: Shape) -> bool:
    """Whether a left shape fits the right one far better as it is than mirrored."""
    one, other = right[0], left[0]
    if right[1] or left[1] or len(one) != len(other) or len(one) % 2:
        one, other = sample_radii(*right), sample_radii(*left)
    half = len(one) // 2
    mirrored = (*one[half::-1], *one[:half:-1])
    misfit = math.dist(mirrored, other)
    least = LEAST_DIFFERENCE * math.sqrt(len(one))
    return misfit > least and misfit > LEAST_RATIO * math.dist(one, other)


def sample_radii(radii: Sequence[float], angles: Sequence[float] = ()) -> list[float]:
    """Return the radii at evenly spaced angles, between two points in proportion."""
    step = FULL_CIRCLE / SAMPLES
    if not angles:
        return [_interpolate(radii, index * len(radii) / SAMPLES) for index in range(SAMPLES)]
    return [_interpolate(radii, _find_place(angles, index * step)) for index in range(SAMPLES)]


def _interpolate(radii: Sequence[float], place: float) -> float:
    below = math.floor(place)
    part, count = place - below, len(radii)
    return radii[below % count] * (1 - part) + radii[(below + 1) % count] * part


def _find_place(angles: Sequence[float], angle: float) -> float:
    """Return where an angle lies among ascending ones, which go around."""
    after = bisect_right(angles, angle)
    low = angles[after - 1] - (FULL_CIRCLE if after == 0 else 0)
    high = angles[after % len(angles)] + (FULL_CIRCLE if after == len(angles) else 0)
    return after - 1 + (angle - low) / (high - low)
