"""CreateToken: issue a bearer token."""

from datetime import datetime

from sqlalchemy import Connection

from chassis.context import Account, get_current_call
from chassis.server.idempotency import derive_secret
from orders_svc.rules.credentials.tokens import TOKEN_LIFETIME
from orders_svc.store.access import tokens


def create_token(tx: Connection, account: Account, secret: str, now: datetime) -> str:
    """Store and return a token of the account.

    With an idempotency key the token is derived from the key and the account's secret, so that a
    repeated request returns the same one although only its hash is stored.
    """
    call = get_current_call()
    token = "tok_" + derive_secret(secret, call.idempotency_key)
    call.replayed = not tokens.add_token(tx, account, token, now, now + TOKEN_LIFETIME)
    return token
