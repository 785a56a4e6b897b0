"""Status files as the rules read them: every line is a change or a sentence, whatever comes."""

import csv
from datetime import UTC, datetime
from io import StringIO

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orders_svc.rules.transport.status_files import (
    COLUMNS,
    StatusFileError,
    StatusLine,
    read_status_file,
    write_report,
)

HEAD = ",".join(COLUMNS) + "\n"
ID = "ord_0f3c5d1e8a7b4c2d9e6f0a1b"


def read_line(cells: str) -> StatusLine:
    """The line of a file with one line."""
    (line,) = read_status_file(f"{HEAD}{cells}\n".encode())
    return line


def test_it_works() -> None:
    line = read_line(f"{ID},in_progress, T-1 ,I-1,1Z,Surfacing,2026-03-01T13:00:00+01:00")
    change = {
        "order_id": ID,
        "lab_status": "in_progress",
        "tray_number": "T-1",
        "invoice_number": "I-1",
        "tracking_number": "1Z",
        "lab_word": "Surfacing",
        "time": datetime(2026, 3, 1, 12, tzinfo=UTC),
    }
    assert line == StatusLine(2, change)


@pytest.mark.parametrize(
    ("cells", "fault"),
    [
        (",shipped,,,,,", "order_id: Name the order by order_id or tray_number."),
        (f"{ID},,,,,,", "lab_status: The line changes nothing."),
        (",,T-1,,,,", "lab_status: The line changes nothing."),
        (f"{ID},,,,,Packed,", "lab_status: The line changes nothing."),
        (f"{ID},,,I-1,,Packed,", "lab_word: Only with lab_status."),
        (f"{ID},draft,,,,,", "lab_status: Must be one of"),
        (f"{ID},Shipped,,,,,", "lab_status: Must be one of"),
        (f"{ID},,{'x' * 51},,,,", "tray_number: Must be 1 to 50 characters"),
        (f"{ID},,,,{'x' * 101},,", "tracking_number: Must be 1 to 100 characters"),
        (f"{ID},shipped,,,,,yesterday", "time: Must be a time with zone"),
        (f"{ID},shipped,,,,,2026-03-01T12:00:00", "time: Must be a time with zone"),
        (f'{ID},shipped,,,,"a\nb",', "lab_word: Must not have control characters."),
        (f"{ID},shipped,\x1bT,,,,", "tray_number: Must not have control characters."),
        (f"{ID},shipped", "The line has 2 cells, and the first one 7."),
    ],
)
def test_a_line_is_refused_with_a_sentence(cells: str, fault: str) -> None:
    line = read_line(cells)
    assert line.change == {}
    assert line.faults[0].startswith(fault)


def test_an_unfinished_last_line_is_refused() -> None:
    lines = read_status_file(f"{HEAD}{ID},in_progress,,,,,\n{ID},,,INV-1".encode())
    assert [bool(each.faults) for each in lines] == [False, True]


@given(st.binary(max_size=400), st.booleans())
def test_any_bytes_are_lines_or_an_error_with_a_sentence(content: bytes, headed: bool) -> None:
    said, lines = "None.", []
    try:
        lines = read_status_file(HEAD.encode() * headed + content)
    except StatusFileError as error:
        said = str(error)
    assert len(said) < 500
    assert said.endswith(".")
    assert all(bool(line.change) != bool(line.faults) for line in lines)


@given(st.lists(st.lists(st.text(max_size=20), min_size=7, max_size=7), max_size=5))
def test_any_cells_are_read(rows: list[list[str]]) -> None:
    out = StringIO()
    csv.writer(out).writerows([COLUMNS, *rows])
    try:
        lines = read_status_file(out.getvalue().encode("utf-8", "replace"))
    except StatusFileError:
        assert "\0" in out.getvalue()
    else:
        assert len(lines) <= len(rows)


def test_a_report_says_what_was_applied() -> None:
    assert write_report([(0, "Not CSV.")], 0) == "Nothing of this file was applied.\nNot CSV.\n"
    assert write_report([(2, "A."), (2, "B."), (4, "C.")], 3) == (
        "2 of 3 lines were refused; the others were applied.\nline 2: A.\nline 2: B.\nline 4: C.\n"
    )
