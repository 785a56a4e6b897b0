"""Bearer tokens; only their hashes are stored."""

from datetime import datetime
from typing import NamedTuple

from sqlalchemy import Connection, bindparam, delete, select

from chassis.context import Account
from chassis.server.accounts import hash_secret
from chassis.store.database import add_if_absent
from orders_svc.store.tables import accounts, tokens

_FIND = (
    select(accounts.table.c.id, accounts.table.c.name, accounts.table.c.role, tokens.c.expires_at)
    .join(tokens, tokens.c.account_id == accounts.table.c.id)
    .where(
        tokens.c.token_hash == bindparam("token_hash"),
        accounts.table.c.revoked_at.is_(None),
    )
)


class Token(NamedTuple):
    """The account that a token stands for, and when it expires."""

    account: Account
    expires_at: datetime


def find_token(tx: Connection, token_hash: str) -> Token | None:
    """Return the token with this hash, unless its account is revoked."""
    row = tx.execute(_FIND, {"token_hash": token_hash}).first()
    return Token(Account(row.id, row.name, row.role), row.expires_at) if row else None


def add_token(
    tx: Connection, account: Account, token: str, now: datetime, expires_at: datetime
) -> bool:
    """Store a token and delete the account's expired ones; return whether it is new."""
    of_account = tokens.c.account_id == account.id
    tx.execute(delete(tokens).where(of_account, tokens.c.expires_at <= now))
    row = {"token_hash": hash_secret(token), "account_id": account.id, "expires_at": expires_at}
    return add_if_absent(tx, tokens, row)
