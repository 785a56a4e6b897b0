"""What an error of a database means for the caller, and its name in the log."""

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy.exc import DBAPIError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from chassis.context import DEADLINE_PASSED, get_current_call
from chassis.errors import Busy, Overloaded, Refusal, TooLate
from chassis.store.sqlite import find_error_name, is_trouble


class Conflict(Busy):
    """The database rolled a transaction back in favour of another; nothing of it was done."""


@contextmanager
def translate_errors() -> Iterator[None]:
    """Turn transient database errors into Busy or Overloaded, or TooLate at the deadline."""
    try:
        yield
    except TimeoutError:
        raise Overloaded("Too many writes are waiting; try again.") from None
    except sqlite3.Error as error:  # of BEGIN, which the driver is told directly
        if refusal := _find_sqlite_refusal(error):
            raise refusal from error
        raise
    except PoolTimeout:
        raise Overloaded("No database connection is free; try again.") from None
    except DBAPIError as error:
        if refusal := _find_refusal(error):
            raise refusal from error
        raise


def _find_refusal(error: DBAPIError) -> Refusal | None:
    if isinstance(error.orig, sqlite3.Error):
        return _find_sqlite_refusal(error.orig)
    state = getattr(error.orig, "sqlstate", None) or ""
    if state in ("40001", "40P01"):
        return Conflict("Another request holds this; try again.")
    if state == "55P03":
        return Busy("Another request holds this; try again.")
    if state == "57014" and get_current_call().get_seconds_left() <= 0:
        return TooLate(DEADLINE_PASSED)  # the statement's time is the caller's: see `begin`
    if state == "25006":  # a standby, or one that was made read-only
        return Overloaded("The database cannot be written; try again.")
    unreachable = isinstance(error, OperationalError) and not state
    if unreachable or error.connection_invalidated or state[:2] in ("08", "53", "57"):
        return Overloaded("The database does not answer; try again.")
    return None


def _find_sqlite_refusal(error: sqlite3.Error) -> Refusal | None:
    if find_error_name(error).startswith(("SQLITE_BUSY", "SQLITE_LOCKED")):
        return Busy("Another process is writing; try again.")
    if is_trouble(error):
        return Overloaded("The database cannot be used; try again.")
    return None


def find_database_error(error: BaseException) -> str:
    """Return the database's name of what caused an error: SQLITE_FULL, or an SQLSTATE; or "".

    It is for the log: the text of such an error quotes values.
    """
    cause: BaseException | None = error
    while cause is not None:
        name = find_error_name(cause) or getattr(cause, "sqlstate", None)
        if name:
            return str(name)
        cause = cause.orig if isinstance(cause, DBAPIError) else cause.__cause__
    return ""
