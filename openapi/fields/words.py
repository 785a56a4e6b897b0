"""What the comment of a field says in words: its range, its allowed values, its unit, its form."""

import re
from collections.abc import Mapping
from typing import Any

Constraints = dict[str, Any]
ASIDE = re.compile(r" \([^)]*\)")
NUMBER = r"(-?\d+(?:\.\d+)?)"
RANGE = re.compile(rf"(?<![\w.]){NUMBER}(?:-| to ){NUMBER}(?![\w-])")
FROM = re.compile(rf"(?<![\w.]){NUMBER} or more")
COUNTED = re.compile(r"\b(?:from|From|Counted from) (\d)\b")
AT_MOST = re.compile(r"at most ([\d,]+) characters")
QUOTED = re.compile(r'^(?:Only )?"[\w-]+"(?:(?:, | or |,? or )"[\w-]+")*')
LISTED = re.compile(
    r"(?:^|: )((?:[a-z]\w*, )*[a-z]\w* or [a-z]\w*)(?= ?[.(:]|\.? ?$|, or absent|: )"
)
PLAIN_WORD = re.compile(r"^([a-z]+_[a-z]+_subscription)\.$")
# In this order: the first that a comment has is its unit.
UNITS = (
    ("prism dioptres", "prism dioptres"),
    ("Prism dioptres", "prism dioptres"),
    ("dioptres", "dioptres"),
    ("Dioptres", "dioptres"),
    ("degrees", "degrees"),
    (" mm", "mm"),
    ("Hundredths of a percent", "0.01 %"),
    ("Minor units", "minor units of the currency"),
    ("smallest currency unit", "minor units of the currency"),
    ("in seconds", "s"),
    ("this second", "s"),
    ("Months", "months"),
    ("months", "months"),
    ("minutes of arc", "logMAR"),
    ("logMAR", "logMAR"),
)
FORMATS = (
    (re.compile(r"\bUUID\b"), {"format": "uuid"}),
    (re.compile(r"E-mail address"), {"format": "idn-email"}),
    (re.compile(r"^(The shopper's e-mail address)"), {"format": "idn-email"}),
    (re.compile(r"YYYY-MM-DD|^Day (of|on)|^Last valid day"), {"format": "date"}),
    (re.compile(r"^(Review page|The URL)"), {"format": "uri"}),
)


def read_number(comment: str) -> Constraints:
    """Return the bounds that a comment states for a number."""
    comment = ASIDE.sub("", comment)
    if comment.startswith("0 before"):
        return {"minimum": 0}
    if found := RANGE.search(comment):
        return {"minimum": _parse(found[1]), "maximum": _parse(found[2])}
    if found := FROM.search(comment):
        return {"minimum": _parse(found[1])}
    if "more than 0" in comment:
        return {"minimum": 1}
    if found := COUNTED.search(comment):
        return {"minimum": _parse(found[1])}
    return {}


def read_text(comment: str) -> Constraints:
    """Return the values, the form or the length that a comment states for a text."""
    if words := read_values(comment):
        return {"enum": words}
    for pattern, form in FORMATS:
        if pattern.search(comment):
            return dict(form)
    if found := AT_MOST.search(comment):
        return {"maxLength": int(found[1].replace(",", ""))}
    if found := re.match(r"(\d+)-(\d+) characters", comment):
        return {"minLength": int(found[1]), "maxLength": int(found[2])}
    return {}


def read_values(comment: str) -> list[str]:
    """Return the words of which a text is one."""
    first = ASIDE.sub("", comment.split("\n")[0])
    if found := QUOTED.match(first):
        return re.findall(r'"([\w-]+)"', found[0])
    if found := LISTED.search(first):
        return re.split(r", | or ", found[1])
    if found := PLAIN_WORD.match(first):
        return [found[1]]
    return []


def read_unit(comment: str) -> str | None:
    """Return the unit that a comment names."""
    return next((unit for word, unit in UNITS if word in comment), None)


def read_file_units(header: str) -> Mapping[str, str]:
    """Return the units that a file's header states, by field."""
    found = re.search(r"Units: (.*?)\. ", header.replace("\n", " ") + " ")
    units: dict[str, str] = {}
    for clause in found[1].split(";") if found else ():
        unit, _, names = clause.partition(" for ")
        unit = "mm" if unit.strip() == "millimetres" else unit.strip()
        units |= dict.fromkeys(re.findall(r"\w+", names), unit)
    return units


def _parse(text: str) -> float | int:
    return float(text) if "." in text else int(text)
