"""Currency codes (ISO 4217) and region codes (ISO 3166-2)."""

import re

from marshmallow.validate import OneOf, Regexp

_CURRENCY_CODES = """
    AED AFN ALL AMD AOA ARS AUD AWG AZN BAM BBD BDT BHD BIF BMD BND BOB BOV BRL BSD BTN BWP BYN
    BZD CAD CDF CHE CHF CHW CLF CLP CNY COP COU CRC CUP CVE CZK DJF DKK DOP DZD EGP ERN ETB EUR
    FJD FKP GBP GEL GHS GIP GMD GNF GTQ GYD HKD HNL HTG HUF IDR ILS INR IQD IRR ISK JMD JOD JPY
    KES KGS KHR KMF KPW KRW KWD KYD KZT LAK LBP LKR LRD LSL LYD MAD MDL MGA MKD MMK MNT MOP MRU
    MUR MVR MWK MXN MXV MYR MZN NAD NGN NIO NOK NPR NZD OMR PAB PEN PGK PHP PKR PLN PYG QAR RON
    RSD RUB RWF SAR SBD SCR SDG SEK SGD SHP SLE SOS SRD SSP STN SVC SYP SZL THB TJS TMT TND TOP
    TRY TTD TWD TZS UAH UGX USD USN UYI UYU UYW UZS VED VES VND VUV WST XAD XAF XCD XCG XOF XPF
    YER ZAR ZMW ZWG
"""
# ISO 4217 as of 2026-01-01, except codes without a smallest unit to charge in: metals,
# units of account, testing.
CURRENCIES = frozenset(_CURRENCY_CODES.split())
CURRENCY = OneOf(CURRENCIES, error="Must be an ISO 4217 code in capitals, such as USD.")

_US_STATE_CODES = """
    AL AK AZ AR CA CO CT DE DC FL GA HI ID IL IN IA KS KY LA ME MD MA MI MN MS MO
    MT NE NV NH NJ NM NY NC ND OH OK OR PA RI SC SD TN TX UT VT VA WA WV WI WY
"""
# The fifty states and the District of Columbia.
US_STATES = frozenset(f"US-{state}" for state in _US_STATE_CODES.split())
REGION = Regexp(
    re.compile(r"(?:[A-Z]{2}|[A-Z]{2}-[A-Z0-9]{1,3})\Z"),
    error="Must be a US state such as IL, or an ISO 3166-2 code such as US-IL or CA-ON.",
)


def expand_region(region: str) -> str:
    """Return a region in full as ISO 3166-2; two bare letters are a US state."""
    return f"US-{region}" if len(region) == 2 else region
