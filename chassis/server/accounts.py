"""The API accounts of a service: names, secrets and roles.

Secrets are random, shown once and stored as SHA-256: against 160 random bits a
slow hash would add no protection.
"""

import base64
import binascii
import hashlib
import hmac
import re
import secrets
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import Any

from marshmallow import Schema, fields, validate
from sqlalchemy import (
    Column,
    Connection,
    Integer,
    MetaData,
    Row,
    String,
    Table,
    bindparam,
    insert,
    select,
    update,
)

from chassis.context import Account, Call
from chassis.errors import AlreadyExists, Forbidden, Invalid, NotFound, Unauthenticated
from chassis.server.roles import CLIENT, ROLES
from chassis.store.database import Instant
from chassis.store.reference_cache import ReferenceCache

_NAME = re.compile(r"[A-Za-z0-9._-]{1,64}")
_WHOLE_NAME = re.compile(rf"{_NAME.pattern}\Z")
_WRONG_CREDENTIALS = "The name or the secret is wrong."
_MISSING_CREDENTIALS = (
    "The Authorization header is missing; send Authorization: Basic <name:secret in base64>."
)
_MALFORMED_CREDENTIALS = (
    "The Authorization header does not have the form Basic <name:secret in base64>."
)

Authenticate = Callable[[Call], Account | None]


def build_accounts_table(metadata: MetaData) -> Table:
    """The table of accounts, the same in each service."""
    return Table(
        "accounts",
        metadata,
        Column("id", Integer, primary_key=True),
        Column("name", String(64), nullable=False, unique=True),
        Column("secret_hash", String(64), nullable=False),
        Column("role", String(16), nullable=False),
        Column("created_at", Instant(), nullable=False),
        Column("revoked_at", Instant()),
    )


def hash_secret(secret: str) -> str:
    """The stored form of a secret."""
    return hashlib.sha256(secret.encode()).hexdigest()


class Accounts:
    """The accounts in one service's database."""

    def __init__(self, table: Table) -> None:
        self.table = table
        self._by_name = select(table.c.id, table.c.name, table.c.role, table.c.secret_hash).where(
            table.c.name == bindparam("name"), table.c.revoked_at.is_(None)
        )

    def add(self, tx: Connection, name: str, role: str, secret: str | None = None) -> str:
        """Add an account; returns its secret, which is not stored."""
        check_account(name, role)
        if tx.execute(select(self.table.c.id).where(self.table.c.name == name)).first():
            raise AlreadyExists("An account has this name; revoked names are not used again.")
        secret = secret or secrets.token_urlsafe(32)
        row = {"name": name, "role": role, "secret_hash": hash_secret(secret)}
        tx.execute(insert(self.table).values(**row, created_at=datetime.now(UTC)))
        return secret

    def put(self, tx: Connection, name: str, role: str, secret: str) -> None:
        """Add or update an account of reference data; a revoked one stays revoked."""
        values = {"role": role, "secret_hash": hash_secret(secret)}
        by_name = self.table.c.name == name
        if not tx.execute(update(self.table).where(by_name).values(**values)).rowcount:
            self.add(tx, name, role, secret)

    def ids(self, tx: Connection) -> dict[str, int]:
        """Account ids by name."""
        return {name: id_ for id_, name in tx.execute(select(self.table.c.id, self.table.c.name))}

    def name(self, tx: Connection, account_id: int) -> str:
        """The name of an account."""
        query = select(self.table.c.name).where(self.table.c.id == account_id)
        name: str = tx.execute(query).scalar_one()
        return name

    def all(self, tx: Connection) -> Sequence[Row[Any]]:
        """Every account, revoked ones included, by name."""
        return tx.execute(select(self.table).order_by(self.table.c.name)).all()

    def revoke(self, tx: Connection, name: str, now: datetime) -> None:
        """Revoke an account; its next call is refused."""
        live = (self.table.c.name == name) & self.table.c.revoked_at.is_(None)
        if not tx.execute(update(self.table).where(live).values(revoked_at=now)).rowcount:
            raise NotFound("No live account has this name.")

    def authenticate(self, tx: Connection, name: str, secret: str) -> Account:
        """The live account with this name and secret; raises Unauthenticated."""
        row = tx.execute(self._by_name, {"name": name}).first() if _NAME.fullmatch(name) else None
        expected = row.secret_hash if row else hash_secret("")
        if not hmac.compare_digest(expected, hash_secret(secret)) or row is None:
            raise Unauthenticated(_WRONG_CREDENTIALS)
        return Account(row.id, row.name, row.role)

    def basic_authenticator(self, cache: ReferenceCache) -> Authenticate:
        """Authentication by HTTP Basic in the metadata `authorization`, through a cache."""

        def authenticate(call: Call) -> Account:
            header = call.metadata.get("authorization", "")
            return cache.get(
                ("basic", hash_secret(header)),
                lambda tx: self.authenticate(tx, *read_basic_credentials(header)),
            )

        return authenticate


class AccountSchema(Schema):
    """An account in reference data, with its secret."""

    name = fields.String(required=True, validate=validate.Regexp(_WHOLE_NAME))
    secret = fields.String(required=True, validate=validate.Length(16, 255))
    role = fields.String(load_default=CLIENT, validate=validate.OneOf(ROLES))


def read_basic_credentials(authorization: str) -> tuple[str, str]:
    """The name and secret in an HTTP Basic header; raises Unauthenticated."""
    if not authorization:
        raise Unauthenticated(_MISSING_CREDENTIALS)
    scheme, _, packed = authorization.partition(" ")
    try:
        name, colon, secret = base64.b64decode(packed, validate=True).decode().partition(":")
    except (binascii.Error, UnicodeDecodeError, ValueError):
        raise Unauthenticated(_MALFORMED_CREDENTIALS) from None
    if scheme.lower() != "basic" or not colon:
        raise Unauthenticated(_MALFORMED_CREDENTIALS)
    return name, secret


def check_account(name: str, role: str) -> None:
    """Raise Invalid for an invalid name or role."""
    if not _NAME.fullmatch(name):
        raise Invalid("An account name is 1-64 characters of A-Z a-z 0-9 . _ -")
    if role not in ROLES:
        raise Invalid(f"A role is one of {', '.join(ROLES)}.")


def require_role(account: Account, role: str) -> None:
    """Raise Forbidden unless the account has this role."""
    if account.role != role:
        raise Forbidden(f"This needs an account with role {role}.")
