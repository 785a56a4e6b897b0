"""Frame tracings: text of the Vision Council's Data Communication Standard (DCS, "OMA").

`parse_tracing` reads what tracers and lab software write, `write_tracing` writes it, and
`find_disagreements` compares a tracing with its order. A text is refused when no lens should be
cut from it; other oddities become remarks. A refusal never repeats the text.

Lines are `LABEL=field;field`, ended by CRLF, LF or CR. Values of both eyes are right;left.
A trace is a TRCFMT header followed by its radii (R), in mode U its angles (A), and optionally
depths (ZFMT, Z, ZA). Seen from the front, angles run counter-clockwise from the viewer's right.
A packet is enclosed in FS and GS, and may end with RS and a CRC of what is between FS and RS.
Sources: DCS 3.12 (formerly ISO 16284) as open implementations quote it; box terms of ISO 8624.
"""

import re
from binascii import crc_hqx
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

from orders_svc.rules.traces import (
    ASCII_ABSOLUTE,
    FULL_CIRCLE,
    SIDES,
    Depth,
    Record,
    Remark,
    Trace,
    Tracing,
    parse_number,
)

EVEN, UNEVEN = "E", "U"
MIN_RADIUS, MAX_RADIUS = 500, 6000  # 0.01 mm
MIN_POINTS = 3
BOX_TOLERANCE_MM = 0.5  # between a trace and the box in its file
CIRCUMFERENCE_TOLERANCE = 0.01  # as a fraction of the circumference
ORDER_TOLERANCE_MM = 1.0  # between a tracing and its order
MIN_DENSE_POINTS = 360  # from here on, neighbouring points are close
MAX_JUMP = 200  # 0.01 mm, between neighbours of a dense trace
MAX_REMARKS = 20
POINTS_PER_LINE = 10

FS, GS, RS = "\x1c", "\x1d", "\x1e"
_LINE_END = re.compile(r"\r\n|\n|\r")
_BINARY = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ud800-\udfff\ufffd]")
_LABEL = re.compile(r"[A-Z0-9_.]{1,32}\Z")  # vendors add theirs: _VENDOR, .IFT
_WHOLE_NUMBERS = re.compile(r"[-0-9; \t]*\Z")
_UNLABELED = re.compile(r"[-0-9.; \t]+\Z")
_CRC = re.compile(r"\x1e[ \t\r\n]*CRC[ \t]*=[ \t]*([0-9]{1,9})[ \t]*[\r\n\x1d]")
_DATA_LABELS = frozenset(("R", "A", "Z", "ZA"))
_DATA_OF_HEADER = {"TRCFMT": "R", "ZFMT": "Z"}


class TracingRefused(ValueError):
    """A tracing that cannot be used: the line, counted from 1, and the reason."""

    def __init__(self, line: int, reason: str) -> None:
        super().__init__(f"Line {line}: {reason}")
        self.line = line
        self.reason = reason


def parse_tracing(text: str) -> Tracing:
    """Return the tracing in a text; raises TracingRefused."""
    return _Parser(text).parse()


@dataclass(slots=True)
class _Data:
    """A trace, or its depths, that is being read."""

    line: int
    label: str
    points: int
    mode: str
    side: str
    object: str
    numbers: dict[str, list[int]] = field(default_factory=dict)

    def validate(self) -> tuple[tuple[int, ...], tuple[int, ...]]:
        """Return values and angles, as many as the header announces; raises TracingRefused."""
        name = _DATA_OF_HEADER[self.label]
        of = {"R": "A", "Z": "ZA"}[name]
        values, angles = self.numbers.get(name, []), self.numbers.get(of, [])
        if len(values) != self.points:
            raise TracingRefused(
                self.line,
                f"{self.label} announces {self.points} values of {name}, but {len(values)} follow.",
            )
        if self.mode == EVEN:
            return tuple(values), ()
        if not angles:
            raise TracingRefused(self.line, f"Mode U needs the angles, {of}.")
        if len(angles) != self.points:
            raise TracingRefused(self.line, f"There must be as many values of {of} as of {name}.")
        if any(low >= high for low, high in pairwise(angles)):
            raise TracingRefused(self.line, f"The angles of {of} must be in ascending order.")
        if angles[0] < 0 or angles[-1] >= FULL_CIRCLE:
            raise TracingRefused(self.line, f"The angles of {of} must be from 0 to 35999.")
        return tuple(values), tuple(angles)


class _Parser:
    """One text that is being read line by line."""

    def __init__(self, text: str) -> None:
        self.text = text.removeprefix("\ufeff")
        self.lines = _LINE_END.split(self.text)
        self.data: dict[str, dict[str, _Data]] = {"TRCFMT": {}, "ZFMT": {}}
        self.open: dict[str, _Data | None] = {}
        self.records: list[Record] = []
        self.first: dict[str, int] = {}
        self.continued = ""  # the label that a line without one continues
        self.remarks: list[Remark] = []
        self.omitted = 0

    def parse(self) -> Tracing:
        """Return the tracing; raises TracingRefused."""
        for at, line in enumerate(self.lines, 1):
            self.read_line(at, line)
        last = max((n for n, line in enumerate(self.lines, 1) if line.strip()), default=1)
        if not any(line.strip(" \t\x1a" + FS + GS + RS) for line in self.lines):
            raise TracingRefused(1, "The tracing is empty.")
        if not self.data["TRCFMT"]:
            raise TracingRefused(last, "There is no trace: no TRCFMT with format 1.")
        found = Tracing(self.build_traces(), tuple(self.records))
        self.check_packets()
        self.compare_records(found)
        if self.omitted:
            self.remarks.append(Remark(0, f"{self.omitted} more remarks are omitted."))
        return Tracing(found.traces, found.records, tuple(self.remarks))

    def add_remark(self, line: int, text: str) -> None:
        """Add a remark, up to a number that a person still reads."""
        if len(self.remarks) < MAX_REMARKS:
            self.remarks.append(Remark(line, text))
        else:
            self.omitted += 1

    def add_remark_once(self, line: int, text: str) -> None:
        """Add a remark only for the first line it applies to."""
        if all(each.text != text for each in self.remarks):
            self.add_remark(line, text)

    def read_line(self, at: int, line: str) -> None:
        """Read one line."""
        line = line.lstrip(" \t" + FS + GS + RS).rstrip(" \t\x1a" + FS + GS + RS)
        if not line:
            return
        if _BINARY.search(line):
            raise TracingRefused(at, "This is not text; export the tracing as ASCII (format 1).")
        label, equals, rest = line.partition("=")
        label = label.rstrip(" \t")
        if not equals and self.continued and _UNLABELED.match(line):
            self.add_remark(at, f"A line without a label was read as {self.continued}.")
            self.read_data(at, self.continued, line)
            return
        if not equals or not _LABEL.match(label.upper()):
            kind = "a comment" if line.startswith("#") else "not LABEL=field;field"
            self.add_remark(at, f"This line is {kind}; it was ignored.")
            return
        if label != (label := label.upper()):
            self.add_remark_once(at, "The label is not in upper case.")
        self.continued = label if label in _DATA_LABELS else ""
        if label in _DATA_LABELS:
            self.read_data(at, label, rest)
        elif label == "CRC":
            return  # of a packet, see `check_packets`
        elif label in _DATA_OF_HEADER:
            self.read_header(at, label, _split_fields(rest))
        else:
            self.read_record(at, label, _split_fields(rest))

    def read_record(self, at: int, label: str, fields: tuple[str, ...]) -> None:
        """Read a record that is not part of a trace."""
        if label == "STATUS" and fields[0] not in ("", "?") and fields[0].strip("0"):
            raise TracingRefused(at, "STATUS is not 0: the tracer reports a failure.")
        if label in _MEASURE_LABELS and label in self.first:
            self.add_remark(
                at, f"{label} is also in line {self.first[label]}, which takes precedence."
            )
        self.first.setdefault(label, at)
        if label in _MEASURE_LABELS and any(
            each not in ("", "?") and parse_number(each) is None for each in fields
        ):
            self.add_remark(at, f"{label} is not a number.")
        self.records.append(Record(label, fields))

    def read_header(self, at: int, label: str, fields: tuple[str, ...]) -> None:
        """Read a header: format;points;mode;side;object."""
        self.open[label] = None
        kind, points, mode, side, what = (*fields, "", "", "", "", "")[:5]
        if kind.strip("0") == "" and kind:
            self.add_remark(at, f"{label} announces no trace.")
            return
        if kind != str(ASCII_ABSOLUTE):
            raise TracingRefused(at, f"{label} must have format 1; export the tracing as ASCII.")
        if not re.fullmatch(r"[0-9]{1,6}", points) or int(points) < MIN_POINTS:
            raise TracingRefused(
                at, f"{label} must state the number of points, {MIN_POINTS} or more."
            )
        if mode.upper() not in (EVEN, UNEVEN):
            raise TracingRefused(at, f"{label} must have mode E or U.")
        if side.upper() not in SIDES:
            raise TracingRefused(at, f"{label} must have side R or L.")
        side = side.upper()
        if side in self.data[label]:
            raise TracingRefused(at, f"This is a second {label} of the {SIDES[side]} side.")
        if len(fields) != 5 or what.upper() not in ("F", "P", "D"):
            self.add_remark(at, f"{label} should have five fields, the last one F, P or D.")
        made = _Data(at, label, int(points), mode.upper(), side, what.upper()[:1])
        self.data[label][side] = self.open[label] = made

    def read_data(self, at: int, label: str, text: str) -> None:
        """Read a line of radii, angles or depths."""
        into = self.open.get("ZFMT" if label in ("Z", "ZA") else "TRCFMT")
        if into is None:
            raise TracingRefused(at, f"{label} precedes its header.")
        numbers = _parse_whole_numbers(text)
        if numbers is None:
            numbers = _round_numbers(at, text)
            self.add_remark_once(at, "Numbers with decimals were rounded.")
        if label == "R" and not MIN_RADIUS <= min(numbers) <= max(numbers) <= MAX_RADIUS:
            raise TracingRefused(at, "A radius must be from 5 to 60 mm, in hundredths.")
        if max(map(abs, numbers)) > 10 * FULL_CIRCLE:
            raise TracingRefused(at, "The numbers are out of range for a tracing.")
        if label in ("A", "ZA") and into.mode == EVEN:
            if label not in into.numbers:
                self.add_remark(at, "Mode E has no angles of its own; they were ignored.")
            into.numbers[label] = []
            return
        into.numbers.setdefault(label, []).extend(numbers)

    def build_traces(self) -> dict[str, Trace]:
        """Return the traces, right before left."""
        depths = {side: Depth(*data.validate()) for side, data in self.data["ZFMT"].items()}
        for side in depths.keys() - self.data["TRCFMT"].keys():
            line = self.data["ZFMT"][side].line
            self.add_remark(line, f"There are depths but no trace of the {SIDES[side]} side.")
        found = {}
        for side in SIDES:
            if data := self.data["TRCFMT"].get(side):
                radii, angles = data.validate()
                found[side] = Trace(side, radii, angles, data.object, depths.get(side))
                self.check_jumps(data.line, found[side])
        return found

    def check_jumps(self, line: int, trace: Trace) -> None:
        """Remark on a dense trace with a jump: a slip of the stylus, or a lost point."""
        radii = trace.radii
        neighbours = zip(radii, (*radii[1:], radii[0]), strict=True)
        if len(radii) >= MIN_DENSE_POINTS and any(
            abs(low - high) > MAX_JUMP for low, high in neighbours
        ):
            self.add_remark(line, f"The {SIDES[trace.side]} trace jumps by more than 2 mm.")

    def check_packets(self) -> None:
        """Remark on packets whose CRC does not match their bytes."""
        text, start = self.text + "\n", 0
        for found in _CRC.finditer(text):
            packet = text[start : found.start() + 1].rpartition(FS)[2]
            start = found.end()
            if crc_hqx(packet.encode(), 0) != int(found[1]):
                self.add_remark(0, "The CRC does not match the packet.")

    def compare_records(self, found: Tracing) -> None:
        """Remark on records that disagree with the traces."""
        for side, word in SIDES.items():
            if side not in found.traces:
                self.add_remark(0, f"There is no trace of the {word} side.")
                continue
            trace = found.traces[side]
            for label, measured in (("HBOX", trace.a), ("VBOX", trace.b), ("FED", trace.ed)):
                said = found.find_number(label, side)
                if said is None and label != "FED":
                    self.add_remark(0, f"{label} of the {word} side is missing.")
                elif said is not None and abs(said - measured) > BOX_TOLERANCE_MM:
                    text = f"{label} of the {word} side is {said:g} mm; the trace measures"
                    self.add_remark(self.first[label], f"{text} {measured:g} mm.")
            said, around = found.find_number("CIRC", side), trace.circumference
            if said is not None and abs(said - around) > CIRCUMFERENCE_TOLERANCE * around:
                text = f"CIRC of the {word} side is {said:g} mm; the trace measures {around:g} mm."
                self.add_remark(self.first["CIRC"], text)
        if found.dbl is None:
            self.add_remark(0, "DBL is missing.")


_MEASURE_LABELS = frozenset(("HBOX", "VBOX", "DBL", "CIRC", "FED"))


def _split_fields(text: str) -> tuple[str, ...]:
    """Return the fields of a record, without an empty one after a final `;`."""
    fields = [each.strip(" \t") for each in text.split(";")]
    if len(fields) > 1 and not fields[-1]:
        fields.pop()
    return tuple(fields)


def _parse_whole_numbers(text: str) -> list[int] | None:
    """Return the whole numbers of a line; None if it has anything else."""
    if not _WHOLE_NUMBERS.match(text):
        return None
    fields = text.rstrip(" \t").removesuffix(";").split(";")
    try:
        return list(map(int, fields))
    except ValueError:
        return None


def _round_numbers(line: int, text: str) -> list[int]:
    """Return the numbers of a line rounded; raises TracingRefused for anything else."""
    fields = _split_fields(text)
    numbers = [read for read in map(parse_number, fields) if read is not None]
    if len(numbers) < len(fields):
        raise TracingRefused(line, "Expected numbers separated by semicolons.")
    return list(map(round, numbers))


def write_tracing(tracing: Tracing, *, end: str = "\r\n", packet: bool = False) -> str:
    """Return a tracing as text that `parse_tracing` reads; a packet has FS, GS and a CRC."""
    lines = [f"{record.label}={_join_fields(record.fields)}" for record in tracing.records]
    for trace in tracing.traces.values():
        lines += _write_data("TRCFMT", trace, trace.radii, trace.angles)
        if trace.depth:
            lines += _write_data("ZFMT", trace, trace.depth.values, trace.depth.angles)
    text = "".join(line + end for line in lines)
    if not packet:
        return text
    return f"{FS}{text}{RS}CRC={crc_hqx((text + RS).encode(), 0)}{end}{GS}"


def _join_fields(fields: tuple[str, ...]) -> str:
    """Return fields as text; an empty last one gets the `;` that a reader drops."""
    return ";".join(fields) + (";" if len(fields) > 1 and not fields[-1] else "")


def _write_data(
    label: str, trace: Trace, values: tuple[int, ...], angles: tuple[int, ...]
) -> Iterator[str]:
    mode = UNEVEN if angles else EVEN
    what = f";{trace.object}" if trace.object else ""
    yield f"{label}={ASCII_ABSOLUTE};{len(values)};{mode};{trace.side}{what}"
    name, of = {"TRCFMT": ("R", "A"), "ZFMT": ("Z", "ZA")}[label]
    for dataset, numbers in ((name, values), (of, angles)):
        for start in range(0, len(numbers), POINTS_PER_LINE):
            yield f"{dataset}={';'.join(map(str, numbers[start : start + POINTS_PER_LINE]))}"


def find_disagreements(
    tracing: Tracing, frame: Mapping[str, Any], rx: Mapping[str, Any] | None = None
) -> list[tuple[str, str]]:
    """Return where a tracing and its order disagree: the path of the order's field, and a text.

    The frame's `a`, `b`, `lens_ed` and `bridge` may differ by 1.0 mm; each eye of the rx needs
    a trace.
    """
    found: list[tuple[str, str]] = []
    for name, of in (("a", "a"), ("b", "b"), ("lens_ed", "ed")):
        measured = {side: getattr(trace, of) for side, trace in tracing.traces.items()}
        found += _compare(f"frame.{name}", frame.get(name), measured.items())
    if tracing.dbl is not None:
        found += _compare("frame.bridge", frame.get("bridge"), [("", tracing.dbl)])
    for side, word in SIDES.items():
        if (rx or {}).get(f"{word}_eye") and side not in tracing.traces:
            found.append((f"rx.{word}_eye", "The tracing lacks this eye."))
    return found


def _compare(
    path: str, said: float | None, measured: Iterable[tuple[str, float]]
) -> Iterator[tuple[str, str]]:
    for side, value in measured:
        # Rounded, since a difference of exactly 1.0 is allowed.
        if said is not None and round(abs(said - value), 6) > ORDER_TOLERANCE_MM:
            of = f" of the {SIDES[side]} side" if side else ""
            yield path, f"The tracing{of} has {value:g} mm."
