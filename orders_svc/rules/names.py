"""Names of patients as they are searched: without capitals, accents and marks."""

import unicodedata
from collections.abc import Mapping

# Of two names of 50 characters; some become several characters when they are folded.
LONGEST = 400
APOSTROPHES = "'`\u2019\u02bc"


def fold(text: str) -> str:
    """A text for comparing: the beginning of a folded name is found by a folded beginning."""
    plain = unicodedata.normalize("NFKD", unicodedata.normalize("NFKD", text).casefold())
    return " ".join("".join(each if each.isalnum() else _gap(each) for each in plain).split())


def _gap(character: str) -> str:
    """Nothing for an accent or an apostrophe, a blank for what stands between words."""
    return "" if unicodedata.combining(character) or character in APOSTROPHES else " "


def searched(patient: Mapping[str, str]) -> dict[str, str]:
    """A patient's name in both orders, by column."""
    first, last = fold(patient["first_name"]), fold(patient["last_name"])
    return {
        "first_last": f"{first} {last}"[:LONGEST],
        "last_first": f"{last} {first}"[:LONGEST],
    }
