"""Which numbers of a tracing belong to which trace: datasets, sides, sessions, formats."""

from collections.abc import Sequence
from itertools import accumulate

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orders_svc.rules.traces import Record, Trace
from orders_svc.rules.tracing import parse_tracing
from tests.orders_svc.traced import (
    BOTH,
    FIELD_EYE,
    ONE,
    asymmetric,
    find_refusal,
    find_remarks,
    read_field,
    write_data,
)

PADDED = "Control characters around the text were ignored."
PASSED_OVER = "This header has no data, which follow a later one."
GOOD = read_field("left-not-mirrored").partition("TRCFMT=1;120;E;L")[0]  # the right trace


# Datasets of other kinds


def test_a_dataset_of_another_kind_is_kept_apart() -> None:
    found = parse_tracing(read_field("unknown-dataset"))
    (section,) = found.sections
    assert section.header == Record("STHKFMT", ("1", "24", "E", "R"))
    assert [each.label for each in section.records] == ["R", "R", "Z", "Z"]
    assert found.records[-1] == Record("FTYP", ("2",))


DATASET = "CRIBFMT=1;4;E;B\nR=1;2;3;4\nA=9;8\nZ=-1\nL=7\nCRIB=5;5\n5;5\nZA=x\nR=\x81\x02\n"


@pytest.mark.parametrize("before", ["JOB", "TRCFMT=1;20;E;R;F", "TRCFMT=1;20;E;L;F", ""])
def test_another_dataset_may_be_before_between_or_after_traces(before: str) -> None:
    at = BOTH.index(before) if before else len(BOTH)
    found = parse_tracing(BOTH[:at] + DATASET + "HBOX=50;50\n" + BOTH[at:])
    plain = parse_tracing(BOTH)
    assert (found.traces, found.measure()) == (plain.traces, plain.measure())
    assert found.find_number("HBOX") == 50
    assert not any(each.label in {"R", "A", "Z", "L", "CRIB"} for each in found.records)


def test_data_after_another_dataset_belong_to_it() -> None:
    lines = BOTH.splitlines()
    cut = "\n".join([*lines[:11], "STHKFMT=1;24;E;R", *lines[11:]])
    assert find_refusal(cut) == "Line 10: TRCFMT announces 20 values of R, but 10 follow."
    assert find_refusal("STHKFMT=1;3;E;R\nR=1;2;3\n").endswith("no TRCFMT with format 1.")
    again = BOTH + DATASET + "ZFMT=1;3;E;R;F\nZ=1;2;3\nR=1700\n"
    assert find_refusal(again).endswith("R precedes its header.")


def test_a_status_is_read_after_another_dataset() -> None:
    assert "STATUS is not 0" in find_refusal(BOTH + DATASET + "STATUS=4\n")


UNKNOWN_RECORDS = st.lists(
    st.sampled_from(
        [
            *("_CUSTNO=10042", "_RUSH_JOB=1", "NEWLABEL=1;2", "REM=caf\x82", "# note", "what"),
            *("LNAM=House lens;x", "SPH=9;9", "FTYP=2", "\f", "\0\0", "", "L=Left", "Q=\ufffd"),
        ]
    ),
    max_size=12,
)


@given(UNKNOWN_RECORDS, UNKNOWN_RECORDS, UNKNOWN_RECORDS, st.permutations(["R", "L"]))
def test_no_record_around_a_trace_changes_a_figure(
    before: list[str], between: list[str], after: list[str], sides: list[str]
) -> None:
    head, right, left = BOTH.replace("\nTRC", "\n\nTRC").split("\n\n")
    first, second = (right, left) if sides == ["R", "L"] else (left, right)
    parts = [*before, head, *before, *first.splitlines(), *between, second, *after]
    found, plain = parse_tracing("\n".join(parts)), parse_tracing(BOTH)
    assert (found.traces, found.measure(), found.dbl) == (plain.traces, plain.measure(), plain.dbl)
    assert found.find_number("CIRC", "L") == plain.find_number("CIRC", "L")


@given(st.data())
def test_no_dataset_of_another_kind_changes_a_figure(data: st.DataObject) -> None:
    blocks = BOTH.replace("\nTRC", "\n\nTRC").split("\n\n")
    others = ["STHKFMT=1;2;E;R\nR=1;2", DATASET, "_X_FMT=?\nA=1\nZ=2\n\x81=\x82"]
    kept = data.draw(st.permutations([*blocks, *others]))
    found = parse_tracing("\n".join(kept))
    plain = parse_tracing(BOTH)
    assert (found.traces, found.dbl) == (plain.traces, plain.dbl)


# One header for both sides


def write_left(header: str, *, right: Sequence[int], left: Sequence[int]) -> str:
    """A text of one header, with the radii of the sides under R and L."""
    return f"DBL=17\r\n{header}\r\n{write_data('R', right)}{write_data('L', left)}"


@pytest.mark.parametrize("header", ["TRCFMT=1;40;E;R;F", "TRCFMT=1;40;E;B;F"])
def test_l_is_the_left_side_under_one_header(header: str) -> None:
    right = Trace("R", asymmetric(40), (), "F")
    left = right.mirror()
    text = write_left(header, right=right.radii, left=left.radii)
    assert parse_tracing(text).traces == {"R": right, "L": left}
    assert "Line 2: L was read as the radii of the left side." in find_remarks(text)
    head, data = text.split(";F\r\n")
    decimals = f"{head};F\r\n{data.replace(';', '.0;')}"
    assert parse_tracing(decimals).traces == {"R": right, "L": left}
    cut = write_left(header, right=right.radii, left=left.radii[:30])
    assert find_refusal(cut) == "Line 2: TRCFMT announces 40 values of L, but 30 follow."


def test_l_is_the_left_side_under_its_own_header() -> None:
    head, left = BOTH.split("TRCFMT=1;20;E;L;F\n")
    text = f"{head}TRCFMT=1;20;E;L;F\n{left.replace('R=', 'L=')}"
    assert parse_tracing(text).traces == parse_tracing(BOTH).traces


def test_l_has_angles_of_its_own() -> None:
    angles = tuple(accumulate([100] + [900] * 39))
    right = Trace("R", asymmetric(40), angles, "F")
    left = right.mirror()
    data = write_data("R", right.radii) + write_data("A", angles)
    data += write_data("L", left.radii) + write_data("A", left.angles)
    header = "TRCFMT=1;40;U;B;F\r\n"
    assert parse_tracing(header + data).traces == {"R": right, "L": left}
    shared = write_data("R", right.radii) + write_data("L", left.radii) + write_data("A", angles)
    assert find_refusal(header + shared).startswith("Line 1: Mode U needs the angles, A: 40")


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("TRCFMT=1;3;E;B;F\nR=2500;2500;2500\n", "TRCFMT must have side R or L."),
        ("TRCFMT=1;3;E;B;F\nL=2500;2500;2500\n", "TRCFMT must have side R or L."),
        (
            "TRCFMT=1;3;E;R;F\nL=2500;2500;2500\n",
            "TRCFMT announces 3 values of R, but 0 follow.",
        ),
        (
            "TRCFMT=1;3;E;L;F\nR=2500;2500;2500\nL=2500;2500;2500\n",
            "TRCFMT announces 3 values of R, but 6 follow.",
        ),
    ],
)
def test_a_side_that_is_not_certain_is_refused(text: str, reason: str) -> None:
    assert find_refusal(text) == f"Line 1: {reason}"


def test_two_left_traces_are_refused() -> None:
    text = BOTH.replace("TRCFMT=1;20;E;L", "L=" + ";".join(["2500"] * 20) + "\nTRCFMT=1;20;E;L")
    assert find_refusal(text).endswith("This is a second TRCFMT of the left side.")


@pytest.mark.parametrize(
    "line", ["L=Left lens", "L=12", "L=1234", "L=600;700", "L=", "L=?;?", "L=Gr\x81n"]
)
def test_l_without_radii_means_nothing(line: str) -> None:
    text = BOTH.replace("TRCFMT=1;20;E;L", f"{line}\nTRCFMT=1;20;E;L")
    assert parse_tracing(text).traces == parse_tracing(BOTH).traces


# Sessions


SESSION = f"""\x1cREQ=INI
TRCFMT=4;1000;E;B
TRCFMT=1;400;E;B
TRCFMT=1;20;E;R
TRCFMT=1;20;E;L;F
TRCFMT=?
ZFMT=1;400;E;B
\x1d\x06\x1cANS=TRC
{BOTH}\x1d\x06"""


def test_what_a_session_offers_before_its_answer_is_passed_over() -> None:
    found = parse_tracing(SESSION)
    assert found.traces == parse_tracing(BOTH).traces
    assert [str(each) for each in found.remarks] == [
        f"Line 8: {PADDED}",
        f"Line 2: {PASSED_OVER}",
    ]


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (BOTH + "TRCFMT=1;20;E;R;F\n", "Line 16: This is a second TRCFMT of the right side."),
        ("TRCFMT=1;8;E;L;F\n" + ONE, "Line 1: TRCFMT announces 8 values of R, but 0 follow."),
        (
            "TRCFMT=4;8;E;L;F\n" + ONE,
            "Line 1: TRCFMT must have format 1, not 4 (packed binary); "
            "export the tracing as ASCII.",
        ),
        ("ZFMT=1;8;E;L;F\n" + ONE, "Line 1: ZFMT announces 8 values of Z, but 0 follow."),
    ],
)
def test_an_announcement_without_an_answer_is_refused(text: str, reason: str) -> None:
    assert find_refusal(text) == reason


def test_zeros_may_lead_in_a_header() -> None:
    text = GOOD.replace("TRCFMT=1;120", "TRCFMT=01;0120")
    assert parse_tracing(text).measure() == {"right_eye": FIELD_EYE}
    assert parse_tracing(text.replace("=01;0120", "=001;000120")).traces == (
        parse_tracing(GOOD).traces
    )


@pytest.mark.parametrize(
    ("format_", "words"),
    [
        ("2", ", not 2 (binary absolute)"),
        ("3", ", not 3 (binary differential)"),
        ("4", ", not 4 (packed binary)"),
        ("06", ", not 6 (packed hexadecimal)"),
        ("6", ", not 6 (packed hexadecimal)"),
        ("77", ""),
        ("Jane", ""),
    ],
)
def test_another_format_is_refused_by_its_name(format_: str, words: str) -> None:
    text = f"DBL=17\nTRCFMT={format_};360;E;R;F\nR=6167514141436D71\nR=\x02\x81\n"
    assert find_refusal(text) == (
        f"Line 2: TRCFMT must have format 1{words}; export the tracing as ASCII."
    )
