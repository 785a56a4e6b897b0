"""Files of a provider's results: CSV, read line by line, with the faults of each.

Columns are named by the header, in any order. A spreadsheet's semicolons and byte order mark are
accepted.
"""

import csv
import io
from collections.abc import Iterator
from datetime import date
from typing import Any, NamedTuple

from marshmallow import Schema, ValidationError
from marshmallow.fields import Integer, String
from marshmallow.validate import OneOf

from optics.fields import between
from subscriptions_svc.rules.paying.payments import PaymentState
from subscriptions_svc.rules.shapes import (
    COUNT_RANGE,
    FILLED_TEXT,
    MAX_MONEY,
    check_day,
    parse_day,
)

MAX_FILE_BYTES = 1024 * 1024
MAX_LINES = 10_000
MAX_DIGITS = 15
RESULTS = (PaymentState.TAKEN, PaymentState.FAILED, PaymentState.REFUNDED)


class Digits(Integer):
    """A number in digits alone: no sign, no separators."""

    def _deserialize(self, value: Any, attr: Any, data: Any, **kwargs: Any) -> int:
        if not (value.isascii() and value.isdecimal() and len(value) <= MAX_DIGITS):
            raise ValidationError("Must be a number in digits alone.")
        return int(value)


class LineSchema(Schema):
    """One line."""

    merchant_id = String(required=True, validate=FILLED_TEXT)
    subscription_id = String(required=True, validate=FILLED_TEXT)
    month = Digits(required=True, validate=COUNT_RANGE)
    result = String(required=True, validate=OneOf(RESULTS))
    amount = Digits(required=True, validate=between(1, MAX_MONEY))
    currency = String(required=True, validate=FILLED_TEXT)
    reference = String(required=True, validate=FILLED_TEXT)
    date = String(load_default="", validate=lambda text: check_day(text) if text else None)


LINE = LineSchema()
REQUIRED = tuple(name for name, field in LINE.fields.items() if field.required)


class Line(NamedTuple):
    """One line of a file, by its number there; `day` is None for today."""

    number: int
    merchant_id: str
    subscription_id: str
    month: int
    result: str
    amount: int
    currency: str
    reference: str
    day: date | None


def locate(number: int, column: str = "") -> str:
    """Return the path of a fault."""
    return f"lines.{number}.{column}" if column else f"lines.{number}"


def read_lines(document: bytes) -> tuple[list[Line], list[tuple[str, str]]]:
    """Return the lines that can be read, and the faults of the others, by path."""
    if len(document) > MAX_FILE_BYTES:
        return [], [("document", f"Must be at most {MAX_FILE_BYTES} bytes.")]
    try:
        text = document.decode("utf-8-sig")
    except UnicodeDecodeError:
        return [], [("document", "Must be text in UTF-8.")]
    if "\0" in text:
        return [], [("document", "Must not contain NUL.")]
    lines: list[Line] = []
    faults: list[tuple[str, str]] = []
    try:
        rows = _split(text)
        header = [name.strip() for name in next(rows, (1, [""]))[1]]
        faults.extend(_find_header_faults(header))
        if not faults:
            for number, cells in rows:
                _read_line(number, header, cells, lines, faults)
    except csv.Error:
        faults.append(("document", "Must be CSV: a cell is too long, or a quote is not closed."))
    if len(lines) > MAX_LINES:
        faults.append(("document", f"Must have at most {MAX_LINES} lines."))
    return lines, faults


def _split(text: str) -> Iterator[tuple[int, list[str]]]:
    """Yield the rows that are not empty, each with the number of its last line."""
    first = text.partition("\n")[0]
    delimiter = ";" if first.count(";") > first.count(",") else ","
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    for cells in reader:
        if any(cell.strip() for cell in cells):
            yield reader.line_num, cells


def _find_header_faults(header: list[str]) -> Iterator[tuple[str, str]]:
    path = locate(1)
    if missing := [name for name in REQUIRED if name not in header]:
        yield path, f"The header lacks {', '.join(missing)}."
    if set(header) - set(LINE.fields):
        yield path, f"The header has unknown columns; the columns are {', '.join(LINE.fields)}."
    elif len(set(header)) < len(header):
        yield path, "The header names a column more than once."


def _read_line(
    number: int,
    header: list[str],
    cells: list[str],
    lines: list[Line],
    faults: list[tuple[str, str]],
) -> None:
    if len(cells) != len(header):
        faults.append((locate(number), f"Must have {len(header)} cells, as the header."))
        return
    given = {name: cell.strip() for name, cell in zip(header, cells, strict=True)}
    if not all(each.isprintable() for each in given.values()):
        faults.append((locate(number), "Must be of one line, without control characters."))
        return
    try:
        values = LINE.load(given)
    except ValidationError as error:
        for name, messages in error.messages_dict.items():
            faults.extend((locate(number, name), each) for each in messages)
        return
    day = parse_day(values.pop("date"))
    lines.append(Line(number=number, day=day, **values))
