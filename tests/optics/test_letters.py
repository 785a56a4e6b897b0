"""Texts in the letters of the fonts that every reader of PDF has."""

from optics.letters import to_letters


def test_what_the_fonts_lack_is_written_in_latin() -> None:
    assert to_letters("Łukasz Müller, Ωmega, 山田 €5") == "Lukasz Müller, Omega, ShanTian EUR5"
