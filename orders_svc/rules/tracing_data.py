"""The datasets of a tracing: what a header announces, and the numbers that follow it.

A header TRCFMT or ZFMT is `format;points;mode;side;object`. Its numbers are radii (R) or depths
(Z), in mode U with their angles (A, ZA). One header may be of both sides: then R are the radii
of the right one and L those of the left one.
"""

import re
from dataclasses import dataclass, field
from itertools import pairwise
from typing import NamedTuple

from orders_svc.rules.traces import ASCII_ABSOLUTE, FULL_CIRCLE, LEFT, RIGHT, SIDES

EVEN, UNEVEN = "E", "U"
BOTH_SIDES = "B"
MIN_POINTS = 3
MAX_CLOSING_DIFFERENCE = 10  # 0.01 mm, between the first point and its repetition at the end
FORMAT_NAMES = {
    "2": "binary absolute",
    "3": "binary differential",
    "4": "packed binary",
    "6": "packed hexadecimal",
}
_POINTS = re.compile(r"[0-9]{1,6}")
_ANGLES_OF = {"R": "A", "L": "A", "Z": "ZA"}


class TracingRefused(ValueError):
    """A tracing that cannot be used: the line, counted from 1, and the reason."""

    def __init__(self, line: int, reason: str) -> None:
        super().__init__(f"Line {line}: {reason}")
        self.line = line
        self.reason = reason


class Numbers(NamedTuple):
    """The valid numbers of one side: values, and their angles in mode U."""

    values: tuple[int, ...]
    angles: tuple[int, ...]


@dataclass(slots=True, eq=False)
class Dataset:
    """A header, and the numbers that have been read under it."""

    line: int
    label: str
    """TRCFMT or ZFMT."""
    points: int
    mode: str
    side: str
    """R, L, B for both, or empty."""
    object: str
    is_complete: bool
    """Whether the header has its five fields."""
    fault: str
    """Why no data may follow, or empty."""
    values: dict[str, list[int]] = field(default_factory=dict)
    """By R, L or Z."""
    angles: dict[str, list[int]] = field(default_factory=dict)
    """By R, L or Z as well."""
    latest: str = ""
    """The values that were read last: angles belong to them."""

    @property
    def has_data(self) -> bool:
        """Whether any number followed the header."""
        return bool(self.values or self.angles)

    @property
    def main(self) -> str:
        """The label of the values that the standard has under this header."""
        return "Z" if self.label == "ZFMT" else "R"

    def add_values(self, label: str, numbers: list[int]) -> None:
        """Add a line of radii or depths."""
        # Radii of a left trace may be labelled by their side.
        self.latest = self.main if self.side == LEFT else label
        self.values.setdefault(self.latest, []).extend(numbers)

    def add_angles(self, numbers: list[int]) -> None:
        """Add a line of angles."""
        self.angles.setdefault(self.latest or self.main, []).extend(numbers)

    @property
    def sides(self) -> tuple[str, ...]:
        """The sides that it has numbers of, or should have."""
        if self.side == BOTH_SIDES:
            return (RIGHT, LEFT)
        # A few numbers are no outline, but a record of somebody's that is called L.
        has_left = self.side != LEFT and len(self.values.get("L", ())) >= MIN_POINTS
        return (self.side, LEFT) if has_left else (self.side,)

    def build(self, side: str) -> Numbers:
        """Return the numbers of a side, as many as were announced; raises TracingRefused."""
        if self.side == BOTH_SIDES and not {"R", "L"} <= self.values.keys():
            raise TracingRefused(self.line, f"{self.label} must have side R or L.")
        name = "L" if side == LEFT != self.side else self.main
        values, angles = self.values.get(name, []), self.angles.get(name, [])
        self.count(name, values)
        if self.mode == EVEN:
            return Numbers(tuple(values), ())
        if not angles:
            raise TracingRefused(
                self.line,
                f"Mode U needs the angles, {_ANGLES_OF[name]}: {self.points} are announced, "
                "but 0 follow.",
            )
        self.count(_ANGLES_OF[name], angles)
        return self.order(values, angles, _ANGLES_OF[name])

    def count(self, name: str, numbers: list[int]) -> None:
        """Raise TracingRefused unless there are as many numbers as announced."""
        if len(numbers) != self.points:
            raise TracingRefused(
                self.line,
                f"{self.label} announces {self.points} values of {name}, "
                f"but {len(numbers)} follow.",
            )

    def order(self, values: list[int], angles: list[int], name: str) -> Numbers:
        """Return values and angles from 0 on; raises TracingRefused unless they go round once.

        The first point may be at any angle, and may be repeated at the end.
        """
        steps = [after - before for before, after in pairwise(angles)]
        turn = sum(step % FULL_CIRCLE for step in steps)
        if turn > FULL_CIRCLE or any(
            step % FULL_CIRCLE == 0 or abs(step) > FULL_CIRCLE for step in steps
        ):
            raise TracingRefused(self.line, f"The angles of {name} must be in ascending order.")
        if turn == FULL_CIRCLE:
            if abs(values[-1] - values[0]) > MAX_CLOSING_DIFFERENCE or len(values) <= MIN_POINTS:
                reason = f"The last angle of {name} is that of another point."
                raise TracingRefused(self.line, reason)
            values, angles = values[:-1], angles[:-1]
        pairs = sorted(zip((each % FULL_CIRCLE for each in angles), values, strict=True))
        return Numbers(tuple(value for _, value in pairs), tuple(at for at, _ in pairs))


def build_dataset(line: int, label: str, fields: tuple[str, ...]) -> Dataset:
    """Return the dataset of a header; a fault of the header is kept for its first number."""
    kind, points, mode, side, what = (*fields, "", "", "", "", "")[:5]
    mode, side, what = mode.upper(), side.upper(), what.upper()
    return Dataset(
        line,
        label,
        int(points) if _POINTS.fullmatch(points) else 0,
        mode,
        side if side in (*SIDES, BOTH_SIDES) else "",
        what[:1],
        len(fields) == 5 and what in ("F", "P", "D"),
        _find_fault(label, kind.lstrip("0"), points, mode, side),
    )


def _find_fault(label: str, kind: str, points: str, mode: str, side: str) -> str:
    """Return why a header cannot be used, or an empty text."""
    if kind != str(ASCII_ABSOLUTE):
        name = f", not {kind} ({FORMAT_NAMES[kind]})" if kind in FORMAT_NAMES else ""
        return f"{label} must have format 1{name}; export the tracing as ASCII."
    if not _POINTS.fullmatch(points) or int(points) < MIN_POINTS:
        return f"{label} must state the number of points, {MIN_POINTS} or more."
    if mode not in (EVEN, UNEVEN):
        return f"{label} must have mode E or U."
    if side not in SIDES and not (side == BOTH_SIDES and label == "TRCFMT"):
        return f"{label} must have side R or L."
    return ""


def find_offers(datasets: list[Dataset]) -> set[Dataset]:
    """Return the headers that only offer what a later one answers with its data.

    A session begins with them. An offer of one side is answered by data of that side, any other
    by any trace; an announcement without data and without an answer is a fault of the file.
    """
    offers: set[Dataset] = set()
    answered: set[tuple[str, str]] = set()
    for each in reversed(datasets):
        if each.has_data:
            answered |= {(each.label, side) for side in ("", *each.sides)}
        elif each.side in SIDES:
            offers |= {each} if (each.label, each.side) in answered else set()
        else:
            offers |= {each} if ("TRCFMT", "") in answered else set()
    return offers
