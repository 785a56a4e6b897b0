"""Names of patients as they are searched: without capitals, accents and marks."""

from collections.abc import Mapping

from optics.names import fold

# Of two names of 50 characters; some become several characters when they are folded.
LONGEST = 400


def searched(patient: Mapping[str, str]) -> dict[str, str]:
    """A patient's name in both orders, by column."""
    first, last = fold(patient["first_name"]), fold(patient["last_name"])
    return {
        "first_last": f"{first} {last}"[:LONGEST],
        "last_first": f"{last} {first}"[:LONGEST],
    }
