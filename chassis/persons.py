"""A person's rights: what a service keeps of a person, exported and erased.

A service defines `Persons` over its own tables; the ids are those of the rows that concern one
person. Erasing blanks personal fields and keeps the rows, their
counts and their money. Retention erases what ended long ago in the same way.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from chassis.context import Call, begin_call, end_call, generate_request_id
from chassis.errors import Fault, Invalid, NotFound
from chassis.store.encryption.keyring import Unopenable
from chassis.telemetry import describe, log

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sqlalchemy import Connection

    from chassis.store.database import Database

EMAIL, PHONE, USER_KEY, NIN, PERSON_REF = KINDS = (
    "email",
    "phone",
    "user_key",
    "nin",
    "person_ref",
)
MAX_REF_LENGTH = 64  # of a person_ref
SCAN_BATCH = 5000  # rows that one query compares
ERASE_BATCH = 100  # rows that retention erases in one transaction
RETENTION_ACTOR = "retention"
Find = Callable[["Connection", str, str, str | None], list[str]]


@dataclass(frozen=True)
class Persons:
    """How a service finds, exports and erases what it keeps of a person."""

    kinds: tuple[str, ...]  # of KINDS: what it knows a person by
    # The rows of a person by one kind of value, of all owners or of one.
    find: Find
    export: Callable[["Connection", Sequence[str]], dict[str, Any]]
    # Erases rows; of those that have not ended only `open_too`.
    erase: Callable[["Connection", Sequence[str], datetime, bool], None]
    # Erases rows that ended longer ago than answers are kept under idempotency keys.
    erase_ended: Callable[["Connection", Sequence[str], datetime], object]
    # Rows after an id that ended before a moment and are not erased, at most so many.
    find_old: Callable[["Connection", datetime, str, int], list[str]]


def build_matcher(kind: str, value: str) -> Callable[[str | None], bool]:
    """Return a function that tells whether a stored value is the one that is looked for.

    E-mail addresses are compared regardless of case, phones by their digits, identity numbers by
    their letters and digits.
    """
    wanted = _normalize(kind, value)
    if not wanted:
        raise Invalid("The value is empty.", faults=[Fault(kind, "Must not be empty.")])
    return lambda stored: stored is not None and _normalize(kind, stored) == wanted


def _normalize(kind: str, value: str) -> str:
    if kind == PHONE:
        return "".join(each for each in value if each.isdecimal()).lstrip("0")
    if kind == NIN:
        return "".join(each for each in value if each.isalnum()).upper()
    return value.strip().casefold()


def ensure_one_owner(kind: str, owners: Iterable[str]) -> None:
    """Raise Invalid for a value that several owners use, each for a person of its own."""
    if len(names := sorted(set(owners))) > 1:
        fault = Fault(kind, f"Several use it: name one of {', '.join(names)}.")
        raise Invalid("The value is not of one person.", faults=[fault])


def find_person(
    database: "Database", persons: Persons, kind: str, value: str, owner: str | None
) -> list[str]:
    """Return the ids of what is kept of a person; raises NotFound or Invalid."""
    if kind not in persons.kinds:
        known = ", ".join(persons.kinds)
        fault = Fault(kind, f"This service knows persons by: {known}.")
        raise Invalid("This service does not know persons by that.", faults=[fault])
    return find_rows(database, persons.find, {kind: value, "owner": owner}, "owner")


def find_rows(database: "Database", find: Find, values: Mapping[str, Any], owner: str) -> list[str]:
    """Return the ids of what is kept of the person that valid values name; raises NotFound.

    `owner` is the field of the rows' owner. Every row is compared, in batches:
    nothing has an index for it.
    """
    kind = next(kind for kind in KINDS if kind in values)
    with database.stream() as tx:
        ids = find(tx, kind, values[kind], values.get(owner))
    if not ids:
        raise NotFound("Nothing is kept of such a person.")
    return ids


def erase_old(database: "Database", persons: Persons, retention: timedelta, now: datetime) -> int:
    """Erase what ended longer ago than the retention; returns how many rows."""
    after, erased = "", 0
    while True:
        with database.read() as tx:
            ids = persons.find_old(tx, now - retention, after, ERASE_BATCH)
        if not ids:
            return erased
        after, erased = ids[-1], erased + _erase_ended(database, persons, ids, now)


def _erase_ended(database: "Database", persons: Persons, ids: Sequence[str], now: datetime) -> int:
    """Erase rows that ended; returns how many. A damaged one is logged, and stays alone."""
    try:
        with acting(RETENTION_ACTOR, "persons erase"), database.write() as tx:
            persons.erase_ended(tx, ids, now)
    except Unopenable as error:
        if len(ids) == 1:
            log().error("row not erased", reason=ids[0], **describe(error))
            return 0
        return sum(_erase_ended(database, persons, [each], now) for each in ids)
    return len(ids)


@contextmanager
def acting(actor: str, what: str) -> "Iterator[Call]":
    """Make this thread act as nobody's call, so that the audit trail has an entry of it."""
    call = Call(what, generate_request_id(), {}, actor=actor, is_actor_known=True)
    begin_call(call)
    try:
        yield call
    finally:
        end_call()
