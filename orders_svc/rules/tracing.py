"""Frame tracings: text of the Vision Council's Data Communication Standard (DCS, "OMA").

`parse` reads what tracers and lab software write, `write` writes it, `disagreements` compares a
tracing with the order around it. A text is refused when no lens should be cut from it; whatever
else is odd is kept as a remark. A refusal never repeats what the text says.

Lines are `LABEL=field;field`, ended by CRLF, LF or CR. Values of both eyes stand right;left.
A trace is a TRCFMT header and, under it, its radii (R), in mode U its angles (A), and perhaps
depths (ZFMT, Z, ZA). Seen from the front, angles run counter-clockwise from the viewer's right.
A packet stands between FS and GS, and may end with RS and a CRC over what is between FS and RS.
Sources: DCS 3.12 as open implementations quote it, formerly ISO 16284; box terms of ISO 8624.
"""

import re
from binascii import crc_hqx
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

from orders_svc.rules.traces import (
    ASCII_ABSOLUTE,
    CIRCLE,
    SIDES,
    Depth,
    Record,
    Remark,
    Trace,
    Tracing,
    number,
)

__all__ = ["Record", "Refused", "Remark", "Trace", "Tracing", "disagreements", "parse", "write"]

EVEN, UNEVEN = "E", "U"
RADII = (500, 6000)  # 0.01 mm
LEAST_POINTS = 3
BOX_TOLERANCE = 0.5  # mm between a trace and what its file says of it
CIRCUMFERENCE_TOLERANCE = 0.01  # of the circumference
ORDER_TOLERANCE = 1.0  # mm between a tracing and its order
DENSE, JUMP = 360, 200  # points from which neighbours are close; 0.01 mm
MOST_REMARKS = 20

FS, GS, RS = "\x1c", "\x1d", "\x1e"
_END = re.compile(r"\r\n|\n|\r")
_BINARY = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ud800-\udfff\ufffd]")
_LABEL = re.compile(r"[A-Z0-9_.]{1,32}\Z")  # makers add theirs: _MAKER, .IFT
_WHOLE = re.compile(r"[-0-9; \t]*\Z")
_BARE = re.compile(r"[-0-9.; \t]+\Z")
_CRC = re.compile(r"\x1e[ \t\r\n]*CRC[ \t]*=[ \t]*([0-9]{1,9})[ \t]*[\r\n\x1d]")
_DATA = frozenset(("R", "A", "Z", "ZA"))
_FORMATS = {"TRCFMT": "R", "ZFMT": "Z"}


class Refused(ValueError):
    """A tracing that cannot be used: the line (from 1) and the reason."""

    def __init__(self, line: int, reason: str) -> None:
        super().__init__(f"Line {line}: {reason}")
        self.line = line
        self.reason = reason


def parse(text: str) -> Tracing:
    """Read a tracing; raises Refused."""
    return _Reading(text).tracing()


@dataclass(slots=True)
class _Data:
    """A trace or its depths while they are read."""

    line: int
    label: str
    points: int
    mode: str
    side: str
    object: str
    numbers: dict[str, list[int]] = field(default_factory=dict)

    def checked(self) -> tuple[tuple[int, ...], tuple[int, ...]]:
        """Values and angles, as many as the header promises."""
        name = _FORMATS[self.label]
        of = {"R": "A", "Z": "ZA"}[name]
        values, angles = self.numbers.get(name, []), self.numbers.get(of, [])
        if len(values) != self.points:
            raise Refused(
                self.line, f"{self.label} promises {self.points} of {name}, and not so many follow."
            )
        if self.mode == EVEN:
            return tuple(values), ()
        if not angles:
            raise Refused(self.line, f"Mode U needs the angles, {of}.")
        if len(angles) != self.points:
            raise Refused(self.line, f"There must be as many of {of} as of {name}.")
        if any(low >= high for low, high in pairwise(angles)):
            raise Refused(self.line, f"The angles of {of} must rise.")
        if angles[0] < 0 or angles[-1] >= CIRCLE:
            raise Refused(self.line, f"The angles of {of} must be from 0 to 35999.")
        return tuple(values), tuple(angles)


class _Reading:
    """One text while it is read, line by line."""

    def __init__(self, text: str) -> None:
        self.text = text.removeprefix("\ufeff")
        self.lines = _END.split(self.text)
        self.data: dict[str, dict[str, _Data]] = {"TRCFMT": {}, "ZFMT": {}}
        self.open: dict[str, _Data | None] = {}
        self.records: list[Record] = []
        self.first: dict[str, int] = {}
        self.continued = ""  # the dataset that a line without a label goes on with
        self.remarks: list[Remark] = []
        self.unsaid = 0

    def tracing(self) -> Tracing:
        """All of it; raises Refused."""
        for at, line in enumerate(self.lines, 1):
            self.read(at, line)
        last = max((n for n, line in enumerate(self.lines, 1) if line.strip()), default=1)
        if not any(line.strip(" \t\x1a" + FS + GS + RS) for line in self.lines):
            raise Refused(1, "The tracing is empty.")
        if not self.data["TRCFMT"]:
            raise Refused(last, "There is no trace: no TRCFMT with format 1.")
        found = Tracing(self.traces(), tuple(self.records))
        self.check_packets()
        self.compare(found)
        if self.unsaid:
            self.remarks.append(Remark(0, f"{self.unsaid} more remarks are left out."))
        return Tracing(found.traces, found.records, tuple(self.remarks))

    def remark(self, line: int, text: str) -> None:
        """Keep what is odd, up to a number that a person still reads."""
        if len(self.remarks) < MOST_REMARKS:
            self.remarks.append(Remark(line, text))
        else:
            self.unsaid += 1

    def remark_once(self, line: int, text: str) -> None:
        """Keep what is odd in one line after another where it is first seen."""
        if all(each.text != text for each in self.remarks):
            self.remark(line, text)

    def read(self, at: int, line: str) -> None:
        """Take one line in."""
        line = line.lstrip(" \t" + FS + GS + RS).rstrip(" \t\x1a" + FS + GS + RS)
        if not line:
            return
        if _BINARY.search(line):
            raise Refused(at, "This is not text; export the tracing as ASCII (format 1).")
        label, equals, rest = line.partition("=")
        label = label.rstrip(" \t")
        if not equals and self.continued and _BARE.match(line):
            self.remark(at, f"A line without a label was read as {self.continued}.")
            self.read_data(at, self.continued, line)
            return
        if not equals or not _LABEL.match(label.upper()):
            kind = "a comment" if line.startswith("#") else "not LABEL=field;field"
            self.remark(at, f"This line is {kind}; it was passed over.")
            return
        if label != (label := label.upper()):
            self.remark_once(at, "The label is not in capitals.")
        self.continued = label if label in _DATA else ""
        if label in _DATA:
            self.read_data(at, label, rest)
        elif label == "CRC":
            return  # of a packet; `check_packets` looks at it
        elif label in _FORMATS:
            self.read_format(at, label, _fields(rest))
        else:
            self.read_record(at, label, _fields(rest))

    def read_record(self, at: int, label: str, fields: tuple[str, ...]) -> None:
        """A record that is not of a trace."""
        if label == "STATUS" and fields[0] not in ("", "?") and fields[0].strip("0"):
            raise Refused(at, "STATUS is not 0: the tracer tells of a failure.")
        if label in _READ and label in self.first:
            self.remark(at, f"{label} stands in line {self.first[label]} too; that one counts.")
        self.first.setdefault(label, at)
        if label in _READ and any(
            each not in ("", "?") and number(each) is None for each in fields
        ):
            self.remark(at, f"{label} is not a number.")
        self.records.append(Record(label, fields))

    def read_format(self, at: int, label: str, fields: tuple[str, ...]) -> None:
        """A header: format;points;mode;side;object."""
        self.open[label] = None
        kind, points, mode, side, what = (*fields, "", "", "", "", "")[:5]
        if kind.strip("0") == "" and kind:
            self.remark(at, f"{label} says that there is none.")
            return
        if kind != str(ASCII_ABSOLUTE):
            raise Refused(at, f"{label} must have format 1; export the tracing as ASCII.")
        if not re.fullmatch(r"[0-9]{1,6}", points) or int(points) < LEAST_POINTS:
            raise Refused(at, f"{label} must give the number of points, {LEAST_POINTS} or more.")
        if mode.upper() not in (EVEN, UNEVEN):
            raise Refused(at, f"{label} must have mode E or U.")
        if side.upper() not in SIDES:
            raise Refused(at, f"{label} must have side R or L.")
        side = side.upper()
        if side in self.data[label]:
            raise Refused(at, f"This is a second {label} of the {SIDES[side]} side.")
        if len(fields) != 5 or what.upper() not in ("F", "P", "D"):
            self.remark(at, f"{label} should have five fields, the last one F, P or D.")
        made = _Data(at, label, int(points), mode.upper(), side, what.upper()[:1])
        self.data[label][side] = self.open[label] = made

    def read_data(self, at: int, label: str, text: str) -> None:
        """A line of radii, angles or depths."""
        into = self.open.get("ZFMT" if label in ("Z", "ZA") else "TRCFMT")
        if into is None:
            raise Refused(at, f"{label} stands before its header.")
        numbers = _numbers(text)
        if numbers is None:
            numbers = _rounded(at, text)
            self.remark_once(at, "Numbers with decimals were rounded.")
        if label == "R" and not RADII[0] <= min(numbers) <= max(numbers) <= RADII[1]:
            raise Refused(at, "A radius must be from 5 to 60 mm, in hundredths.")
        if max(map(abs, numbers)) > 10 * CIRCLE:
            raise Refused(at, "These are not numbers of a tracing.")
        if label in ("A", "ZA") and into.mode == EVEN:
            if label not in into.numbers:
                self.remark(at, "Mode E has no angles of its own; these were passed over.")
            into.numbers[label] = []
            return
        into.numbers.setdefault(label, []).extend(numbers)

    def traces(self) -> dict[str, Trace]:
        """The traces, right before left."""
        depths = {side: Depth(*data.checked()) for side, data in self.data["ZFMT"].items()}
        for side in depths.keys() - self.data["TRCFMT"].keys():
            line = self.data["ZFMT"][side].line
            self.remark(line, f"There are depths of the {SIDES[side]} side, and no trace.")
        found = {}
        for side in SIDES:
            if data := self.data["TRCFMT"].get(side):
                radii, angles = data.checked()
                found[side] = Trace(side, radii, angles, data.object, depths.get(side))
                self.check_jumps(data.line, found[side])
        return found

    def check_jumps(self, line: int, trace: Trace) -> None:
        """Remark a dense trace that leaps: a touch of the stylus, or a lost point."""
        radii = trace.radii
        beside = zip(radii, (*radii[1:], radii[0]), strict=True)
        if len(radii) >= DENSE and any(abs(low - high) > JUMP for low, high in beside):
            self.remark(line, f"The {SIDES[trace.side]} trace jumps by more than 2 mm.")

    def check_packets(self) -> None:
        """Remark packets whose CRC is not that of their bytes."""
        text, start = self.text + "\n", 0
        for found in _CRC.finditer(text):
            packet = text[start : found.start() + 1].rpartition(FS)[2]
            start = found.end()
            if crc_hqx(packet.encode(), 0) != int(found[1]):
                self.remark(0, "The CRC is not that of the packet.")

    def compare(self, found: Tracing) -> None:
        """Remark where the records and the traces tell different things."""
        for side, word in SIDES.items():
            if side not in found.traces:
                self.remark(0, f"There is no trace of the {word} side.")
                continue
            trace = found.traces[side]
            for label, measured in (("HBOX", trace.a), ("VBOX", trace.b), ("FED", trace.ed)):
                said = found.value(label, side)
                if said is None and label != "FED":
                    self.remark(0, f"{label} of the {word} side is not given.")
                elif said is not None and abs(said - measured) > BOX_TOLERANCE:
                    text = f"{label} of the {word} side is {said:g} mm; the trace measures"
                    self.remark(self.first[label], f"{text} {measured:g} mm.")
            said, around = found.value("CIRC", side), trace.circumference
            if said is not None and abs(said - around) > CIRCUMFERENCE_TOLERANCE * around:
                text = f"CIRC of the {word} side is {said:g} mm; the trace measures {around:g} mm."
                self.remark(self.first["CIRC"], text)
        if found.dbl is None:
            self.remark(0, "DBL is not given.")


_READ = frozenset(("HBOX", "VBOX", "DBL", "CIRC", "FED"))


def _fields(text: str) -> tuple[str, ...]:
    """The fields of a record, without one empty field after a last `;`."""
    fields = [each.strip(" \t") for each in text.split(";")]
    if len(fields) > 1 and not fields[-1]:
        fields.pop()
    return tuple(fields)


def _numbers(text: str) -> list[int] | None:
    """Whole numbers of a line; None when there are others."""
    if not _WHOLE.match(text):
        return None
    fields = text.rstrip(" \t").removesuffix(";").split(";")
    try:
        return list(map(int, fields))
    except ValueError:
        return None


def _rounded(line: int, text: str) -> list[int]:
    """Numbers with decimals as whole ones; raises Refused for anything else."""
    fields = _fields(text)
    numbers = [read for read in map(number, fields) if read is not None]
    if len(numbers) < len(fields):
        raise Refused(line, "Here must be numbers, with ; between them.")
    return list(map(round, numbers))


def write(tracing: Tracing, *, end: str = "\r\n", packet: bool = False) -> str:
    """The tracing as text that `parse` reads; a packet stands between FS and GS, with its CRC."""
    lines = [f"{record.label}={_joined(record.fields)}" for record in tracing.records]
    for trace in tracing.traces.values():
        lines += _lines("TRCFMT", trace, trace.radii, trace.angles)
        if trace.depth:
            lines += _lines("ZFMT", trace, trace.depth.values, trace.depth.angles)
    text = "".join(line + end for line in lines)
    if not packet:
        return text
    return f"{FS}{text}{RS}CRC={crc_hqx((text + RS).encode(), 0)}{end}{GS}"


PER_LINE = 10


def _joined(fields: tuple[str, ...]) -> str:
    """Fields as text; after an empty last one stands the `;` that a reader drops."""
    return ";".join(fields) + (";" if len(fields) > 1 and not fields[-1] else "")


def _lines(
    label: str, trace: Trace, values: tuple[int, ...], angles: tuple[int, ...]
) -> Iterator[str]:
    mode = UNEVEN if angles else EVEN
    what = f";{trace.object}" if trace.object else ""
    yield f"{label}={ASCII_ABSOLUTE};{len(values)};{mode};{trace.side}{what}"
    name, of = {"TRCFMT": ("R", "A"), "ZFMT": ("Z", "ZA")}[label]
    for dataset, numbers in ((name, values), (of, angles)):
        for start in range(0, len(numbers), PER_LINE):
            yield f"{dataset}={';'.join(map(str, numbers[start : start + PER_LINE]))}"


def disagreements(
    tracing: Tracing, frame: Mapping[str, Any], rx: Mapping[str, Any] | None = None
) -> list[tuple[str, str]]:
    """Where a tracing and its order tell different things: path of the order's field, and words.

    The frame's `a`, `b`, `lens_ed` and `bridge` may differ by 1.0 mm; each eye of the rx needs
    a trace.
    """
    found: list[tuple[str, str]] = []
    for name, of in (("a", "a"), ("b", "b"), ("lens_ed", "ed")):
        measured = {side: getattr(trace, of) for side, trace in tracing.traces.items()}
        found += _apart(f"frame.{name}", frame.get(name), measured.items())
    if tracing.dbl is not None:
        found += _apart("frame.bridge", frame.get("bridge"), [("", tracing.dbl)])
    for side, word in SIDES.items():
        if (rx or {}).get(f"{word}_eye") and side not in tracing.traces:
            found.append((f"rx.{word}_eye", "The tracing lacks this eye."))
    return found


def _apart(
    path: str, said: float | None, measured: Iterable[tuple[str, float]]
) -> Iterator[tuple[str, str]]:
    for side, value in measured:
        # Both have two decimals at most in a file: 1.0 apart is not over 1.0.
        if said is not None and round(abs(said - value), 6) > ORDER_TOLERANCE:
            of = f" of the {SIDES[side]} side" if side else ""
            yield path, f"The tracing{of} has {value:g} mm."
