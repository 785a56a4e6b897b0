"""The tracing of the demo's order: the outline of a lens, computed as a frame tracer would send it.

A circle is cut flat by two brows, one above and one below, each closer to the middle on the side of
the nose; where circle and brow meet the outline is rounded. `python -m demo.tracing` prints it.
"""

import math
from collections.abc import Sequence

POINTS, POINTS_PER_LINE = 400, 12
A_MM, B_MM, DBL_MM, CIRCUMFERENCE_MM = 50.0, 34.0, 18.0, 138.43
SHARPNESS = 4.0534  # of the corners: the higher, the closer to circle and brows
# The brows above and below: distance from the middle in mm, and how much closer at the nose.
UPPER, LOWER = (17.93, 0.05), (17.421, 0.15)


def trace_right_lens() -> list[int]:
    """Return radii in 0.01 mm, from the side of the nose on and anticlockwise."""
    return [round(100 * _measure_radius(math.tau * each / POINTS)) for each in range(POINTS)]


def _measure_radius(turn: float) -> float:
    distance, slope = UPPER if math.sin(turn) > 0 else LOWER
    cut = abs(math.sin(turn)) * (1 + slope * math.cos(turn)) / distance
    circle: float = 2 / A_MM
    radius: float = (circle**SHARPNESS + cut**SHARPNESS) ** (-1 / SHARPNESS)
    return radius


def build_tracing(job: str) -> str:
    """Return the text of a tracing of both sides, the left one mirrored from the right one."""
    right = trace_right_lens()
    left = [right[(POINTS // 2 - each) % POINTS] for each in range(POINTS)]
    lines = [f'JOB="{job}"', "STATUS=0", "DO=B", f"DBL={DBL_MM:.2f}"]
    for label, value in (("HBOX", A_MM), ("VBOX", B_MM), ("CIRC", CIRCUMFERENCE_MM)):
        lines.append(f"{label}={value:.2f};{value:.2f}")
    for side, radii in (("R", right), ("L", left)):
        lines += [f"TRCFMT=1;{POINTS};E;{side};F", *_write_radii(radii)]
    return "".join(f"{line}\r\n" for line in lines)


def _write_radii(radii: Sequence[int]) -> list[str]:
    starts = range(0, len(radii), POINTS_PER_LINE)
    return ["R=" + ";".join(map(str, radii[at : at + POINTS_PER_LINE])) for at in starts]


if __name__ == "__main__":
    print(build_tracing("1001"))
