"""Statements as PDF: every line is there, whole, on as many pages as it takes."""

import re
import zlib
from types import SimpleNamespace
from typing import Any

from subscriptions_svc.documents.paying.statements import PDF_COLUMNS, write_pdf

MERCHANT: Any = SimpleNamespace(id="m1", name="Óptica 店")


def read_texts(document: bytes) -> list[list[str]]:
    """The texts of each page, in their order."""
    streams = re.findall(rb"stream\r?\n(.*?)endstream", document, re.DOTALL)
    pages = [zlib.decompress(each) for each in streams if each.startswith(b"x\x9c")]
    texts = [re.findall(rb"\((.*?)\) Tj", page) for page in pages]
    return [[text.decode("latin-1") for text in page] for page in texts if page]


def test_all_lines_are_in_it() -> None:
    lines = [
        {name: f"{number}-{index}" for index, name in enumerate(PDF_COLUMNS)}
        for number in range(100)
    ]
    pages = read_texts(write_pdf(MERCHANT, "2026-03", lines))
    header = [name.replace("_", " ") for name in PDF_COLUMNS]
    assert pages[0][1:10] == header
    assert all(page[:9] == header for page in pages[1:])
    cells = [text for page in pages for text in page if text not in header][1:]
    assert cells == [cell for line in lines for cell in line.values()]


def test_a_long_text_goes_on_below() -> None:
    reference = "".join(chr(65 + index % 26) for index in range(255))
    line = {**dict.fromkeys(PDF_COLUMNS, ""), "amount": "20.00", "reference": reference}
    (page,) = read_texts(write_pdf(MERCHANT, "2026-03", [line]))
    assert page[10] == "20.00"
    assert "".join(page[11:]) == reference


def test_a_month_without_lines() -> None:
    (page,) = read_texts(write_pdf(MERCHANT, "2026-03", []))
    assert page[-1] == "-"


def test_letters_that_the_fonts_lack_are_written_in_latin() -> None:
    line = {**dict.fromkeys(PDF_COLUMNS, ""), "reference": "Łódź-7"}
    (page,) = read_texts(write_pdf(MERCHANT, "2026-03", [line]))
    assert page[0] == "Óptica Dian: 2026-03"
    assert "Lódz-7" in page
