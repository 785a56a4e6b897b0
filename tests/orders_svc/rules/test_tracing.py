"""Reading a tracing: what is refused, what is remarked, what is measured."""

from binascii import crc_hqx
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orders_svc.documents.job_text import write_tracing
from orders_svc.rules import tracing
from orders_svc.rules.traces import Depth, Record, Tracing
from orders_svc.rules.tracing import parse_tracing
from orders_svc.rules.tracing_data import TracingRefused
from tests.orders_svc.traced import BOTH, HALF, ONE, ellipse, tracings

NO_LEFT = "There is no trace of the left side."


def remarks(text: str) -> list[str]:
    """What is odd about a text."""
    return [str(each) for each in parse_tracing(text).remarks]


def refusal(text: str) -> tuple[int, str]:
    """The line and the reason with which a text is refused."""
    with pytest.raises(TracingRefused) as refused:
        parse_tracing(text)
    assert str(refused.value) == f"Line {refused.value.line}: {refused.value.reason}"
    return refused.value.line, refused.value.reason


def with_line(number: int, line: str, text: str = BOTH) -> str:
    """A text with another line in a line's place; "" leaves it empty."""
    lines = text.split("\n")
    lines[number - 1] = line
    return "\n".join(lines)


def test_it_works() -> None:
    found = parse_tracing(BOTH)
    eye = {"a": 50.0, "b": 34.0, "lens_ed": 50.0, "circumference": 138.43}
    assert found.measure() == {"right_eye": eye, "left_eye": eye}
    assert found.remarks == ()
    assert found.format == 1
    assert found.dbl == 18
    assert found.records[:2] == (Record("JOB", ('"1001"',)), Record("STATUS", ("0",)))
    assert found.traces["R"].object == "F"


def test_uneven_angles_and_depths_are_read() -> None:
    found = parse_tracing(ONE)
    trace = found.traces["R"]
    assert trace.angles == (0, 4000, 9000, 14000, 18000, 22000, 27000, 32000)
    assert trace.depth == Depth((0, 35, 60, 35, 0, 35, 60, 35))
    assert (trace.a, trace.b) == (50, 34)
    assert remarks(ONE) == [NO_LEFT]


def test_the_box_stands_around_the_outline_wherever_the_trace_began() -> None:
    """A circle of 20 mm, traced from a point 5 mm beside its middle."""
    radii = ";".join(str(round(100 * r)) for r in (25, 375**0.5, 15, 375**0.5))
    trace = parse_tracing(f"TRCFMT=1;4;E;R;F\nR={radii}\n").traces["R"]
    assert (trace.a, trace.b) == (40, 38.72)
    assert trace.to_points()[0] == (20, 0)
    assert trace.ed == 40


REFUSED: list[tuple[str, int, str]] = [
    ("", 1, "The tracing is empty."),
    (" \r\n\t\r\n\x1a", 1, "The tracing is empty."),
    ("\ufeff\x1c\x1d", 1, "The tracing is empty."),
    (with_line(11, "R=\x1b\x02"), 11, "This is not text; export the tracing as ASCII (format 1)."),
    (with_line(5, "DBL=1\x858"), 5, "This is not text; export the tracing as ASCII (format 1)."),
    ("\x02TRCFMT", 1, "This is not text; export the tracing as ASCII (format 1)."),
    ("DBL=18\n\n", 1, "There is no trace: no TRCFMT with format 1."),
    ("DBL=18\nTRCFMT=0\n", 2, "There is no trace: no TRCFMT with format 1."),
    ("<Data>oma</Data>", 1, "There is no trace: no TRCFMT with format 1."),
    (
        "TRCFMT=4;400;E;R;F",
        1,
        "TRCFMT must have format 1, not 4 (packed binary); export the tracing as ASCII.",
    ),
    ("TRCFMT=?", 1, "TRCFMT must have format 1; export the tracing as ASCII."),
    ("TRCFMT=", 1, "TRCFMT must have format 1; export the tracing as ASCII."),
    ("TRCFMT=1;0;E;R;F", 1, "TRCFMT must state the number of points, 3 or more."),
    ("TRCFMT=1;-8;E;R;F", 1, "TRCFMT must state the number of points, 3 or more."),
    ("TRCFMT=1;²;E;R;F", 1, "TRCFMT must state the number of points, 3 or more."),
    ("TRCFMT=1;9999999;E;R;F", 1, "TRCFMT must state the number of points, 3 or more."),
    ("TRCFMT=1;8;C;R;F", 1, "TRCFMT must have mode E or U."),
    ("TRCFMT=1;8;E;B;F", 1, "TRCFMT must have side R or L."),
    (with_line(12, ""), 10, "TRCFMT announces 20 values of R, but 10 follow."),
    (with_line(12, f"{HALF};1700"), 10, "TRCFMT announces 20 values of R, but 21 follow."),
    (with_line(11, "R=499;500"), 11, "A radius must be from 5 to 60 mm, in hundredths."),
    (with_line(11, "R=6000;6001"), 11, "A radius must be from 5 to 60 mm, in hundredths."),
    (with_line(11, "R=-2500"), 11, "A radius must be from 5 to 60 mm, in hundredths."),
    (with_line(11, "R=" + "9" * 4000), 11, "A radius must be from 5 to 60 mm, in hundredths."),
    (with_line(11, "R=" + "9" * 5000), 11, "Expected numbers separated by semicolons."),
    (with_line(11, "R=2500;?;2500"), 11, "Expected numbers separated by semicolons."),
    (with_line(11, "R=2500;;2500"), 11, "Expected numbers separated by semicolons."),
    (with_line(11, "R=2500 2500"), 11, "Expected numbers separated by semicolons."),
    (with_line(11, "R=2_500"), 11, "Expected numbers separated by semicolons."),
    (with_line(11, "R="), 11, "Expected numbers separated by semicolons."),
    (with_line(6, "", ONE), 4, "Mode U needs the angles, A: 8 are announced, but 0 follow."),
    (with_line(6, "A=0;1;2", ONE), 4, "TRCFMT announces 8 values of A, but 3 follow."),
    (with_line(6, "A=0;4;3;5;6;7;8;9", ONE), 4, "The angles of A must be in ascending order."),
    (with_line(6, "A=0;4;4;5;6;7;8;9", ONE), 4, "The angles of A must be in ascending order."),
    (
        with_line(6, "A=0;1;2;3;4;5;6;36000", ONE),
        4,
        "The last angle of A is that of another point.",
    ),
    (with_line(6, "A=0;1;2;3;4;5;6;36001", ONE), 4, "The angles of A must be in ascending order."),
    (with_line(8, "Z=1", ONE), 7, "ZFMT announces 8 values of Z, but 1 follow."),
    (with_line(8, "Z=999999999", ONE), 8, "The numbers are out of range for a tracing."),
    (
        with_line(7, "ZFMT=4;8;E;R;F", ONE),
        7,
        "ZFMT must have format 1, not 4 (packed binary); export the tracing as ASCII.",
    ),
    (with_line(9, "R=2500"), 9, "R precedes its header."),
    ("A=0\n", 1, "A precedes its header."),
    (with_line(7, "", ONE), 8, "Z precedes its header."),
    (with_line(13, "TRCFMT=1;20;E;R;F"), 13, "This is a second TRCFMT of the right side."),
    (with_line(2, "STATUS=3"), 2, "STATUS is not 0: the tracer reports a failure."),
    (with_line(2, "STATUS=bad"), 2, "STATUS is not 0: the tracer reports a failure."),
]


@pytest.mark.parametrize(("text", "line", "reason"), REFUSED)
def test_a_text_is_refused_by_line_and_reason(text: str, line: int, reason: str) -> None:
    assert refusal(text) == (line, reason)


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_lines_are_counted_whatever_ends_them(end: str) -> None:
    assert refusal(with_line(11, "R=1").replace("\n", end))[0] == 11


def test_a_refusal_never_repeats_the_text() -> None:
    for line, text in (
        (2, "STATUS=Jane"),
        (11, "R=Jane"),
        (10, "TRCFMT=1;Jane"),
        (11, "R=\x02Jane"),
    ):
        assert "Jane" not in refusal(with_line(line, text))[1]


LOOSE: list[tuple[str, str]] = [
    ("a lone CR ends a line", BOTH.replace("\n", "\r")),
    ("CRLF", BOTH.replace("\n", "\r\n")),
    ("blanks around fields", BOTH.replace("=", " = ").replace(";", " ;\t")),
    ("a trailing semicolon", BOTH.replace("\n", ";\n")),
    ("empty lines", BOTH.replace("\n", "\n\n")),
    ("a byte order mark", f"\ufeff{BOTH}"),
    ("a byte order mark read as Latin-1", f"\xef\xbb\xbf{BOTH}"),
    ("small letters in a header", BOTH.replace(";E;R;F", ";e;r;f")),
    ("unknown and vendor labels", f"_VENDOR=x;y\n.IFT=?\nNEWLABEL=1\n{BOTH}"),
    ("an unknown status", BOTH.replace("STATUS=0", "STATUS=?")),
    ("one line for all radii", BOTH.replace("\nR=2500", ";2500").replace("F;2500", "F\nR=2500")),
    ("one line for each radius", BOTH.replace(HALF, HALF.replace(";", "\nR="))),
    ("a packet", f"\x1c{BOTH}\x1d"),
    ("a packet with a CRC", f"\x1c{BOTH}\x1eCRC={crc_hqx(f'{BOTH}{chr(30)}'.encode(), 0)}\r\x1d"),
    ("text before a packet", f"# \n\x1c{BOTH}\x1eCRC=0{crc_hqx((BOTH + chr(30)).encode(), 0)}\n"),
]


@pytest.mark.parametrize(("what", "text"), LOOSE)
def test_looseness_of_the_real_world_is_taken(what: str, text: str) -> None:
    assert parse_tracing(text).traces == parse_tracing(BOTH).traces
    comment = what == "text before a packet"
    assert remarks(text) == (["Line 1: This line is a comment; it was ignored."] if comment else [])


def test_the_crc_is_that_of_the_standard_example() -> None:
    """CRC-16/XMODEM of "123456789" is 0x31C3; the second is computed by hand from DCS."""
    assert crc_hqx(b"123456789", 0) == 0x31C3
    assert crc_hqx(b"ANS=TRC\r\nJOB=1001\r\nSTATUS=0\r\n\x1e", 0) == 56046


RIGHT, LEFT, MEASURES = "of the right side", "of the left side", "the trace measures"
REMARKED: list[tuple[str, list[str]]] = [
    (with_line(6, ""), [f"HBOX of the {side} side is missing." for side in ("right", "left")]),
    (with_line(7, "VBOX=34;?"), ["VBOX of the left side is missing."]),
    (with_line(5, ""), ["DBL is missing."]),
    (with_line(5, "DBL=?"), ["DBL is missing."]),
    (with_line(5, "DBL=x"), ["Line 5: DBL is not a number.", "DBL is missing."]),
    (with_line(6, "HBOX=50.51;49.5"), [f"Line 6: HBOX {RIGHT} is 50.51 mm; {MEASURES} 50 mm."]),
    (with_line(7, "VBOX=34.5;33.4"), [f"Line 7: VBOX {LEFT} is 33.4 mm; {MEASURES} 34 mm."]),
    (with_line(8, "FED=51;50"), [f"Line 8: FED {RIGHT} is 51 mm; {MEASURES} 50 mm."]),
    (with_line(9, "CIRC=137;136"), [
        f"Line 9: CIRC {RIGHT} is 137 mm; {MEASURES} 138.43 mm.",
        f"Line 9: CIRC {LEFT} is 136 mm; {MEASURES} 138.43 mm.",
    ]),
    (with_line(4, "HBOX=9;9"), [
        "Line 6: HBOX is also in line 4, which takes precedence.",
        f"Line 4: HBOX {RIGHT} is 9 mm; {MEASURES} 50 mm.",
        f"Line 4: HBOX {LEFT} is 9 mm; {MEASURES} 50 mm.",
    ]),
    (with_line(10, "TRCFMT=1;20;E;R"),
     ["Line 10: TRCFMT should have five fields, the last one F, P or D."]),
    (with_line(4, "what is it"),
     ["Line 4: This line is not LABEL=field;field; it was ignored."]),
    (with_line(4, "Ftyp=1"), ["Line 4: The label is not in upper case."]),
    (with_line(12, HALF[2:]), ["Line 12: A line without a label was read as R."]),
    (with_line(12, HALF.replace("1700", "1700.2")),
     ["Line 12: Numbers with decimals were rounded."]),
    (BOTH.lower(), ["Line 1: The label is not in upper case."]),
    (BOTH.replace("2500", "2500.0"), ["Line 11: Numbers with decimals were rounded."]),
    (with_line(4, "TRCFMT=0"), ["Line 4: TRCFMT announces no trace."]),
    (f"{BOTH}A=0;1\n", ["Line 16: Mode E has no angles of its own; they were ignored."]),
    (f"\x1c{BOTH}\x1eCRC=0000\r\n\x1d", ["The CRC does not match the packet."]),
    (ONE.replace("ZFMT=1;8;E;R", "ZFMT=1;8;E;L"),
     ["Line 7: There are depths but no trace of the left side.", NO_LEFT]),
]  # fmt: skip


@pytest.mark.parametrize(("text", "expected"), REMARKED)
def test_what_is_odd_is_remarked(text: str, expected: list[str]) -> None:
    assert remarks(text) == expected


JUMP = "Line 1: The left trace jumps by more than 2 mm."


def jumps(radii: Sequence[int]) -> bool:
    """Whether a trace of these radii is remarked to jump."""
    text = f"TRCFMT=1;{len(radii)};E;L;F\nR={';'.join(map(str, radii))}"
    return JUMP in remarks(text)


def test_a_dense_trace_that_jumps_is_remarked() -> None:
    radii = [*ellipse(50, 34, 400)]
    assert not jumps(radii)
    radii[7] += 300
    assert jumps(radii)


@pytest.mark.parametrize(("points", "jump", "found"), [
    (360, 201, True), (360, 200, False), (359, 201, False), (359, 3000, False),
])  # fmt: skip
def test_a_jump_is_over_2_mm_in_360_points_or_more(points: int, jump: int, found: bool) -> None:
    radii = [2500] * points
    radii[points // 2] += jump
    assert jumps(radii) is found


def test_a_jump_from_the_last_point_to_the_first_is_remarked() -> None:
    assert jumps([2500 + each for each in range(400)])
    assert not jumps([2500 + min(each, 400 - each) for each in range(400)])


@pytest.mark.parametrize(("scale", "circumference", "found"), [
    (1, 139.8, False), (1, 139.9, True), (2, 279.6, False), (2, 279.7, True),
])  # fmt: skip
def test_a_circumference_may_differ_by_a_hundredth(
    scale: int, circumference: float, found: bool
) -> None:
    radii = ";".join(str(scale * int(each)) for each in HALF.removeprefix("R=").split(";"))
    text = f"CIRC={circumference}\nTRCFMT=1;20;E;R;F\nR={radii}\nR={radii}\n"
    assert any("CIRC" in each for each in remarks(text)) is found


def test_not_more_is_remarked_than_a_person_reads() -> None:
    found = remarks(BOTH + "x\n" * 500)
    assert len(found) == tracing.MAX_REMARKS + 1
    assert found[-1] == "480 more remarks are omitted."


def test_one_number_is_of_both_sides() -> None:
    assert remarks(BOTH.replace("50.00;50.00", "50").replace("34.00;34.00", "34")) == []


@given(tracings(), st.sampled_from(["\r\n", "\n", "\r"]), st.booleans())
def test_what_is_written_is_read_again(found: Tracing, end: str, packet: bool) -> None:
    again = parse_tracing(write_tracing(found, end=end, packet=packet))
    assert (again.traces, again.records) == (found.traces, found.records)
    assert again.sections == found.sections
    assert "CRC" not in str(again.remarks)
    assert parse_tracing(write_tracing(again)) == again


PIECES = st.sampled_from(
    [
        *("TRCFMT=1;3;E;R;F", "TRCFMT=1;3;U;L;P", "ZFMT=1;3;E;R;F", "TRCFMT=0", "HBOX=", "CRC=1"),
        *("R=2500;2500;2500", "A=0;1;2", "Z=1;2;3", "ZA=0;1;2", "STATUS=0", "2500", ".", "-", "?"),
        *("\x1c", "\x1d", "\x1e", "\x1eCRC=1", "\r", "\n", "\r\n", "\t", "=", ";", "#"),
    ]
)


@given(st.text() | st.lists(PIECES | st.text(max_size=3)).map("\n".join))
def test_any_text_is_read_or_refused(text: str) -> None:
    line = 1
    try:
        found = parse_tracing(text)
        assert parse_tracing(write_tracing(found)).traces == found.traces
    except TracingRefused as refused:
        line = refused.line
    assert 1 <= line <= max(1, len(text))


MAX_TRACING_BYTES = 256 * 1024
HOSTILE = [
    *("\n", "\r", "=\n", "x\n", "A1=;\n", "HBOX=x\n", " ", ";", "-", "9", "2500;", "2500\n"),
    *("R=2500\n", "TRCFMT=0\n", "\x1c\x1d", "\x1e ", "\x1eCRC", "\x1eCRC=1\n"),
    *("TRCFMT=\n", "TRCFMT=1;3;E;R\n", "ZFMT=1;3;E\n", "L=2500\n", "AFMT=\n", "AFMT=\nR=1\n"),
    *("\0", "\x81\n", "A=\x81\n", "TRCFMT=1;3;E;L;F\nR=2500\n"),
    "\x1eCRC=" + " " * 999,
]


@pytest.mark.timeout(20)  # a reader that goes over it again and again takes hours
@pytest.mark.parametrize("piece", HOSTILE)
def test_a_hostile_text_is_refused_and_does_not_hold_anybody_up(piece: str) -> None:
    text = "TRCFMT=1;3;E;R;F\nR=2500;\n"
    refusal(text + piece * ((MAX_TRACING_BYTES - len(text)) // len(piece)))
