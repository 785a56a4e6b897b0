"""Texts that a field of one line, or of paragraphs, cannot hold."""

import unicodedata
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chassis.messages.texts import (
    CONTROL,
    DIRECTION,
    INVISIBLE,
    ONE_LINE,
    are_plain,
    find_text_fault,
    find_text_faults,
)

KEPT = [
    "", " ", "  ", "\u00a0", "\u3000",  # white space alone is for the field's own rules to refuse
    "Ada", "O\u2019Neil", "Andre\u0301", "\u7530\u4e2d", "Zo\u00eb \U0001f453",
    "\u0645\u06cc\u200c\u062e\u0648\u0627\u0647\u0645",  # Persian, with a non-joiner
    "\u0915\u094d\u200d\u0937",  # Devanagari, with a joiner
    "Zero\u200bWidth", "\u05d3\u05d5\u05d3\u200e (2)", "\u0301", "\ufeffAda",
    "\U0001f468\u200d\U0001f469\u200d\U0001f467",
]  # fmt: skip
REFUSED = [
    ("Ada\0", CONTROL), ("\x1b[31m", CONTROL), ("\x7f", CONTROL), ("a\x0bb", CONTROL),
    ("Ada\nB", ONE_LINE), ("Ada\r\nB", ONE_LINE), ("Ada\tB", ONE_LINE), ("Ada\x85B", ONE_LINE),
    ("Ada\u2028B", ONE_LINE), ("Ada\u2029B", ONE_LINE), ("\n", ONE_LINE),
    *((f"Ada{chr(each)}B", DIRECTION) for each in (*range(0x202A, 0x202F), *range(0x2066, 0x206A))),
    *((text, INVISIBLE) for text in (
        "\u200b", "\u3164\u3164", "\u2800", "\u200d", "\u00ad", "\ufeff", " \u200b ",
        "\u115f\u1160", "\uffa0", "\u2060\u2064", "\ufe0f", "\u034f", "\u180e", "\x9b",
        "\U000e0020",
    )),
]  # fmt: skip


@pytest.mark.parametrize("text", KEPT)
def test_what_people_are_called_is_kept(text: str) -> None:
    assert find_text_fault(text, one_line=True) is None
    assert find_text_fault(text, one_line=False) is None
    assert are_plain({"name": text})


@pytest.mark.parametrize(("text", "fault"), REFUSED)
def test_what_breaks_or_hides_a_line_is_refused(text: str, fault: str) -> None:
    assert find_text_fault(text, one_line=True) == fault
    assert not are_plain({"name": text})
    expected = None if fault in (ONE_LINE, DIRECTION) else fault
    assert find_text_fault(text, one_line=False) == expected


def test_faults_are_found_by_path() -> None:
    values: dict[str, Any] = {
        "name": "a\tb",
        "note": "a\tb",
        "free": "\0",
        "list": ["a", "\u200b"],
        "inner": {"list": [{"name": "\u202e"}, {"name": "ok"}], "number": 1},
    }
    found = {
        fault.path: fault.message
        for fault in find_text_faults(values, raw={"free"}, paragraphs={"note"})
    }
    assert found == {"name": ONE_LINE, "list.1": INVISIBLE, "inner.list.0.name": DIRECTION}
    assert not are_plain(values)


# By the database of this Python: letters, marks that are drawn, numbers, punctuation, symbols.
VISIBLE = {"L", "N", "P", "S"}
BLANK_LETTERS = set("\u115f\u1160\u3164\uffa0\u2800\U0001d159")


@given(st.text())
def test_a_kept_line_has_one_line_and_something_to_see(text: str) -> None:
    if find_text_fault(text, one_line=True) is not None or not text or text.isspace():
        return
    assert len(text.splitlines()) == 1
    assert not any(unicodedata.bidirectional(each) in ("LRO", "RLO") for each in text)
    assert any(unicodedata.category(each) not in ("Cc", "Cf", "Zs", "Zl", "Zp") for each in text)


@given(st.text(min_size=1))
def test_a_text_with_a_letter_is_not_invisible(text: str) -> None:
    if any(unicodedata.category(each)[0] in VISIBLE for each in set(text) - BLANK_LETTERS):
        assert find_text_fault(text, one_line=True) != INVISIBLE


@given(
    st.text(), st.sampled_from("\t\n\r\u0085\u2028\u2029\u202a\u202e\u2066\u2069\0\x1c"), st.text()
)
def test_one_bad_character_anywhere_is_found(before: str, bad: str, after: str) -> None:
    text = before + bad + after
    assert find_text_fault(text, one_line=True)
    assert not are_plain({"list": [{"text": text}]})
