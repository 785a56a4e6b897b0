"""Statements: what a merchant took and gave back in a month, from the ledger.

As CSV it has a line for each entry that moved money, oldest first, under the header

    booked_on,kind,amount,currency,method,reference,month,due_on,subscription_id,
    subscription_reference,contract_number,store_ref

(in one line), and a line `total` for each currency. Amounts are decimals; what went back is
negative, and the totals are the sums of the lines. A text that a spreadsheet would take for a
formula is prefixed with an apostrophe. The PDF has the same lines, in the letters of its standard
fonts.
"""

import csv
import io
from collections.abc import Sequence
from itertools import zip_longest
from typing import Any

from dateutil.relativedelta import relativedelta
from sqlalchemy import Connection, Row

from chassis.context import note_ids
from chassis.errors import NotFound
from optics.letters import to_letters
from subscriptions_svc.documents.report import escape_formula
from subscriptions_svc.rules.paying.payments import PaymentState, parse_month
from subscriptions_svc.store.merchants import find_merchant
from subscriptions_svc.store.paying.payments import read_entries

HEADER = (
    "booked_on",
    "kind",
    "amount",
    "currency",
    "method",
    "reference",
    "month",
    "due_on",
    "subscription_id",
    "subscription_reference",
    "contract_number",
    "store_ref",
)
TOTAL = "total"
# Columns of the PDF, with their widths in mm.
PDF_COLUMNS = {
    "booked_on": 22,
    "kind": 18,
    "amount": 24,
    "currency": 14,
    "method": 20,
    "month": 13,
    "subscription_reference": 50,
    "contract_number": 32,
    "reference": 84,
}
ROW_HEIGHT = 5  # mm
_SIGNS = {PaymentState.TAKEN: 1, PaymentState.REFUNDED: -1}


def export_statement(tx: Connection, merchant_id: str, month: str, form: str) -> bytes:
    """Return a merchant's statement of a month, YYYY-MM, as csv or pdf; raises NotFound."""
    first = parse_month(month)
    merchant = find_merchant(tx, merchant_id)
    if merchant is None or first is None:
        raise NotFound("There is no such merchant.")
    note_ids(merchant.id)
    entries = read_entries(tx, merchant.id, first, first + relativedelta(day=31))
    lines = build_lines(entries)
    return write_pdf(merchant, month, lines) if form == "pdf" else write_csv(lines)


def build_lines(entries: Sequence[Row[Any]]) -> list[dict[str, str]]:
    """Return the lines of a statement, the totals at the end."""
    lines: list[dict[str, str]] = []
    totals: dict[str, int] = {}
    for entry in entries:
        if entry.kind not in _SIGNS:
            continue
        amount = _SIGNS[PaymentState(entry.kind)] * entry.amount
        totals[entry.currency] = totals.get(entry.currency, 0) + amount
        lines.append(
            {
                "booked_on": entry.booked_on.isoformat(),
                "kind": entry.kind,
                "amount": format_decimal(amount, entry.currency),
                "currency": entry.currency,
                "method": entry.method,
                "reference": entry.reference or "",
                "month": str(entry.month),
                "due_on": entry.due_on.isoformat(),
                "subscription_id": entry.subscription_id,
                "subscription_reference": entry.subscription_reference,
                "contract_number": entry.contract_number or "",
                "store_ref": entry.store_ref,
            }
        )
    for currency, total in totals.items():
        amount_text = format_decimal(total, currency)
        lines.append({"booked_on": TOTAL, "amount": amount_text, "currency": currency})
    return lines


def format_decimal(value: int, currency: str) -> str:
    """Return minor units as a decimal: 145.80 for 14580 in EUR, 14580 in JPY."""
    from babel.numbers import get_currency_precision

    places = get_currency_precision(currency)
    digits = str(abs(value)).zfill(places + 1)
    sign = "-" if value < 0 else ""
    return f"{sign}{digits[:-places]}.{digits[-places:]}" if places else sign + digits


def write_csv(lines: Sequence[dict[str, str]]) -> bytes:
    """Return lines as CSV."""
    out = io.StringIO(newline="")
    table = csv.writer(out, lineterminator="\r\n")
    table.writerow(HEADER)
    for line in lines:
        cells = {name: line.get(name, "") for name in HEADER}
        amount = cells.pop("amount")  # a negative one is a number, no formula
        escaped = {name: escape_formula(cell) for name, cell in cells.items()}
        table.writerow({**escaped, "amount": amount}[name] for name in HEADER)
    return out.getvalue().encode()


def write_pdf(merchant: Row[Any], month: str, lines: Sequence[dict[str, str]]) -> bytes:
    """Return lines as a PDF of A4 pages."""
    from fpdf import FPDF  # loaded when a statement is made

    pdf = FPDF(orientation="landscape", format="A4")
    title = f"{merchant.name or merchant.id}: {month}"
    pdf.set_title(to_letters(title))
    pdf.add_page()
    pdf.set_font("Helvetica", "B", 14)
    pdf.cell(0, 10, to_letters(title), new_x="LMARGIN", new_y="NEXT")
    header = [name.replace("_", " ") for name in PDF_COLUMNS]
    _write_row(pdf, header, "B")
    for line in lines:
        if pdf.will_page_break(ROW_HEIGHT):
            pdf.add_page()
            _write_row(pdf, header, "B")
        _write_row(pdf, [to_letters(line.get(name, "")) for name in PDF_COLUMNS])
    if not lines:
        pdf.cell(0, 10, "-", new_x="LMARGIN", new_y="NEXT")
    return bytes(pdf.output())


def _write_row(pdf: Any, cells: Sequence[str], style: str = "") -> None:
    """Write a row, of several lines if a text needs them; fpdf's tables take five times as long."""
    pdf.set_font("Helvetica", style, 8)
    parts = [
        _split_text(pdf, text, width)
        for text, width in zip(cells, PDF_COLUMNS.values(), strict=True)
    ]
    for index, some in enumerate(zip_longest(*parts, fillvalue="")):
        for text, width in zip(some, PDF_COLUMNS.values(), strict=True):
            pdf.cell(width, ROW_HEIGHT, text, border=0 if index else "T")
        pdf.ln(ROW_HEIGHT)


def _split_text(pdf: Any, text: str, width: float) -> list[str]:
    """Return a text in parts that fit into a column."""
    room, parts = width - 2 * pdf.c_margin, [""]
    if pdf.get_string_width(text) <= room:
        return [text]
    for letter in text:
        if pdf.get_string_width(parts[-1] + letter) > room:
            parts.append("")
        parts[-1] += letter
    return parts
