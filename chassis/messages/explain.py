"""Why a request cannot be read, in sentences for the person who sent it."""

import json
import re
from codecs import BOM_UTF8, BOM_UTF16_BE, BOM_UTF16_LE, BOM_UTF32_BE
from collections.abc import Iterable, Mapping
from difflib import get_close_matches
from typing import Any

import msgspec

from chassis.errors import Fault

NOT_JSON = "The body is not JSON in UTF-8."
SECOND_MARK = "The body begins with a byte order mark; send it without one."
WIDE_MARK = "The body begins with a byte order mark of UTF-16 or UTF-32; send JSON in UTF-8."
OUT_OF_RANGE = "The body has a number that is out of range."
UNKNOWN = "Unknown field."
MAX_SUGGESTIONS = 10  # for one request; each compares a name with every field
MAX_NAME_LENGTH = 64  # of a name that is compared
LIKENESS = 0.7  # from 0 to 1, of names that may be meant
MAX_TRUNCATED_BYTES = 64 * 1024  # of a body that is read again for what its end lacks
_TYPES: dict[Any, str] = {str: "a string", bool: "a boolean", float: "a number"}
_OPERATOR = re.compile(r"_(gt|gte|lt|lte|from|to)\Z")
_BYTE = re.compile(r"malformed: (.*) \(byte (\d+)\)")
# The decoder's words, in this order, and ours.
_EXPECTED = (
    ("keys must be strings", "a key in double quotes was expected"),
    ("expected '\"'", "a key in double quotes was expected"),
    ("expected ':'", "a colon was expected"),
    ("or '}'", "a comma or a closing brace was expected"),
    ("or ']'", "a comma or a closing bracket was expected"),
    ("comma in object", "there is a comma before the closing brace"),
    ("comma in array", "there is a comma before the closing bracket"),
    ("trailing characters", "the end of the body was expected"),
    ("surrogate", "half of a surrogate pair has no other half"),
    ("escape", "there is no such escape"),
    ("number", "a number is malformed"),
    ("character", "a value was expected"),
)
# What the end of a body lacks, by the words of Python's decoder.
_LACKING = (
    ("Unterminated string", "the end of a string"),
    ("property name", "a key in double quotes"),
    ("':'", "a colon"),
    ("','", "a comma, or the end of an object or an array,"),
    ("value", "a value"),
)


def explain_json(body: bytes, error: Exception) -> str:
    """Return why a body is not JSON in UTF-8, with line and column where they are known."""
    if body.startswith(BOM_UTF8):
        return SECOND_MARK
    if body.startswith((BOM_UTF16_LE, BOM_UTF16_BE, BOM_UTF32_BE)):
        return WIDE_MARK
    if isinstance(error, UnicodeDecodeError):
        return _explain_encoding(body)
    if "out of range" in str(error):
        return OUT_OF_RANGE
    if "truncated" in str(error):
        return _explain_end(body)
    if found := _BYTE.search(str(error)):
        return _explain_position(body, found[1], min(int(found[2]), len(body)))
    return NOT_JSON


def explain_unreadable(body: bytes) -> str | None:
    """Say why a body is no JSON; None where it is, or is nested too deep to say."""
    try:
        msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        return explain_json(body, error)
    except RecursionError:
        return None
    return None


def explain_type(value: Any, kind: Any, *, strict: bool) -> str:
    """Return what a value must be and what it is, by the names of JSON's types.

    Not `strict`: the value is a text of a query string.
    """
    expected = _TYPES.get(kind, "an integer")
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        if expected == "a number":
            return "Must be a number from -1.8e308 to 1.8e308."
        if expected == "an integer":
            return _explain_integer(value, kind)
    if not strict:
        is_integer = isinstance(value, str) and re.fullmatch(r"-?[0-9]+", value)
        return _explain_integer(None, kind) if is_integer else f"Must be {expected}."
    return f"Must be {expected}, is {name_type(value)}."


def name_type(value: Any) -> str:
    """Return the name of a decoded value's type in JSON, with its article."""
    if value is None:
        return "null"
    names = {bool: "a boolean", str: "a string", list: "an array", dict: "an object"}
    return names.get(type(value), "a number")


def add_suggestions(
    faults: Iterable[Fault], shape: Mapping[str, Any], *, in_query: bool = False
) -> list[Fault]:
    """Return the faults; the first unknown fields ask whether a known one was meant."""
    suggested, left = [], MAX_SUGGESTIONS
    for fault in faults:
        found = fault
        if fault.message == UNKNOWN and left:
            left -= 1
            if near := _find_near(fault.path, shape):
                name = _OPERATOR.sub(r"[\1]", near) if in_query else near
                found = Fault(fault.path, f"Unknown field; did you mean `{name}`?")
        suggested.append(found)
    return suggested


def find_near_name(name: str, names: Iterable[str]) -> str | None:
    """Return the name that is most like this one, if one is."""
    if not 0 < len(name) <= MAX_NAME_LENGTH:
        return None
    return next(iter(get_close_matches(name.lower(), names, 1, LIKENESS)), None)


def _find_near(path: str, shape: Mapping[str, Any]) -> str | None:
    *parents, name = path.split(".")
    for parent in parents:
        if parent not in shape:
            if not parent.isdigit():
                return None
            continue
        inner = shape[parent][0]
        if not isinstance(inner, dict):
            return None
        shape = inner
    return find_near_name(name, shape)


def _explain_integer(value: float | None, kind: Any) -> str:
    bounds = kind.__metadata__[0]
    if isinstance(value, float) and bounds.ge <= value <= bounds.le:
        return "Must be an integer, is a number with a fraction."
    return f"Must be an integer from {bounds.ge} to {bounds.le}."


def _explain_position(body: bytes, words: str, at: int) -> str:
    expected = next((ours for theirs, ours in _EXPECTED if theirs in words), "it is malformed")
    if "comma in" in words:
        at = len(body[:at].rstrip()) - 1
    elif "trailing characters" in words:
        at -= 1
    elif "invalid character" in words and body[at : at + 1] < b" " and at < len(body):
        expected = "a control character must be escaped"
    return f"The body is not JSON at {_locate(body, at)}: {expected}."


def _explain_encoding(body: bytes) -> str:
    try:
        body.decode()
    except UnicodeDecodeError as error:
        byte = body[error.start]
        return f"The body is not UTF-8 at {_locate(body, error.start)}: byte 0x{byte:02X}."
    return NOT_JSON


def _explain_end(body: bytes) -> str:
    lacking = "more"
    if len(body) <= MAX_TRUNCATED_BYTES:
        try:
            json.loads(body, parse_int=bool, parse_float=bool)
        except json.JSONDecodeError as error:
            lacking = next((ours for theirs, ours in _LACKING if theirs in error.msg), lacking)
        except (UnicodeDecodeError, RecursionError):
            pass
        else:  # Python's decoder has no objection to them
            return "The body is not JSON: half of a surrogate pair has no other half."
    return f"The body ends too early, at {_locate(body, len(body))}: {lacking} was expected."


def _locate(body: bytes, at: int) -> str:
    line = body.count(b"\n", 0, at) + 1
    begin = body.rfind(b"\n", 0, at) + 1
    return f"line {line}, column {len(body[begin:at].decode(errors='replace')) + 1}"
