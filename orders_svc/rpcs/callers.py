"""Who calls: authentication, and the dashboard user a call acts for."""

from collections.abc import Callable
from datetime import datetime

from chassis.context import Account, Call, caller, current_call
from chassis.errors import Fault, Forbidden, Invalid, Unauthenticated
from chassis.server.accounts import Authenticate, hash_secret
from orders_svc.store import logins, tables
from orders_svc.store.lookups import Lookups

SESSION_SCHEME = "session"
USER_EMAIL = "User-Email"


class Callers:
    """Accounts, sessions and users behind calls."""

    def __init__(self, lookups: Lookups, now: Callable[[], datetime]) -> None:
        self.lookups = lookups
        self.now = now
        self.authenticate_basic: Authenticate = tables.accounts.basic_authenticator(lookups.cache)

    def authenticate(self, call: Call) -> Account:
        """Return the calling account; raises Unauthenticated.

        The scheme is Bearer, Basic (for direct gRPC callers) or Session. A session stands for its
        user, whichever user the call names.
        """
        scheme, _, token = call.metadata.get("authorization", "").partition(" ")
        if scheme.lower() == "basic":
            account = self.authenticate_basic(call)
            assert account is not None
            return account
        if scheme.lower() == SESSION_SCHEME:
            return self.authenticate_session(call, token)
        found = self.lookups.find_token(hash_secret(token))
        if found is None or found.expires_at <= self.now():
            raise Unauthenticated("The token is unknown or has expired; fetch a new one.")
        return found.account

    def authenticate_session(self, call: Call, token: str) -> Account:
        """Return the account of a session and make its user the one the call acts for."""
        with self.lookups.cache.database.read() as tx:
            session = logins.find_session(tx, token, self.now())
        if session is None:
            raise Unauthenticated("The session is over; log in again.")
        call.metadata["user-email"] = session.email
        return session.account

    def acting_email(self) -> str:
        """Return the e-mail address of the user the call acts for; raises Invalid."""
        email = current_call().metadata.get("user-email", "")
        if not email:
            fault = Fault(USER_EMAIL, "Send the e-mail address of a dashboard user.")
            raise Invalid("User-Email is missing.", faults=[fault])
        return email

    def acting_user(self) -> int:
        """Return the id of the user the call acts for; raises Invalid or Forbidden."""
        user_id = self.lookups.find_user_id(caller(), self.acting_email())
        if user_id is None:
            fault = Fault(USER_EMAIL, "Must be the e-mail address of a user of this client.")
            raise Forbidden("User-Email is not a user of this client.", faults=[fault])
        return user_id
