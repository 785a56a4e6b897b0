"""Reference data of the subscriptions service: the schema of its TOML file, and loading it.

Rows in the file are added or changed, others stay. What belongs to a row (a merchant's stores and
endpoint, an account's merchants) is replaced as a whole.
"""

from typing import Any

from marshmallow import Schema, ValidationError, fields, validate
from sqlalchemy import Connection

from chassis.context import utc_now
from chassis.events.endpoints import endpoint_field
from chassis.payments.accounts import account_field
from chassis.server.accounts import AccountSchema
from optics.fields import one_of
from subscriptions_svc.documents.events import EVENT_TYPES
from subscriptions_svc.rules.agreements.terms import DEFAULT_RENEWAL_MONTHS, MAX_RENEWAL_MONTHS
from subscriptions_svc.rules.prescriptions.policies import DEFAULT_POLICY, Policy
from subscriptions_svc.rules.prescriptions.schemas import check_time_zone
from subscriptions_svc.rules.reminding.reminders import KINDS
from subscriptions_svc.rules.settling.withdrawals import (
    DEFAULT_WITHDRAWAL_DAYS,
    MAX_WITHDRAWAL_DAYS,
)
from subscriptions_svc.rules.shapes import MAX_MONEY
from subscriptions_svc.store import tables
from subscriptions_svc.store.merchants import list_merchant_ids, put_merchant, put_references
from subscriptions_svc.store.paying.tables import accounts

ID_LENGTH = validate.Length(1, 255)


def _check_locale(name: str) -> None:
    from babel import Locale, UnknownLocaleError

    try:
        Locale.parse(name, sep="-")
    except (ValueError, UnknownLocaleError):
        raise ValidationError("Must be a locale, such as es-ES.") from None


def _check_currency(code: str) -> None:
    from babel.numbers import is_currency

    if not code.isupper() or not is_currency(code):
        raise ValidationError("Must be a currency of ISO 4217, such as EUR.")


def _check_one_line(name: str) -> None:
    if not name.strip() or not name.isprintable():
        raise ValidationError("Must be a name on one line.")


def _list_of_ids(**options: Any) -> fields.List[str]:
    return fields.List(fields.String(validate=ID_LENGTH), **options)


class MerchantSchema(Schema):
    """A merchant with its stores."""

    id = fields.String(required=True, validate=ID_LENGTH)
    locale = fields.String(load_default="es-ES", validate=_check_locale)
    currency = fields.String(load_default="EUR", validate=_check_currency)
    country = fields.String(load_default="ES", validate=validate.Regexp(r"[A-Z]{2}\Z"))
    time_zone = fields.String(load_default="Europe/Madrid", validate=check_time_zone)
    # Whether exchanges are allowed before the first anniversary.
    first_year_exchanges = fields.Boolean(load_default=True)
    # The most that a shopper may owe, in minor units: see pre-approvals.
    amount_limit = fields.Integer(
        strict=True, load_default=150_000, validate=validate.Range(0, MAX_MONEY)
    )
    # Days from the first delivery in which returned items cost nothing, opened contact lenses
    # excepted; 14 in the consumer law of the EU, 0 for none.
    withdrawal_days = fields.Integer(
        strict=True,
        load_default=DEFAULT_WITHDRAWAL_DAYS,
        validate=validate.Range(0, MAX_WITHDRAWAL_DAYS),
    )
    # Whether boxes go out without a prescription, or past its expiry.
    prescription_policy = fields.String(load_default=DEFAULT_POLICY, validate=one_of(*Policy))
    # Months that new subscriptions are renewed for at most, one by one, after those agreed on.
    renewal_months = fields.Integer(
        strict=True,
        load_default=DEFAULT_RENEWAL_MONTHS,
        validate=validate.Range(0, MAX_RENEWAL_MONTHS),
    )
    # The kinds of reminders that its shoppers get.
    reminders = fields.List(
        fields.String(validate=validate.OneOf(KINDS)),
        load_default=list,
        validate=validate.Length(max=len(KINDS)),
    )
    # Whether a payment is opened for each month, and who takes it.
    monthly_payments = fields.Boolean(load_default=False)
    payment_account = account_field()
    store_refs = _list_of_ids(required=True, validate=validate.Length(min=1))
    name = fields.String(load_default=None, validate=(ID_LENGTH, _check_one_line))
    terms_url = fields.Url(
        load_default=None, schemes={"http", "https"}, validate=validate.Length(max=2000)
    )
    # How shoppers reach the shop, for the page behind a cart link.
    phone = fields.String(
        load_default=None, validate=validate.Regexp(r"\+?[0-9][0-9 ()/.-]{2,39}\Z")
    )
    email = fields.Email(load_default=None, validate=validate.Length(max=254))
    endpoint = endpoint_field(EVENT_TYPES)


class ReferencesSchema(Schema):
    """The merchants that an account acts for."""

    account = fields.String(required=True)
    merchants = _list_of_ids(required=True)


class ReferenceSchema(Schema):
    """A whole file."""

    accounts = fields.List(fields.Nested(AccountSchema), load_default=list)
    merchants = fields.List(fields.Nested(MerchantSchema), load_default=list)
    references = fields.List(fields.Nested(ReferencesSchema), load_default=list)


REFERENCE = ReferenceSchema()


def load(tx: Connection, reference: dict[str, Any]) -> None:
    """Write the reference data of a file into the store."""
    tables.accounts.load(tx, reference["accounts"])
    for merchant in reference["merchants"]:
        endpoint, account = merchant.pop("endpoint"), merchant.pop("payment_account")
        merchant["reminders"] = " ".join(merchant["reminders"])
        put_merchant(tx, **merchant)
        accounts.put(tx, merchant["id"], account)
        tables.outbox.endpoints.put(tx, merchant["id"], endpoint, utc_now())
    ids = tables.accounts.ids(tx)
    merchants = list_merchant_ids(tx)
    for index, each in enumerate(reference["references"]):
        if each["account"] not in ids:
            fault = {"account": ["Must be an account's name."]}
            raise ValidationError({"references": {index: fault}})
        if not merchants.issuperset(each["merchants"]):
            fault = {"merchants": ["Must be ids of merchants."]}
            raise ValidationError({"references": {index: fault}})
        put_references(tx, ids[each["account"]], each["merchants"])
