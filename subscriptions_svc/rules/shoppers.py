"""Shopper data: store, e-mail address, phone, day of birth and Spanish identity numbers."""

import re
from collections.abc import Collection
from datetime import date

from dateutil.relativedelta import relativedelta

from optics.addresses import NOT_AN_ADDRESS
from optics.addresses import is_deliverable as is_deliverable
from optics.fields import parse_day
from subscriptions_svc.rules.shapes import Faults, Values

ADULT_YEARS = 18
IDENTITY_FIELDS = ("nin", "nin_control", "date_of_birth")  # each of which must fit the others

_NIN_CONTROL = re.compile(r"[0-9]{7}[MF]")
_SEPARATORS = re.compile(r"[\s.-]")


def find_store_faults(values: Values, store_refs: Collection[str]) -> Faults:
    """Yield a fault for a store that is not one of the merchant's."""
    store_ref = values.get("merchant", {}).get("store_ref")
    if store_ref is not None and store_ref not in store_refs:
        yield "merchant.store_ref", "Must be a store of this merchant."


def find_shopper_faults(values: Values, today: date, country: str) -> Faults:
    """Yield faults for malformed addresses and phones, and impossible or future days of birth.

    A phone without a country code is one of the merchant's `country`; an empty one is none.
    """
    if (phone := values.get("mobile_phone")) and to_e164(phone, country) is None:
        yield (
            "mobile_phone",
            f"Must be a phone number in {country}, or begin with + and its country.",
        )
    if "email" in values and not is_deliverable(values["email"]):
        yield "email", NOT_AN_ADDRESS
    if "date_of_birth" in values:
        born = parse_day(values["date_of_birth"])
        if born is None:
            yield "date_of_birth", "Must be a real day as YYYY-MM-DD."
        elif born > today:
            yield "date_of_birth", "Must not be in the future."


def to_e164(phone: str, country: str) -> str | None:
    """Return a phone number as it is dialled from anywhere, +34679959234; None if it is no number.

    A number without a country code is one of `country`, a code of ISO 3166.
    """
    import phonenumbers

    try:
        number = phonenumbers.parse(phone, country)
    except phonenumbers.NumberParseException:
        return None
    if not phonenumbers.is_possible_number(number):
        return None
    return phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164)


def find_identity_faults(values: Values, country: str) -> Faults:
    """Yield faults in nin and nin_control for a Spanish merchant; elsewhere anything goes."""
    nin, control = values.get("nin"), values.get("nin_control")
    if country != "ES":
        return
    from stdnum.es import dni, nie

    if nin is not None and not (nin.isascii() and (dni.is_valid(nin) or nie.is_valid(nin))):
        yield "nin", "Must be a valid DNI or NIE."
    if control is None:
        return
    born = parse_day(values.get("date_of_birth", ""))
    is_day = any(parse_day(f"{c}{control[:2]}-{control[2:4]}-{control[4:6]}") for c in (19, 20))
    if not is_day or not _NIN_CONTROL.fullmatch(control):
        yield "nin_control", "Must be the day of birth as YYMMDD, its check digit, and M or F."
    elif compute_check_digit(control[:6]) != int(control[6]):
        yield "nin_control", "Must have the ICAO 9303 check digit of YYMMDD in seventh place."
    elif born is not None and control[:6] != f"{born:%y%m%d}":
        yield "nin_control", "Must begin with date_of_birth as YYMMDD."


def normalize_nin(nin: str) -> str:
    """Return an identity number in upper case, without spaces, dots and hyphens."""
    return _SEPARATORS.sub("", nin).upper()


def is_adult(born: date, today: date) -> bool:
    """Whether a person is 18 today; born on 29 February, they come of age on the 28th."""
    return born + relativedelta(years=ADULT_YEARS) <= today


def compute_check_digit(digits: str) -> int:
    """Return the check digit of ICAO 9303: weights 7, 3, 1 in turn, modulo 10."""
    return sum(int(digit) * (7, 3, 1)[place % 3] for place, digit in enumerate(digits)) % 10
