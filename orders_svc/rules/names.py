"""Patients' names as they are searched: folded, in both orders, and by each word of the surname."""

from collections.abc import Mapping

from optics.names import fold, fold_words

# Two names of 50 characters, some of which become several characters when they are folded.
MAX_FOLDED_LENGTH = 400
MAX_FURTHER_WORDS = 8
MAX_WORDS = 16  # of both names, where they are hashed


def fold_patient_name(patient: Mapping[str, str]) -> dict[str, str]:
    """Return a patient's folded name in both orders, by column."""
    first, last = fold(patient["first_name"]), fold(patient["last_name"])
    return {
        "first_last": f"{first} {last}"[:MAX_FOLDED_LENGTH],
        "last_first": f"{last} {first}"[:MAX_FOLDED_LENGTH],
    }


def list_further_names(patient: Mapping[str, str]) -> list[str]:
    """Return a folded name from each further word of the surname on; most names have none.

    Ann Smith-Jones is found by "jones ann" besides.
    """
    first, last = (fold_words(patient[name]) for name in ("first_name", "last_name"))
    found = [
        " ".join((*last[at:], *first))[:MAX_FOLDED_LENGTH]
        for at in range(1, min(len(last), MAX_FURTHER_WORDS + 1))
    ]
    return list(dict.fromkeys(found))


def fold_search(text: str) -> str:
    """Return a search text as the names are folded: it is compared with their beginnings."""
    return fold(text)


def list_words(patient: Mapping[str, str]) -> list[str]:
    """Return each folded word of a patient's names; of a very long name the first ones."""
    words = [word for name in ("first_name", "last_name") for word in fold_words(patient[name])]
    return list(dict.fromkeys(word[:MAX_FOLDED_LENGTH] for word in words))[:MAX_WORDS]


def split_search(text: str) -> list[str]:
    """Return the folded words of a search text."""
    return list(dict.fromkeys(fold_words(text)))[:MAX_WORDS]
