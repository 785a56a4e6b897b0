"""Names are folded alike wherever they are searched."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from optics.names import fold, fold_words


@pytest.mark.parametrize(
    ("name", "folded"),
    [
        ("Łukasz", "lukasz"),
        ("Søren", "soren"),
        ("Đặng", "dang"),
        ("I\u015f\u0131k", "isik"),
        ("Ægir", "aegir"),
        ("André", "andre"),
        ("Andre\u0301", "andre"),
        ("Straße", "strasse"),
        ("Smith-Jones", "smith jones"),
        ("O'Neil", "oneil"),
        ("O\u2019Neil", "oneil"),
        ("O\u00b4Neil", "oneil"),
        ("Da\u00adtum", "datum"),
        ("  Ada\tB  ", "ada b"),
        ("Иванов", "ivanov"),
        ("א", "א"),
        ("---", ""),
        ("", ""),
    ],
)
def test_a_name_is_folded(name: str, folded: str) -> None:
    assert fold(name) == folded


def test_names_are_split_into_words() -> None:
    assert fold_words("Jean-Luc d'Arc") == ["jean", "luc", "darc"]


@given(st.text(st.characters(max_codepoint=127)))
def test_ascii_is_folded_as_every_other_text(text: str) -> None:
    assert [*fold_words(text), "x"] == fold_words(f"{text} \N{CIRCLED LATIN SMALL LETTER X}")


@given(st.text(max_size=30))
def test_folding_twice_changes_nothing(text: str) -> None:
    assert fold(fold(text)) == fold(text)


@given(st.text(max_size=30), st.text(max_size=5))
def test_a_beginning_finds_its_word(word: str, rest: str) -> None:
    """What begins with a text, begins so when it is folded, unless a mark joins the two."""
    folded, longer = "".join(fold_words(word)), "".join(fold_words(word + "x" + rest))
    assert longer.startswith(folded)
