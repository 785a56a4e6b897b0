"""A dispensed prescription as PDF, one page, in the language of the partner.

Its letters are those of the standard fonts, which every reader has; what these lack is written in
Latin letters. `fpdf` is loaded by the first document.
"""

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

from sqlalchemy import Row

from chassis.languages import ENGLISH, Languages
from optics.letters import to_letters
from sessions_svc.rules.prescriptions import CONTACTS

if TYPE_CHECKING:
    from fpdf import FPDF

PDF = "application/pdf"
TEXTS = Languages(Path(__file__).parent.parent / "languages")
Translate: TypeAlias = Callable[[str], str]
FONT = "Helvetica"
# The columns of a type, each with the format of its figures, which is the same in all languages.
COLUMNS = {
    "contacts": {
        "sphere": "{:+.2f}",
        "cylinder": "{:+.2f}",
        "axis": "{:03d}",
        "add": "{:+.2f}",
        "base_curve": "{:.1f}",
        "diameter": "{:.1f}",
        "dominance": "{}",
    },
    "glasses": {
        "sphere": "{:+.2f}",
        "cylinder": "{:+.2f}",
        "axis": "{:03d}",
        "add": "{:+.2f}",
        "pupillary_distance": "{:.1f}",
    },
}
NOTHING = "-"
TEXT_POINTS, TABLE_POINTS = 11, 9
EYE_COLUMNS = 1.4  # how wide the first column of the table is, of others
LABEL_MILLIMETRES = 45  # the longest label of any language


def compose_pdf(
    prescription: Mapping[str, Any],
    record: Row[Any],
    partner: str,
    now: datetime,
    language: str | None = None,
) -> bytes:
    """Return a valid prescription to dispense, for the person of a `get_session_record`."""
    from fpdf import FPDF

    _ = TEXTS.get_texts(language or ENGLISH).gettext
    title = _name_document(prescription["type"], _)
    pdf = FPDF(format="A4")
    pdf.set_creation_date(now)
    pdf.set_title(title)
    pdf.set_lang(language or ENGLISH)
    pdf.set_margin(20)
    pdf.add_page()
    pdf.set_font(FONT, "B", 18)
    pdf.cell(text=to_letters(title), h=12, new_x="LMARGIN", new_y="NEXT")
    pdf.ln(4)
    pdf.set_font(FONT, size=TEXT_POINTS)
    _write_facts(pdf, _list_facts(prescription, record, partner, _))
    pdf.ln(6)
    _write_table(pdf, _list_rows(prescription, _))
    if prescription["type"] == CONTACTS:
        pdf.ln(6)
        _write_facts(pdf, _list_lenses(prescription, _))
    return bytes(pdf.output())


def _name_document(kind: str, _: Translate) -> str:
    return _("Contact lens prescription") if kind == CONTACTS else _("Eyeglass prescription")


def _name_eyes(_: Translate) -> dict[str, str]:
    return {"right_eye": _("Right (OD)"), "left_eye": _("Left (OS)")}


def _name_columns(_: Translate) -> dict[str, str]:
    return {
        "sphere": _("Sphere"),
        "cylinder": _("Cylinder"),
        "axis": _("Axis"),
        "add": _("Add"),
        "base_curve": _("BC mm"),
        "diameter": _("DIA mm"),
        "dominance": _("Dominant"),
        "pupillary_distance": _("PD mm"),
    }


def _list_facts(
    prescription: Mapping[str, Any], record: Row[Any], partner: str, _: Translate
) -> list[tuple[str, str]]:
    return [
        (_("Patient"), f"{record.first_name} {record.last_name}"),
        (_("Date of birth"), record.birthdate.isoformat()),
        (_("Issued"), prescription["issue_date"]),
        (_("Valid through"), prescription["expiration_date"]),
        (_("Reference"), f"{partner} {record.session_key}"),
    ]


def _list_rows(prescription: Mapping[str, Any], _: Translate) -> list[list[str]]:
    columns, headings = COLUMNS[prescription["type"]], _name_columns(_)
    rows = [["", *(headings[each] for each in columns)]]
    for name, named in _name_eyes(_).items():
        if eye := prescription.get(name):
            figures = (
                form.format(eye[each]) if eye.get(each) is not None else NOTHING
                for each, form in columns.items()
            )
            rows.append([named, *figures])
    return rows


def _list_lenses(prescription: Mapping[str, Any], _: Translate) -> list[tuple[str, str]]:
    lenses = []
    for name, named in _name_eyes(_).items():
        if eye := prescription.get(name):
            labels = [eye[each] for each in ("brand_label", "model_label") if eye.get(each)]
            lenses.append((named, " ".join(labels) or ", ".join(eye["product_keys"])))
    return lenses


def _write_facts(pdf: "FPDF", facts: Sequence[tuple[str, str]]) -> None:
    for label, text in facts:
        pdf.cell(text=to_letters(label), w=LABEL_MILLIMETRES, h=7)
        pdf.multi_cell(text=to_letters(text), w=0, h=7, new_x="LMARGIN", new_y="NEXT")


def _write_table(pdf: "FPDF", rows: Sequence[Sequence[str]]) -> None:
    pdf.set_font(FONT, size=TABLE_POINTS)
    widths = (EYE_COLUMNS, *(1 for _ in rows[0][1:]))
    with pdf.table(text_align="CENTER", col_widths=widths) as table:
        for row in rows:
            table.row([to_letters(each) for each in row])
    pdf.set_font(FONT, size=TEXT_POINTS)
