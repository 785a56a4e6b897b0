"""If-Match: the versions of a row that a caller lets a change apply to.

The version counts the changes of a row. A read reports it (`report_version`), the gateway makes it
an ETag (`"v7"`), and a change compares it in the WHERE of its UPDATE.
"""

import re
from collections.abc import Collection

from sqlalchemy import ColumnElement, true

from chassis.context import get_current_call
from chassis.errors import VERSION_MISMATCH, WrongState

IF_MATCH_KEY = "if-match"
ANY_VERSION = "*"
_TAG = re.compile(r'(?<!/)"v([0-9]{1,9})"')  # a weak tag (W/"v7") matches nothing
MISMATCH_TEXT = (
    "The ETag in If-Match is not the one of the current version: "
    "GET it again, and apply the change to that."
)


def report_version(version: int) -> None:
    """Report the version of the row that the call at hand returns."""
    get_current_call().version = version


def read_versions() -> frozenset[int] | None:
    """Return the versions in the call's If-Match; None where any will do."""
    sent = get_current_call().metadata.get(IF_MATCH_KEY)
    if sent is None or sent.strip() == ANY_VERSION:
        return None
    return frozenset(int(each) for each in _TAG.findall(sent))


def has_version(
    column: ColumnElement[int], versions: Collection[int] | None
) -> ColumnElement[bool]:
    """Return the condition that the row has one of these versions."""
    return true() if versions is None else column.in_(sorted(versions))


def check_version(version: int, versions: Collection[int] | None) -> None:
    """Raise WrongState (VERSION_MISMATCH) unless the version is one of these."""
    if versions is not None and version not in versions:
        raise WrongState(MISMATCH_TEXT, reason=VERSION_MISMATCH)
