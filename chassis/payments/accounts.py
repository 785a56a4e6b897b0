"""The accounts of owners at payment providers, part of the owners' reference data.

An owner without one records payments by hand. Keys are sealed where encryption is on.
"""

from collections.abc import Sequence
from typing import Any
from urllib.parse import urlsplit

from marshmallow import Schema, ValidationError, fields, validate
from sqlalchemy import (
    JSON,
    Column,
    Connection,
    MetaData,
    String,
    Table,
    bindparam,
    delete,
    insert,
    select,
    update,
)

from chassis.errors import MALFORMED, Invalid
from chassis.events.endpoints import check_url
from chassis.payments.calls import Caller
from chassis.payments.providers import WRONG_SIGNATURE, Account, Provider
from chassis.payments.stripe import API_URL, Stripe
from chassis.store.encryption.columns import Personal, personal_text

STRIPE = "stripe"
BY_HAND = "by_hand"  # how payments of an owner without an account are recorded
PROVIDERS = (STRIPE,)
MAX_CALLBACK_BYTES = 256 * 1024
MAX_CALLBACK_SECRETS = 4  # the current one, and others while they are exchanged
LOOPBACK = ("127.0.0.1", "::1", "localhost")
_SECRET = validate.Regexp(
    r"[!-~]{8,255}\Z", error="Must be 8 to 255 visible characters, as the provider shows it."
)


def choose_provider(account: Account, caller: Caller) -> Provider:
    """Return the adapter for an account."""
    return {STRIPE: Stripe}[account.provider](caller)


def _check_api_url(url: str) -> None:
    """Raise ValidationError unless keys can be sent there: over TLS, or to this machine."""
    check_url(url)
    parts = urlsplit(url)
    if parts.query or (parts.scheme == "http" and parts.hostname not in LOOPBACK):
        raise ValidationError("Must be an https URL without a query.")


class PaymentAccountSchema(Schema):
    """An account in reference data."""

    provider = fields.String(required=True, validate=validate.OneOf(PROVIDERS))
    api_url = fields.String(load_default=API_URL, validate=_check_api_url)
    secret_key = fields.String(required=True, validate=_SECRET)
    callback_secrets = fields.List(
        fields.String(validate=_SECRET),
        required=True,
        validate=validate.Length(1, MAX_CALLBACK_SECRETS),
    )


def account_field() -> fields.Nested:
    """The field `payment_account` of an owner; if absent, payments are recorded by hand."""
    return fields.Nested(PaymentAccountSchema, load_default=None)


class PaymentAccounts:
    """The accounts in one service's database."""

    def __init__(self, metadata: MetaData) -> None:
        self.table = Table(
            "payment_accounts",
            metadata,
            Column("owner", String(255), primary_key=True),
            Column("provider", String(16), nullable=False),
            Column("api_url", String(2000), nullable=False),
            Column("secret_key", personal_text(255), nullable=False),
            Column("callback_secrets", JSON, nullable=False),
        )
        self.personal = Personal(self.table, ["owner"], ["secret_key", "callback_secrets"])
        self._is_own = self.table.c.owner == bindparam("where_owner")
        self._find = select(self.table).where(self._is_own)

    def put(self, tx: Connection, owner: str, account: dict[str, Any] | None) -> None:
        """Add, change or (None) remove an owner's account; an equal one is left as it is."""
        key = {"where_owner": owner}
        if account is None:
            tx.execute(delete(self.table).where(self._is_own), key)
            return
        found = self.find(tx, owner)
        wanted = Account(
            **{**account, "callback_secrets": tuple(account["callback_secrets"])}, owner=owner
        )
        if found == wanted:
            return
        row = self.personal.seal(tx, {**account, "owner": owner})
        if found is None:
            tx.execute(insert(self.table).values(row))
        else:
            tx.execute(update(self.table).where(self._is_own).values(row), key)

    def find_for_callback(self, tx: Connection, owner: str, body: bytes) -> Account:
        """Return the account that a callback is about.

        Raises Invalid as for a wrong signature: who has a provider is nobody's business.
        """
        is_sane = "\0" not in owner and len(body) <= MAX_CALLBACK_BYTES
        account = self.find(tx, owner) if is_sane else None
        if account is None:
            raise Invalid(WRONG_SIGNATURE, reason=MALFORMED)
        return account

    def find(self, tx: Connection, owner: str) -> Account | None:
        """Return an owner's account, if there is one."""
        found = tx.execute(self._find, {"where_owner": owner}).first()
        if found is None:
            return None
        row = self.personal.open(tx, found)
        secrets: Sequence[str] = row.callback_secrets
        return Account(row.owner, row.provider, row.api_url, row.secret_key, tuple(secrets))
