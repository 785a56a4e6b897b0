"""The letters of the fonts that every reader of PDF has."""

LETTERS = "latin-1"


def to_letters(text: str) -> str:
    """Return a text in these letters: what they lack is written in Latin ones."""
    from anyascii import anyascii

    return "".join(each if each.encode(LETTERS, "ignore") else anyascii(each) for each in text)
