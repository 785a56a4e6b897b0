"""Folding of names and other texts for search: one form for every spelling of a word."""

import unicodedata

from anyascii import anyascii

_APOSTROPHES = "'`\u2019\u02bc"
_ACUTE = "\u00b4"  # an apostrophe on Spanish keyboards, which decomposes to a blank
_ASCII = {
    ord(each): each.lower() if each.isalnum() else "" if each in _APOSTROPHES else " "
    for each in map(chr, range(128))
}


def fold(text: str) -> str:
    """Return the folded words of a text, joined by one blank.

    The beginning of a folded name is found by a folded beginning.
    """
    return " ".join(fold_words(text))


def fold_words(text: str) -> list[str]:
    """Return the words of a text without case, accents and marks, in Latin letters.

    Smith-Jones is two words, O'Neil is one. Łukasz folds to lukasz, Søren to soren, Đặng to dang.
    A letter without a Latin form stays what it is.
    """
    if text.isascii():  # most names; by far the faster way
        return text.translate(_ASCII).split()
    text = text.replace(_ACUTE, "")
    plain = unicodedata.normalize("NFKD", unicodedata.normalize("NFKD", text).casefold())
    return "".join(map(_fold_character, plain)).split()


def _fold_character(character: str) -> str:
    """Return a letter in Latin, nothing for a mark within a word, a blank for a separator."""
    if character.isascii() and character.isalnum():
        return character
    if character.isalnum():
        latin = "".join(filter(str.isalnum, anyascii(character).lower()))
        return latin or character
    within = unicodedata.combining(character) or unicodedata.category(character) == "Cf"
    return "" if within or character in _APOSTROPHES else " "
