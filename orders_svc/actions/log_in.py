"""LogIn: begin a dashboard session."""

import secrets
from collections.abc import Mapping
from datetime import datetime
from typing import NamedTuple

from sqlalchemy import Connection

from chassis.context import get_current_call, note_ids
from chassis.errors import Unauthenticated
from chassis.store.conflicts import perform
from chassis.store.database import Database
from orders_svc.store.access import devices, logins
from orders_svc.store.access.users import NO_PASSWORD

TOO_MANY_ATTEMPTS = "TOO_MANY_ATTEMPTS"
WRONG_CREDENTIALS_TEXT = "The e-mail address or the password is wrong."
TOO_MANY_ATTEMPTS_TEXT = "There were too many attempts; try again in 15 minutes."


class LoggedIn(NamedTuple):
    """The tokens of a new session and of its device."""

    token: str
    device: str


def log_in(
    database: Database, login: Mapping[str, str], dummy_hash: str, now: datetime
) -> LoggedIn:
    """Begin a session and return its tokens; raises Unauthenticated.

    For a user who is unknown or has no password yet, it is checked against `dummy_hash`, so that
    the answer takes as long as for a wrong one. The action opens its own transactions: the attempt
    counts even if the login fails, and the slow comparison of the password holds no lock.
    """
    from werkzeug.security import check_password_hash

    email, device, replaces = login["email"], login["device"], login["replaces"]
    with database.read() as tx:
        trusted = devices.find_trusted(tx, email, device, replaces, now)
    attempt = logins.Attempt(email, login["address"], trusted)
    is_allowed = perform(database, lambda tx: logins.count_attempt(tx, attempt, now))
    if not is_allowed:
        raise Unauthenticated(TOO_MANY_ATTEMPTS_TEXT, reason=TOO_MANY_ATTEMPTS)
    with database.read() as tx:
        user = logins.find_user(tx, email)
    password_hash = (user.password_hash if user else NO_PASSWORD) or dummy_hash
    is_right = check_password_hash(password_hash, login["password"])
    if user is None or not is_right:
        raise Unauthenticated(WRONG_CREDENTIALS_TEXT)
    call = get_current_call()
    call.actor, call.is_actor_known = email, True
    note_ids(f"user_{user.id}")

    def begin(tx: Connection) -> LoggedIn:
        token = logins.begin_session(tx, user.id, attempt, replaces, now)
        return LoggedIn(token, devices.remember_device(tx, user.id, device, now))

    return perform(database, begin)


def generate_dummy_hash() -> str:
    """Return the hash of a random password, to be checked for unknown users."""
    from werkzeug.security import generate_password_hash

    return generate_password_hash(secrets.token_hex())
