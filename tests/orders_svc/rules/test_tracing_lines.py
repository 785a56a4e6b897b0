"""Tracings as senders in the field write them: odd characters, and lines that mean nothing."""

import pytest

from orders_svc.rules.tracing import parse_tracing
from tests.orders_svc.traced import (
    BOTH,
    FIELD_EYE,
    ONE,
    find_refusal,
    find_remarks,
    read_field,
)

NOT_TEXT = "This is not text; export the tracing as ASCII (format 1)."
PADDED = "Control characters around the text were ignored."
ODD_LINE = "This line has characters that are not text; it was ignored."
PAIR = {"right_eye": FIELD_EYE, "left_eye": FIELD_EYE}


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("unknown-dataset", []),
        ("vendor-records", []),
        ("odd-byte", [f"Line 1: {ODD_LINE}"]),
        ("form-feed", [f"Line 27: {PADDED}"]),
        ("uneven-closed", []),
        (
            "left-not-mirrored",
            [
                "The left trace differs from the mirrored right one by 1.38 mm on average, "
                "from the unmirrored one by 0.00 mm."
            ],
        ),
    ],
)
def test_a_file_from_the_field_has_its_figures(name: str, expected: list[str]) -> None:
    found = parse_tracing(read_field(name))
    assert found.measure() == PAIR
    assert [str(each) for each in found.remarks] == expected


def test_a_file_that_is_cut_short_is_refused_with_both_counts() -> None:
    assert (
        find_refusal(read_field("cut-short"))
        == "Line 16: TRCFMT announces 120 values of R, but 96 follow."
    )


# Lines that mean nothing


@pytest.mark.parametrize("line", ["REM=caf\x82", "JOB=\ufffd", "_X=\x00\x02\x00!", "FTYP=2\x81"])
def test_odd_characters_where_they_mean_nothing_are_remarked(line: str) -> None:
    assert find_remarks(f"{line}\n{BOTH.partition('FTYP=1')[2]}") == [f"Line 1: {ODD_LINE}"]
    labels = [each.label for each in parse_tracing(f"{line}\n{ONE}").records]
    assert labels == ["DBL", "HBOX", "VBOX"]


@pytest.mark.parametrize("line", ["caf\x82", "# caf\ufffd", "R\x81=2500", "\x1b[0m", "\ud800"])
def test_lines_that_are_no_records_are_remarked(line: str) -> None:
    for text in (f"{line}\n{BOTH}", f"{BOTH}{line}\n"):
        assert parse_tracing(text).traces == parse_tracing(BOTH).traces
        (remark,) = find_remarks(text)
        assert remark.endswith("; it was ignored.")


@pytest.mark.parametrize(
    "padding", ["\0" * 300, "\f", "\x1a", "\x1a\x1a\r\n\x1a", "\0\r\n\0", "\v"]
)
def test_padding_is_remarked_once(padding: str) -> None:
    for text in (BOTH + padding, BOTH.replace("2494\nR", f"2494{padding}\nR"), padding + BOTH):
        assert parse_tracing(text).traces == parse_tracing(BOTH).traces
        (remark,) = find_remarks(text)
        assert remark.endswith(PADDED)


@pytest.mark.parametrize(
    "text",
    [
        BOTH.replace("R=2500", "R=25\x0000"),
        BOTH.replace("R=2500", "R=\ufffd2500"),
        BOTH.replace("\nR=2500;2494", "\n2500;24\x8194").replace("E;R;F\n2500", "E;R;F\nR=2500"),
        BOTH.replace("HBOX=50", "HBOX=5\x810"),
        BOTH.replace("DBL=18", "DBL=1\ufffd8"),
        BOTH.replace("TRCFMT=1;20", "TRCFMT=1;2\x920"),
        BOTH.replace("STATUS=0", "STATUS=\x81"),
        ONE.replace("A=0;", "A=\x810;"),
    ],
)
def test_odd_characters_among_numbers_are_refused(text: str) -> None:
    assert find_refusal(text).endswith(NOT_TEXT)


def test_remarks_on_traces_are_made_however_many_lines_are_odd() -> None:
    found = find_remarks("x\n" * 500 + read_field("left-not-mirrored"))
    assert any("unmirrored" in each for each in found)
