"""Amounts as people read them."""

from decimal import Decimal

import pytest
from babel import UnknownLocaleError
from babel.numbers import format_currency, get_currency_precision
from hypothesis import given, settings
from hypothesis import strategies as st

from subscriptions_svc.documents.money import format_money

LOCALES = ("es-ES", "pt-PT", "de-CH", "de-AT", "en-US", "fr-FR", "hi-IN", "es-MX", "it-IT", "ar-EG")
CURRENCIES = ("EUR", "USD", "MXN", "JPY", "CLP", "KWD", "INR")


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (25000, "250,00 €"),
        (1000, "10,00 €"),
        (1458, "14,58 €"),
        (0, "0,00 €"),
        (5, "0,05 €"),
        (50, "0,50 €"),
        (99999, "999,99 €"),
        (100000, "1.000,00 €"),
        (125000, "1.250,00 €"),
        (1250000, "12.500,00 €"),
        (123456789, "1.234.567,89 €"),
        (-5, "-0,05 €"),
        (-125000, "-1.250,00 €"),
        (10**18, "10.000.000.000.000.000,00 €"),
    ],
)
def test_spanish_euros_are_written_as_the_api_promises(value: int, text: str) -> None:
    assert format_money(value, "es-ES", "EUR") == text


@pytest.mark.parametrize(
    ("value", "locale", "currency", "text"),
    [
        (1250, "ja-JP", "JPY", "￥1,250"),
        (1250, "es-CL", "CLP", "$1.250"),
        (-1250, "es-CL", "CLP", "$-1.250"),
        (1250, "es-ES", "jpy", "1.250 JPY"),
        (1234567, "ar-KW", "KWD", "\u200f1,234.567 د.ك.\u200f"),
        (12345678900, "hi-IN", "INR", "₹12,34,56,789.00"),
        (125000, "fr-FR", "EUR", "1 250,00 €"),
        (125000, "es_ES", "EUR", "1.250,00 €"),
    ],
)
def test_a_currency_brings_its_decimals_and_a_locale_its_signs(
    value: int, locale: str, currency: str, text: str
) -> None:
    assert format_money(value, locale, currency) == text


def test_an_unknown_locale_raises() -> None:
    with pytest.raises(UnknownLocaleError):
        format_money(1, "xx-XX", "EUR")


@settings(deadline=None)
@given(
    value=st.integers(-(10**18), 10**18),
    locale=st.sampled_from(LOCALES),
    currency=st.sampled_from(CURRENCIES),
)
def test_an_amount_reads_as_babel_writes_it_but_for_the_spaces(
    value: int, locale: str, currency: str
) -> None:
    amount = Decimal(value).scaleb(-get_currency_precision(currency))
    written = format_currency(amount, currency, locale=locale.replace("-", "_"))
    plain = written.replace("\u00a0", " ").replace("\u202f", " ")
    assert format_money(value, locale, currency) == plain


@settings(deadline=None)
@given(value=st.integers(-(10**18), 10**18))
def test_an_amount_keeps_every_digit(value: int) -> None:
    text = format_money(value, "es-ES", "EUR")
    assert int("".join(sign for sign in text if sign.isdigit())) == abs(value)
    assert text.startswith("-") is (value < 0)
    assert text.endswith(" €")
