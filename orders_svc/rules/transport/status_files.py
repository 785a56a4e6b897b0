"""Status files: what became of a lab's orders, as CSV with a line for each order."""

import csv
import re
from collections.abc import Iterator
from datetime import datetime
from io import StringIO
from typing import Any, NamedTuple

from marshmallow import Schema, ValidationError, fields, validates_schema

from optics.fields import filled, one_of
from orders_svc.rules.lab_status import ALLOWED_SOURCES, UPDATABLE_FIELDS

COLUMNS = (
    "order_id",
    "lab_status",
    "tray_number",
    "invoice_number",
    "tracking_number",
    "lab_word",
    "time",
)
MAX_FILE_BYTES = 1024 * 1024
MAX_LINES = 10_000
MAX_NAME_LENGTH = 150
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]")


class StatusFileError(Exception):
    """A file of which no line can be applied; its text is a sentence."""


class StatusLine(NamedTuple):
    """A line of a status file: a change of an order, or the sentences that refuse it."""

    number: int
    change: dict[str, Any]
    faults: tuple[str, ...] = ()


class StatusLineSchema(Schema):
    """The cells of a line that are not empty."""

    order_id = fields.String(validate=filled(50))
    tray_number = fields.String(validate=filled(50))
    lab_status = fields.String(validate=one_of(*ALLOWED_SOURCES))
    invoice_number = fields.String(validate=filled(50))
    tracking_number = fields.String(validate=filled(100))
    lab_word = fields.String(validate=filled(100))
    time = fields.String()

    @validates_schema
    def check_change(self, data: dict[str, Any], **_: Any) -> None:
        """Require an order, and a change of it."""
        if "order_id" not in data and "tray_number" not in data:
            raise ValidationError("Name the order by order_id or tray_number.", "order_id")
        changed = set(UPDATABLE_FIELDS) & data.keys()
        if not changed - ({"tray_number"} if "order_id" not in data else set()):
            raise ValidationError("The line changes nothing.", "lab_status")
        if "lab_word" in data and "lab_status" not in data:
            raise ValidationError("Only with lab_status.", "lab_word")


STATUS_LINE = StatusLineSchema()


def is_status_file(name: str) -> bool:
    """Return whether a file of this name is to be read: the others are being written, or notes."""
    return (
        name.lower().endswith(".csv")
        and not name.startswith(".")
        and len(name) <= MAX_NAME_LENGTH
        and name.isprintable()
        and not set(name) & set("/\\")
    )


def read_status_file(content: bytes) -> list[StatusLine]:
    """Return the lines of a status file; raises StatusFileError if it is none."""
    text = _decode(content)
    is_cut = not text.endswith(("\n", "\r"))
    separator = ";" if ";" in text.partition("\n")[0] else ","
    reader = csv.reader(StringIO(text, newline=""), delimiter=separator, strict=True)
    try:
        rows = [(reader.line_num, [cell.strip() for cell in row]) for row in reader if any(row)]
    except csv.Error as error:
        raise StatusFileError(f"Line {reader.line_num} is not CSV: {error}.") from None
    columns = _read_header(rows[0][1] if rows else [])
    if len(rows) - 1 > MAX_LINES:
        raise StatusFileError(f"The file has more than {MAX_LINES} lines.")
    lines = [_read_line(number, columns, cells) for number, cells in rows[1:]]
    if is_cut and lines:
        fault = "The line does not end with a line break: it may be incomplete."
        lines[-1] = StatusLine(lines[-1].number, {}, (fault,))
    return lines


def _decode(content: bytes) -> str:
    if len(content) > MAX_FILE_BYTES:
        raise StatusFileError(f"The file has more than {MAX_FILE_BYTES} bytes.")
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise StatusFileError(f"Line {line} is not UTF-8 text.") from None
    if "\0" in text:
        line = text.count("\n", 0, text.index("\0")) + 1
        raise StatusFileError(f"Line {line} has a NUL character.")
    return text


def _read_header(cells: list[str]) -> list[str]:
    if not {"order_id", "tray_number"} & set(cells):
        raise StatusFileError(
            "The first line must name the columns, order_id or tray_number among them."
        )
    if unknown := [cell for cell in cells if cell not in COLUMNS]:
        names = ", ".join(repr(each[:50]) for each in unknown[:5])
        raise StatusFileError(f"Unknown columns: {names}. The columns are {', '.join(COLUMNS)}.")
    if len(set(cells)) < len(cells):
        raise StatusFileError("A column is named twice.")
    return cells


def _read_line(number: int, columns: list[str], cells: list[str]) -> StatusLine:
    if len(cells) != len(columns):
        fault = f"The line has {len(cells)} cells, and the first one {len(columns)}."
        return StatusLine(number, {}, (fault,))
    given = {name: cell for name, cell in zip(columns, cells, strict=True) if cell}
    if odd := [name for name, cell in given.items() if _CONTROL.search(cell)]:
        return StatusLine(number, {}, (f"{odd[0]}: Must not have control characters.",))
    try:
        change: dict[str, Any] = STATUS_LINE.load(given)
        if "time" in change:
            change["time"] = _read_time(change["time"])
    except ValidationError as error:
        return StatusLine(number, {}, tuple(_write_faults(error)))
    return StatusLine(number, change)


def _read_time(text: str) -> datetime:
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        moment = None
    if moment is None or moment.tzinfo is None:
        raise ValidationError({"time": ["Must be a time with zone like 2026-03-01T12:00:00Z."]})
    return moment


def _write_faults(error: ValidationError) -> Iterator[str]:
    for name, texts in error.messages_dict.items():
        for text in texts:
            yield f"{name}: {text}"


def write_report(refused: list[tuple[int, str]], lines: int) -> str:
    """Return what a lab reads beside a file of which something was refused."""
    numbers = {number for number, _ in refused if number}
    head = "Nothing of this file was applied."
    if lines > len(numbers) > 0:
        head = f"{len(numbers)} of {lines} lines were refused; the others were applied."
    told = [f"line {number}: {text}" if number else text for number, text in refused]
    return "\n".join([head, *told, ""])
