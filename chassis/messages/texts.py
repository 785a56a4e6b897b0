"""Texts of a request: control characters, line breaks, turned direction, invisible characters.

A text is of one line unless its field holds paragraphs. Joiners within a word (U+200C, U+200D)
belong to Persian and Indic names and stay, as do marks of direction that turn nothing (U+200E).
"""

import re
from collections.abc import Collection, Iterator, Mapping
from typing import Any

from chassis.errors import Fault

CONTROL = "Control characters are not allowed."
ONE_LINE = "Must be on one line, without tabs."
DIRECTION = "Must not have characters that turn the direction of the text, such as U+202E."
INVISIBLE = "Must not consist of invisible characters."

_CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]")
_BREAK = re.compile(r"[\t\n\r\x85\u2028\u2029]")
_TURN = re.compile(r"[\u202a-\u202e\u2066-\u2069]")
# White space, Default_Ignorable_Code_Point of Unicode 16, and characters that are drawn as nothing:
# the blank of Braille (U+2800), annotation marks (U+FFF9), a note without a head (U+1D159).
_INVISIBLE = re.compile(
    r"[\s\x80-\x9f\xad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b-\u200f\u202a-\u202e"
    r"\u2060-\u206f\u2800\u3164\ufe00-\ufe0f\ufeff\uffa0\ufff0-\ufffb"
    r"\U0001bca0-\U0001bca3\U0001d159\U0001d173-\U0001d17a\U000e0000-\U000e0fff]+\Z"
)


def find_text_faults(
    value: Any, path: str = "", raw: Collection[str] = (), paragraphs: Collection[str] = ()
) -> Iterator[Fault]:
    """Yield a fault for each text that its field cannot hold; texts at `raw` may be anything."""
    if isinstance(value, str):
        fault = None if path in raw else find_text_fault(value, one_line=path not in paragraphs)
        if fault:
            yield Fault(path, fault)
    elif isinstance(value, dict):
        for name, each in value.items():
            inner = f"{path}.{name}" if path else name
            yield from find_text_faults(each, inner, raw, paragraphs)
    elif isinstance(value, list):
        for index, each in enumerate(value):
            yield from find_text_faults(each, f"{path}.{index}", raw, paragraphs)


def find_text_fault(text: str, *, one_line: bool) -> str | None:
    """Return what is wrong with a text; white space alone is left to the rules of its field."""
    if _is_plain(text):
        return None
    if _CONTROL.search(text):
        return CONTROL
    if one_line and _BREAK.search(text):
        return ONE_LINE
    if one_line and _TURN.search(text):
        return DIRECTION
    return INVISIBLE if _INVISIBLE.match(text) and not text.isspace() else None


def are_plain(values: Mapping[Any, Any]) -> bool:
    """Whether no text can have a fault: a fast check that most requests pass."""
    for value in values.values():
        if isinstance(value, str):
            if not _is_plain(value) and find_text_fault(value, one_line=True):
                return False
        elif isinstance(value, dict):
            if not are_plain(value):
                return False
        elif isinstance(value, list) and not are_plain(dict(enumerate(value))):
            return False
    return True


def _is_plain(text: str) -> bool:
    """Whether a text is ASCII that can be printed, as most are."""
    return text.isascii() and text.isprintable()
