"""Callers: authentication, and the dashboard user a call acts for."""

from chassis.context import Account, Call, get_caller, get_current_call
from chassis.errors import Fault, Forbidden, Invalid, Unauthenticated
from chassis.server.accounts import Authenticate, hash_secret
from chassis.server.server import Resources
from orders_svc.store import tables
from orders_svc.store.access import logins
from orders_svc.store.lookups import Lookups

SESSION_SCHEME = "session"
USER_EMAIL = "User-Email"
MISSING_TOKEN = (
    "The Authorization header is missing; send Authorization: Bearer <token>, with a token from "
    "POST /v1/oauth/token."
)
MALFORMED_TOKEN = "The Authorization header does not have the form Bearer <token>."


class Callers:
    """Accounts, sessions and users behind calls."""

    def __init__(self, resources: Resources) -> None:
        self.database = resources.database
        self.lookups = Lookups(resources.cache)
        self.now = resources.now
        self.authenticate_basic = tables.accounts.basic_authenticator(
            resources.cache, resources.now
        )

    def authenticate(self, call: Call) -> Account | None:
        """Return the calling account and set the call's actor; raises Unauthenticated.

        The scheme is Bearer, Basic (for direct gRPC callers) or Session. The actor is the user
        that the call names, or the one of its session.
        """
        call.actor = call.metadata.get("user-email", "")
        authorization = call.metadata.get("authorization", "")
        if not authorization:
            raise Unauthenticated(MISSING_TOKEN)
        scheme, _, token = authorization.partition(" ")
        if scheme.lower() == "basic":
            return self.authenticate_basic(call)
        if scheme.lower() == SESSION_SCHEME:
            return self.authenticate_session(call, token)
        if scheme.lower() != "bearer" or not token:
            raise Unauthenticated(MALFORMED_TOKEN)
        found = self.lookups.find_token(hash_secret(token))
        if found is None or found.expires_at <= self.now():
            raise Unauthenticated("The token is unknown or has expired; fetch a new one.")
        return found.account

    def authenticate_session(self, call: Call, token: str) -> Account:
        """Return the account of a session and make its user the call's actor."""
        with self.database.read() as tx:
            session = logins.find_session(tx, token, self.now())
        if session is None:
            raise Unauthenticated("The session is over; log in again.")
        call.actor, call.is_actor_known = session.email, True
        return session.account

    def find_acting_email(self) -> str:
        """Return the e-mail address of the user the call acts for; raises Invalid."""
        email = get_current_call().actor
        if not email:
            fault = Fault(USER_EMAIL, "Send the e-mail address of a dashboard user.")
            raise Invalid("User-Email is missing.", faults=[fault])
        return email

    def find_acting_user(self) -> int:
        """Return the id of the user the call acts for; raises Invalid or Forbidden."""
        user_id = self.lookups.find_user_id(get_caller(), self.find_acting_email())
        if user_id is None:
            fault = Fault(USER_EMAIL, "Must be the e-mail address of a user of this client.")
            raise Forbidden("User-Email is not a user of this client.", faults=[fault])
        get_current_call().is_actor_known = True
        return user_id


def build_authenticate(resources: Resources) -> Authenticate:
    """Return the authentication of every call."""
    return Callers(resources).authenticate
