"""The API accounts of a service: names, secrets and roles.

Secrets are random, shown once and stored as SHA-256: against 160 random bits a
slow hash would add no protection. A secret that was rotated away stays valid for
the overlap, beside its successor, and is never accepted from a file again.
"""

import base64
import binascii
import hashlib
import hmac
import re
import secrets
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple

from marshmallow import Schema, ValidationError, fields, validate
from sqlalchemy import (
    Column,
    Connection,
    ForeignKey,
    Integer,
    MetaData,
    Row,
    String,
    Table,
    bindparam,
    func,
    insert,
    select,
    update,
)

from chassis.context import Account, Call, utc_now
from chassis.errors import AlreadyExists, Forbidden, Invalid, NotFound, Unauthenticated
from chassis.settings.roles import CLIENT, ROLES
from chassis.settings.strength import MAX_SECRET_LENGTH, MIN_SECRET_LENGTH, WEAK, is_weak
from chassis.store.database import Instant
from chassis.store.reference_cache import ReferenceCache

_NAME = re.compile(r"[A-Za-z0-9._-]{1,64}")
_WHOLE_NAME = re.compile(rf"{_NAME.pattern}\Z")
_WRONG_CREDENTIALS = "The name or the secret is wrong."
_REPLACED_SECRET = "The secret was replaced and is no longer valid; use the new one."
_ROTATED_AWAY = (
    "Was replaced by `accounts rotate`: remove it from the file, and the account keeps its secret."
)
_NEEDS_SECRET = "A new account needs one; or add the account with `accounts add`."
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


def build_old_secrets_table(metadata: MetaData) -> Table:
    """The table of secrets that were rotated away, the same in each service."""
    return Table(
        "old_secrets",
        metadata,
        Column("account_id", ForeignKey("accounts.id"), primary_key=True),
        Column("secret_hash", String(64), primary_key=True),
        Column("expires_at", Instant(), nullable=False),
    )


class Credentials(NamedTuple):
    """An account, and when the secret that was sent for it expires, if it does."""

    account: Account
    expires_at: datetime | None = None

    def check(self, now: datetime) -> Account:
        """Return the account; raises Unauthenticated for a secret that has expired."""
        if self.expires_at is not None and self.expires_at <= now:
            raise Unauthenticated(_REPLACED_SECRET)
        return self.account


class Accounts:
    """The accounts in one service's database."""

    def __init__(self, table: Table) -> None:
        self.table = table
        self.old_secrets = old = build_old_secrets_table(table.metadata)
        was_sent = (old.c.account_id == table.c.id) & (
            old.c.secret_hash == bindparam("secret_hash")
        )
        self._by_name = (
            select(table.c.id, table.c.name, table.c.role, table.c.secret_hash, old.c.expires_at)
            .select_from(table.outerjoin(old, was_sent))
            .where(table.c.name == bindparam("name"), table.c.revoked_at.is_(None))
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

    def load(self, tx: Connection, entries: Iterable[Mapping[str, Any]]) -> None:
        """Add or update the accounts of a reference file; raises ValidationError.

        Without a secret an existing account keeps its own.
        """
        ids = self.ids(tx)
        for index, entry in enumerate(entries):
            name, role, secret = entry["name"], entry["role"], entry["secret"]
            fault = None
            if secret is None:
                fault = None if name in ids else _NEEDS_SECRET
            elif name in ids and self._was_rotated_away(tx, ids[name], secret):
                fault = _ROTATED_AWAY
            if fault:
                raise ValidationError({"accounts": {index: {"secret": [fault]}}})
            if secret is None:
                tx.execute(update(self.table).where(self.table.c.name == name).values(role=role))
            else:
                self.put(tx, name, role, secret)

    def rotate(
        self,
        tx: Connection,
        name: str,
        overlap: timedelta,
        now: datetime,
        secret: str | None = None,
    ) -> str:
        """Replace the secret of a live account; returns the new one, which is not stored.

        All earlier secrets are valid until the overlap is over, or until they expire before.
        """
        live = (self.table.c.name == name) & self.table.c.revoked_at.is_(None)
        found = tx.execute(select(self.table).where(live).with_for_update()).first()
        if found is None:
            raise NotFound("No live account has this name.")
        secret = secret or secrets.token_urlsafe(32)
        secret_hash, until = hash_secret(secret), now + overlap
        if secret_hash == found.secret_hash or self._was_rotated_away(tx, found.id, secret):
            raise AlreadyExists("The account has, or had, this secret; choose another one.")
        old = self.old_secrets
        later = (old.c.account_id == found.id) & (old.c.expires_at > until)
        tx.execute(update(old).where(later).values(expires_at=until))
        row = {"account_id": found.id, "secret_hash": found.secret_hash, "expires_at": until}
        tx.execute(insert(old).values(row))
        tx.execute(update(self.table).where(live).values(secret_hash=secret_hash))
        return secret

    def list_overlaps(self, tx: Connection, now: datetime) -> dict[int, datetime]:
        """Return by account id until when an old secret is valid, where one is."""
        old = self.old_secrets.c
        until = func.max(old.expires_at).label("until")
        query = select(old.account_id, until).where(old.expires_at > now)
        return {row.account_id: row.until for row in tx.execute(query.group_by(old.account_id))}

    def find_by_secrets(self, tx: Connection, known: Iterable[str], now: datetime) -> list[str]:
        """Return the names of live accounts for which one of these secrets is valid."""
        hashes, old = [hash_secret(each) for each in known], self.old_secrets.c
        is_valid_old = old.secret_hash.in_(hashes) & (old.expires_at > now)
        query = select(self.table.c.name).where(
            self.table.c.revoked_at.is_(None),
            self.table.c.secret_hash.in_(hashes)
            | self.table.c.id.in_(select(old.account_id).where(is_valid_old)),
        )
        return list(tx.execute(query.order_by(self.table.c.name)).scalars())

    def _was_rotated_away(self, tx: Connection, account_id: int, secret: str) -> bool:
        old = self.old_secrets.c
        query = select(old.account_id).where(
            old.account_id == account_id, old.secret_hash == hash_secret(secret)
        )
        return tx.execute(query).first() is not None

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

    def find(self, tx: Connection, name: str, secret: str) -> Credentials:
        """The live account with this name and secret, current or old; raises Unauthenticated."""
        sent = hash_secret(secret)
        key = {"name": name, "secret_hash": sent}
        row = tx.execute(self._by_name, key).first() if _NAME.fullmatch(name) else None
        expected = row.secret_hash if row else hash_secret("")
        is_current = hmac.compare_digest(expected, sent)
        if row is None or not (is_current or row.expires_at):
            raise Unauthenticated(_WRONG_CREDENTIALS)
        account = Account(row.id, row.name, row.role)
        return Credentials(account, None if is_current else row.expires_at)

    def authenticate(self, tx: Connection, name: str, secret: str, now: datetime) -> Account:
        """The live account with this name and secret; raises Unauthenticated."""
        return self.find(tx, name, secret).check(now)

    def basic_authenticator(
        self, cache: ReferenceCache, now: Callable[[], datetime] = utc_now
    ) -> Authenticate:
        """Authentication by HTTP Basic in the metadata `authorization`, through a cache."""

        def authenticate(call: Call) -> Account:
            header = call.metadata.get("authorization", "")
            found = cache.get(
                ("basic", hash_secret(header)),
                lambda tx: self.find(tx, *read_basic_credentials(header)),
            )
            return found.check(now())

        return authenticate


def check_secret(secret: str) -> None:
    """Raise ValidationError for a secret that would be found by trying."""
    if len(secret) >= MIN_SECRET_LENGTH and is_weak(secret):
        raise ValidationError(WEAK)


class AccountSchema(Schema):
    """An account in reference data; without a secret it keeps the one that it has."""

    name = fields.String(required=True, validate=validate.Regexp(_WHOLE_NAME))
    secret = fields.String(
        load_default=None,
        validate=[validate.Length(MIN_SECRET_LENGTH, MAX_SECRET_LENGTH), check_secret],
    )
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
