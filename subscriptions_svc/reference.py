"""Reference data of the subscriptions service: what a TOML file may say, and loading it.

Rows that a file names are added or changed, others stay; what belongs to a row
(a merchant's stores and endpoint, an account's merchants) is replaced as a whole.
"""

from typing import Any
from zoneinfo import available_timezones

from babel import Locale, UnknownLocaleError
from babel.numbers import is_currency
from marshmallow import Schema, ValidationError, fields, validate
from sqlalchemy import Connection, delete, insert, select, update

from chassis.context import utc_now
from chassis.events.endpoints import endpoint_field
from chassis.server.accounts import AccountSchema
from subscriptions_svc import store
from subscriptions_svc.events import EVENTS
from subscriptions_svc.rules_shapes import MONEY_MAX

ID = validate.Length(1, 255)


def _locale(name: str) -> None:
    try:
        Locale.parse(name, sep="-")
    except (ValueError, UnknownLocaleError):
        raise ValidationError("Must be a locale, such as es-ES.") from None


def _currency(code: str) -> None:
    if not code.isupper() or not is_currency(code):
        raise ValidationError("Must be a currency of ISO 4217, such as EUR.")


def _time_zone(name: str) -> None:
    if name not in available_timezones():
        raise ValidationError("Must be a time zone of the IANA database, such as Europe/Madrid.")


def _one_line(name: str) -> None:
    if not name.strip() or not name.isprintable():
        raise ValidationError("Must be a name on one line.")


def _ids(**options: Any) -> fields.List[str]:
    return fields.List(fields.String(validate=ID), **options)


class MerchantSchema(Schema):
    """A merchant with its stores."""

    id = fields.String(required=True, validate=ID)
    locale = fields.String(load_default="es-ES", validate=_locale)
    currency = fields.String(load_default="EUR", validate=_currency)
    country = fields.String(load_default="ES", validate=validate.Regexp(r"[A-Z]{2}\Z"))
    time_zone = fields.String(load_default="Europe/Madrid", validate=_time_zone)
    # Whether an exchange may be had before the first anniversary.
    first_year_exchanges = fields.Boolean(load_default=True)
    # What a shopper may owe, in minor units: pre-approvals go by it.
    amount_limit = fields.Integer(
        strict=True, load_default=150_000, validate=validate.Range(0, MONEY_MAX)
    )
    store_refs = _ids(required=True, validate=validate.Length(min=1))
    name = fields.String(load_default=None, validate=(ID, _one_line))
    terms_url = fields.Url(
        load_default=None, schemes={"http", "https"}, validate=validate.Length(max=2000)
    )
    endpoint = endpoint_field(EVENTS)


class ReferencesSchema(Schema):
    """The merchants that an account acts for."""

    account = fields.String(required=True)
    merchants = _ids(required=True)


class ReferenceSchema(Schema):
    """A whole file."""

    accounts = fields.List(fields.Nested(AccountSchema), load_default=list)
    merchants = fields.List(fields.Nested(MerchantSchema), load_default=list)
    references = fields.List(fields.Nested(ReferencesSchema), load_default=list)


REFERENCE = ReferenceSchema()


def load(tx: Connection, reference: dict[str, Any]) -> None:
    """Bring the store to what the file says."""
    for account in reference["accounts"]:
        store.accounts.put(tx, **account)
    for merchant in reference["merchants"]:
        endpoint = merchant.pop("endpoint")
        _put_merchant(tx, **merchant)
        store.outbox.endpoints.put(tx, merchant["id"], endpoint, utc_now())
    ids = store.accounts.ids(tx)
    merchants = set(tx.execute(select(store.merchants.c.id)).scalars())
    for index, each in enumerate(reference["references"]):
        if each["account"] not in ids:
            fault = {"account": ["Must be an account's name."]}
            raise ValidationError({"references": {index: fault}})
        if not merchants.issuperset(each["merchants"]):
            fault = {"merchants": ["Must be ids of merchants."]}
            raise ValidationError({"references": {index: fault}})
        _put_references(tx, ids[each["account"]], each["merchants"])


def _put_merchant(tx: Connection, id: str, store_refs: list[str], **values: Any) -> None:
    known = update(store.merchants).where(store.merchants.c.id == id).values(values)
    if not tx.execute(known).rowcount:
        tx.execute(insert(store.merchants).values(id=id, **values))
    tx.execute(delete(store.stores).where(store.stores.c.merchant_id == id))
    rows = [{"merchant_id": id, "store_ref": each} for each in dict.fromkeys(store_refs)]
    tx.execute(insert(store.stores), rows)


def _put_references(tx: Connection, account_id: int, merchants: list[str]) -> None:
    table = store.account_merchants
    tx.execute(delete(table).where(table.c.account_id == account_id))
    rows = [{"account_id": account_id, "merchant_id": each} for each in dict.fromkeys(merchants)]
    if rows:
        tx.execute(insert(table), rows)
