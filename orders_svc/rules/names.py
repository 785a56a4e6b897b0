"""Patients' names as they are searched: folded, in both orders."""

from collections.abc import Mapping

from optics.names import fold

# Two names of 50 characters, some of which become several characters when they are folded.
MAX_FOLDED_LENGTH = 400


def fold_patient_name(patient: Mapping[str, str]) -> dict[str, str]:
    """Return a patient's folded name in both orders, by column."""
    first, last = fold(patient["first_name"]), fold(patient["last_name"])
    return {
        "first_last": f"{first} {last}"[:MAX_FOLDED_LENGTH],
        "last_first": f"{last} {first}"[:MAX_FOLDED_LENGTH],
    }


def fold_search(text: str) -> str:
    """Return a search text as the names are folded: it is compared with their beginnings."""
    return fold(text)
