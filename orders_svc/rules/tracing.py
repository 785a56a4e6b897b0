"""Frame tracings: text of the Vision Council's Data Communication Standard (DCS, "OMA").

`parse_tracing` reads what tracers and lab software write. A text is refused when no lens should
be cut from it; other oddities become remarks. A refusal never repeats the text.

Lines are `LABEL=field;field`, ended by CRLF, LF or CR. Values of both eyes are right;left.
A header `...FMT` opens a dataset, and the numbers below belong to it. Those of TRCFMT are radii
(R) and in mode U angles (A), those of ZFMT depths (Z, ZA); any other dataset is kept apart.
Lines that mean nothing to a trace never refuse a text.
A packet is enclosed in FS and GS, and may end with RS and a CRC of what is between FS and RS.
Sources: DCS 3.12 (formerly ISO 16284) as open implementations quote it; box terms of ISO 8624.
"""

import re
from binascii import crc_hqx
from collections.abc import Iterator

from orders_svc.rules.traces import (
    CONFLICT,
    FRAME_LABELS,
    FULL_CIRCLE,
    LEFT,
    OTHER_SIDE,
    SIDES,
    UNMIRRORED,
    Depth,
    Record,
    Remark,
    Section,
    Trace,
    Tracing,
    compare_records,
    find_jumps,
    find_unmirrored,
    parse_number,
)
from orders_svc.rules.tracing_data import (
    EVEN,
    Dataset,
    Numbers,
    TracingRefused,
    build_dataset,
    find_offers,
)

MIN_RADIUS, MAX_RADIUS = 500, 6000  # 0.01 mm
MAX_REMARKS = 20  # on lines; those on whole traces are always made

FS, GS, RS = "\x1c", "\x1d", "\x1e"
_EDGES = " \t" + FS + GS + RS
# What pads blocks, ends pages and files, or goes between packets: NUL, ENQ, ACK, VT, FF, DC1,
# DC3, NAK and SUB.
_PADDING = "\0\x05\x06\x0b\x0c\x11\x13\x15\x1a"
_BYTE_ORDER_MARKS = ("\ufeff", "\xef\xbb\xbf")  # the second is the first one, read as Latin-1
_LINE_END = re.compile(r"\r\n|\n|\r")
_NOT_TEXT = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ud800-\udfff\ufffd]")
_LABEL = re.compile(r"[A-Z0-9_.]{1,32}\Z")  # vendors add theirs: _VENDOR, .IFT
_WHOLE_NUMBERS = re.compile(r"[-0-9; \t]*\Z")
_UNLABELED = re.compile(r"[-0-9.; \t]+\Z")
_CRC = re.compile(r"\x1e[ \t\r\n]*CRC[ \t]*=[ \t]*([0-9]{1,9})[ \t]*[\r\n\x1d]")
_HEADER_LABELS = ("TRCFMT", "ZFMT")
_DATA_LABELS = frozenset(("R", "A", "Z", "ZA"))
_MEASURE_LABELS = frozenset(("HBOX", "VBOX", "DBL", "CIRC", "FED"))
# A figure is taken from these: odd characters in them are no harmless ornament.
_MEANINGFUL_LABELS = _MEASURE_LABELS | _DATA_LABELS | {"STATUS", *_HEADER_LABELS}
# Records that are read on even below another dataset; any other one there belongs to it.
_COMMON_LABELS = _MEASURE_LABELS | FRAME_LABELS | {"STATUS", "JOB", "DO", "REQ", "ANS"}
_NOT_ASCII = "This is not text; export the tracing as ASCII (format 1)."


def parse_tracing(text: str, *, mirror: bool = False) -> Tracing:
    """Return the tracing in a text; raises TracingRefused.

    With `mirror`, the trace of one side stands, mirrored, for the other side too.
    """
    return _Parser(text).parse(mirror=mirror)


class _Parser:
    """One text that is being read line by line."""

    def __init__(self, text: str) -> None:
        for mark in _BYTE_ORDER_MARKS:
            text = text.removeprefix(mark)
        self.text = text
        self.lines = _LINE_END.split(self.text)
        self.datasets: list[Dataset] = []
        self.open: dict[str, Dataset | None] = dict.fromkeys(_HEADER_LABELS)
        self.sections: list[tuple[Record, list[Record]]] = []
        self.in_section = False
        self.records: list[Record] = []
        self.first: dict[str, int] = {}
        self.continued = ""  # the label that a line without one continues
        self.remarks: list[Remark] = []
        self.told: set[str] = set()
        self.omitted = 0
        self.not_text = 0  # the first line with characters that are not text

    def parse(self, *, mirror: bool) -> Tracing:
        """Return the tracing; raises TracingRefused."""
        for at, line in enumerate(self.lines, 1):
            self.read_line(at, line)
        traces = self.build_traces()
        sections = tuple(Section(header, tuple(data)) for header, data in self.sections)
        self.check_packets()
        mirrored = self.find_missing_side(traces, mirror=mirror)
        if mirrored:
            image = traces[OTHER_SIDE[mirrored]].mirror()
            traces = {side: traces.get(side, image) for side in SIDES}
        self.compare(Tracing(traces, tuple(self.records)), mirrored)
        if self.omitted:
            self.remarks.append(Remark(0, f"{self.omitted} more remarks are omitted."))
        return Tracing(traces, tuple(self.records), tuple(self.remarks), sections)

    def add_remark(self, line: int, text: str) -> None:
        """Add a remark on a line, up to a number that a person still reads."""
        if len(self.remarks) < MAX_REMARKS:
            self.remarks.append(Remark(line, text))
        else:
            self.omitted += 1

    def add_remark_once(self, line: int, text: str) -> None:
        """Add a remark only for the first line it applies to."""
        if text not in self.told:
            self.told.add(text)
            self.add_remark(line, text)

    def read_line(self, at: int, line: str) -> None:
        """Read one line."""
        line = line.strip(_EDGES)
        if line and (line[0] in _PADDING or line[-1] in _PADDING):
            line = line.strip(_EDGES + _PADDING)
            self.add_remark_once(at, "Control characters around the text were ignored.")
        if not line:
            return
        label, equals, rest = line.partition("=")
        label = label.rstrip(" \t")
        is_odd = bool(_NOT_TEXT.search(line))
        if is_odd:
            self.not_text = self.not_text or at
        if not equals or not _LABEL.match(label.upper()):
            self.read_unlabeled(at, line, is_odd=is_odd)
            return
        if label != (label := label.upper()):
            self.add_remark_once(at, "The label is not in upper case.")
        if is_odd and not self.is_harmless(label, rest):
            raise TracingRefused(at, _NOT_ASCII)
        self.continued = ""
        if label == "CRC":
            return  # of a packet, see `check_packets`
        if label in _HEADER_LABELS:
            self.read_header(at, label, _split_fields(rest))
        elif label.endswith("FMT"):
            self.open_section(label, _split_fields(rest))
        elif is_odd:
            text = "This line has characters that are not text; it was ignored."
            self.add_remark_once(at, text)
        elif self.in_section and label not in _COMMON_LABELS:
            self.continued = label
            self.sections[-1][1].append(Record(label, _split_fields(rest)))
        elif label in _DATA_LABELS or (label == "L" and self.is_left_data(rest)):
            self.continued = label
            self.read_data(at, label, rest)
        else:
            self.read_record(at, label, _split_fields(rest))

    def is_harmless(self, label: str, text: str) -> bool:
        """Whether no figure is taken from a record of this label here."""
        if label == "L":
            return not self.is_left_data(_NOT_TEXT.sub("", text))
        if label in _DATA_LABELS and self.in_section:
            return True
        return label not in _MEANINGFUL_LABELS

    def is_left_data(self, text: str) -> bool:
        """Whether a line L has radii of the left side: there is a trace, and they are possible."""
        into = self.open["TRCFMT"]
        if into is None or into.fault:
            return False
        if "L" in into.values:
            return True
        numbers = [parse_number(each) for each in _split_fields(text)]
        return all(each is not None and MIN_RADIUS <= each <= MAX_RADIUS for each in numbers)

    def read_unlabeled(self, at: int, line: str, *, is_odd: bool) -> None:
        """Read a line without a label: it continues the data above it, or means nothing."""
        if self.continued and self.in_section:
            return
        if self.continued and _UNLABELED.match(line):
            self.add_remark(at, f"A line without a label was read as {self.continued}.")
            self.read_data(at, self.continued, line)
            return
        if self.continued and is_odd and _UNLABELED.match(_NOT_TEXT.sub("", line)):
            raise TracingRefused(at, _NOT_ASCII)
        kind = "a comment" if line.startswith("#") else "not LABEL=field;field"
        self.add_remark(at, f"This line is {kind}; it was ignored.")

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

    def open_section(self, label: str, fields: tuple[str, ...]) -> None:
        """Begin a dataset that is no trace: what follows does not belong to the trace above."""
        self.sections.append((Record(label, fields), []))
        self.in_section, self.continued = True, label
        self.open = dict.fromkeys(_HEADER_LABELS)

    def read_header(self, at: int, label: str, fields: tuple[str, ...]) -> None:
        """Read a header: format;points;mode;side;object."""
        self.in_section = False
        self.open[label] = None
        if fields[0] and not fields[0].strip("0"):
            self.add_remark(at, f"{label} announces no trace.")
            return
        made = build_dataset(at, label, fields)
        self.datasets.append(made)
        self.open[label] = made

    def read_data(self, at: int, label: str, text: str) -> None:
        """Read a line of radii, angles or depths."""
        into = self.open["ZFMT" if label in ("Z", "ZA") else "TRCFMT"]
        if into is None:
            raise TracingRefused(at, f"{label} precedes its header.")
        if into.fault:
            raise TracingRefused(into.line, into.fault)
        numbers = _parse_whole_numbers(text)
        if numbers is None:
            numbers = _round_numbers(at, text)
            self.add_remark_once(at, "Numbers with decimals were rounded.")
        is_radius = label in ("R", "L")
        if is_radius and not MIN_RADIUS <= min(numbers) <= max(numbers) <= MAX_RADIUS:
            raise TracingRefused(at, "A radius must be from 5 to 60 mm, in hundredths.")
        if max(map(abs, numbers)) > 10 * FULL_CIRCLE:
            raise TracingRefused(at, "The numbers are out of range for a tracing.")
        if is_radius or label == "Z":
            into.add_values(label, numbers)
        elif into.mode == EVEN:
            self.add_remark_once(at, "Mode E has no angles of its own; they were ignored.")
        else:
            into.add_angles(numbers)

    def build_traces(self) -> dict[str, Trace]:
        """Return the traces, right before left; raises TracingRefused."""
        if not any(line.strip(_EDGES + _PADDING) for line in self.lines):
            raise TracingRefused(1, "The tracing is empty.")
        if not any(each.label == "TRCFMT" for each in self.datasets):
            if self.not_text:
                raise TracingRefused(self.not_text, _NOT_ASCII)
            last = max((n for n, line in enumerate(self.lines, 1) if line.strip()), default=1)
            raise TracingRefused(last, "There is no trace: no TRCFMT with format 1.")
        offers = find_offers(self.datasets)
        answers = [each for each in self.datasets if each not in offers]
        if offers:
            line = min(each.line for each in offers)
            self.add_remark(line, "This header has no data, which follow a later one.")
        depths = {side: Depth(*numbers) for side, (_, numbers) in self.build(answers, "ZFMT")}
        built = dict(self.build(answers, "TRCFMT"))
        for each in answers:
            if each.label == "ZFMT" and each.side not in built:
                side = SIDES[each.side]
                self.add_remark(each.line, f"There are depths but no trace of the {side} side.")
        traces = {}
        for side in SIDES:
            if side in built:
                header, numbers = built[side]
                traces[side] = Trace(side, *numbers, header.object, depths.get(side))
                self.remarks += (Remark(header.line, text) for text in find_jumps(traces[side]))
        return traces

    def build(
        self, datasets: list[Dataset], label: str
    ) -> Iterator[tuple[str, tuple[Dataset, Numbers]]]:
        """Yield each side with its dataset and numbers; raises TracingRefused."""
        sides: set[str] = set()
        for each in datasets:
            if each.label != label:
                continue
            if each.fault:
                raise TracingRefused(each.line, each.fault)
            if not each.is_complete:
                self.add_remark(
                    each.line, f"{label} should have five fields, the last one F, P or D."
                )
            for side in each.sides:
                if side in sides:
                    second = f"This is a second {label} of the {SIDES[side]} side."
                    raise TracingRefused(each.line, second)
                sides.add(side)
                if side == LEFT != each.side:
                    self.add_remark(each.line, "L was read as the radii of the left side.")
                yield side, (each, each.build(side))

    def check_packets(self) -> None:
        """Remark on packets whose CRC does not match their bytes."""
        text, start = self.text + "\n", 0
        for found in _CRC.finditer(text):
            packet = text[start : found.start() + 1].rpartition(FS)[2]
            start = found.end()
            if crc_hqx(packet.encode(errors="surrogatepass"), 0) != int(found[1]):
                self.add_remark(0, "The CRC does not match the packet.")

    def find_missing_side(self, traces: dict[str, Trace], *, mirror: bool) -> str:
        """Remark on a side without a trace; return it if the other one is to be mirrored."""
        missing = next((side for side in SIDES if side not in traces), "")
        if not missing:
            return ""
        text = f"There is no trace of the {SIDES[missing]} side"
        if not mirror:
            self.remarks.append(Remark(0, f"{text}."))
            return ""
        other = SIDES[OTHER_SIDE[missing]]
        self.remarks.append(Remark(0, f"{text}: the {other} one, mirrored, stands for it."))
        if any(each.label == "DRILLE" for each in self.records):
            self.remarks.append(Remark(0, "The drill holes, DRILLE, are not mirrored."))
        return missing

    def compare(self, found: Tracing, mirrored: str) -> None:
        """Remark on sides that are no pair, and on records that disagree with the traces."""
        for text in find_unmirrored(found.traces):
            self.remarks.append(Remark(0, text, UNMIRRORED))
        for label, text in compare_records(found, mirrored):
            kind = CONFLICT if label else ""
            self.remarks.append(Remark(self.first.get(label, 0), text, kind))


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
