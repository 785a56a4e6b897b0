"""A dispensed prescription as PDF, one page.

Its letters are those of the standard fonts, which every reader has; what these lack is written in
Latin letters. `fpdf` is loaded by the first document.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any

from sqlalchemy import Row

from sessions_svc.rules.prescriptions import CONTACTS, EYES

if TYPE_CHECKING:
    from fpdf import FPDF

PDF = "application/pdf"
FONT, LETTERS = "Helvetica", "latin-1"
TITLES = {"contacts": "Contact lens prescription", "glasses": "Eyeglass prescription"}
EYE_NAMES = {"right_eye": "Right (OD)", "left_eye": "Left (OS)"}
# The columns of a type, each with the heading and the format of its figures.
COLUMNS = {
    "contacts": {
        "sphere": ("Sphere", "{:+.2f}"),
        "cylinder": ("Cylinder", "{:+.2f}"),
        "axis": ("Axis", "{:03d}"),
        "add": ("Add", "{:+.2f}"),
        "base_curve": ("BC mm", "{:.1f}"),
        "diameter": ("DIA mm", "{:.1f}"),
        "dominance": ("Dominant", "{}"),
    },
    "glasses": {
        "sphere": ("Sphere", "{:+.2f}"),
        "cylinder": ("Cylinder", "{:+.2f}"),
        "axis": ("Axis", "{:03d}"),
        "add": ("Add", "{:+.2f}"),
        "pupillary_distance": ("PD mm", "{:.1f}"),
    },
}
NOTHING = "-"


def compose_pdf(
    prescription: Mapping[str, Any], record: Row[Any], partner: str, now: datetime
) -> bytes:
    """Return a valid prescription to dispense, for the person of a `get_session_record`."""
    from fpdf import FPDF

    pdf = FPDF(format="A4")
    pdf.set_creation_date(now)
    pdf.set_title(TITLES[prescription["type"]])
    pdf.set_lang("en")
    pdf.set_margin(20)
    pdf.add_page()
    pdf.set_font(FONT, "B", 18)
    pdf.cell(text=TITLES[prescription["type"]], h=12, new_x="LMARGIN", new_y="NEXT")
    pdf.ln(4)
    pdf.set_font(FONT, size=11)
    _write_facts(pdf, _list_facts(prescription, record, partner))
    pdf.ln(6)
    _write_table(pdf, _list_rows(prescription))
    if prescription["type"] == CONTACTS:
        pdf.ln(6)
        _write_facts(pdf, _list_lenses(prescription))
    return bytes(pdf.output())


def _list_facts(
    prescription: Mapping[str, Any], record: Row[Any], partner: str
) -> list[tuple[str, str]]:
    return [
        ("Patient", f"{record.first_name} {record.last_name}"),
        ("Date of birth", record.birthdate.isoformat()),
        ("Issued", prescription["issue_date"]),
        ("Valid through", prescription["expiration_date"]),
        ("Reference", f"{partner} {record.session_key}"),
    ]


def _list_rows(prescription: Mapping[str, Any]) -> list[list[str]]:
    columns = COLUMNS[prescription["type"]]
    rows = [["", *(heading for heading, _ in columns.values())]]
    for name in EYES:
        if eye := prescription.get(name):
            figures = (
                form.format(eye[each]) if eye.get(each) is not None else NOTHING
                for each, (_, form) in columns.items()
            )
            rows.append([EYE_NAMES[name], *figures])
    return rows


def _list_lenses(prescription: Mapping[str, Any]) -> list[tuple[str, str]]:
    lenses = []
    for name in EYES:
        if eye := prescription.get(name):
            labels = [eye[each] for each in ("brand_label", "model_label") if eye.get(each)]
            lenses.append((EYE_NAMES[name], " ".join(labels) or ", ".join(eye["product_keys"])))
    return lenses


def _write_facts(pdf: "FPDF", facts: Sequence[tuple[str, str]]) -> None:
    for label, text in facts:
        pdf.cell(text=label, w=35, h=7)
        pdf.multi_cell(text=to_letters(text), w=0, h=7, new_x="LMARGIN", new_y="NEXT")


def _write_table(pdf: "FPDF", rows: Sequence[Sequence[str]]) -> None:
    with pdf.table(text_align="CENTER") as table:
        for row in rows:
            table.row([to_letters(each) for each in row])


def to_letters(text: str) -> str:
    """Return a text in the letters of the standard fonts."""
    from anyascii import anyascii

    return "".join(each if each.encode(LETTERS, "ignore") else anyascii(each) for each in text)
