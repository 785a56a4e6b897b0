"""Pages in the reader's language: that of the page's links, of the browser, or a last resort."""

from collections.abc import Mapping
from datetime import date
from pathlib import Path
from typing import Any

from flask import Response, request

from chassis.languages import LANGUAGES, Languages, choose_language, find_language
from gateway.pages import render_page

TEXTS = Languages(Path(__file__).parent.parent / "languages")
LANGUAGE_NAMES = {
    "de": "Deutsch",
    "en": "English",
    "es": "Español",
    "fr": "Français",
    "it": "Italiano",
    "pt": "Português",
}
# Where a language alone stands for a country that the texts are not written for.
COUNTRIES = {"pt": "pt_PT"}


def render_localized(
    template: str,
    locale: str,
    status: int = 200,
    *,
    headers: Mapping[str, str] | None = None,
    **values: Any,
) -> Response:
    """Return a page in the requested language, else the browser's, else that of `locale`."""
    language = read_language() or choose_language(list(request.accept_languages.values()), locale)
    texts, form = TEXTS.get_texts(language), choose_form(language, locale)

    def _(text: str, **places: object) -> str:
        return texts.gettext(text) % places if places else texts.gettext(text)

    def ngettext(one: str, many: str, count: int, **places: object) -> str:
        return texts.ngettext(one, many, count) % {"count": count, **places}

    def format_day(text: str) -> str:
        from babel.dates import format_date

        return format_date(date.fromisoformat(text), "long", locale=language)

    def format_amount(value: int, currency: str) -> str:
        from babel.numbers import format_currency, get_currency_precision

        amount = value / 10 ** get_currency_precision(currency)
        return format_currency(amount, currency, locale=form)

    def format_tenths(value: float) -> str:
        from babel.numbers import format_decimal

        return format_decimal(round(value, 1) + 0, "0.0", locale=form)

    values |= {
        "amount": format_amount,
        "language": language,
        "languages": LANGUAGE_NAMES,
        "_": _,
        "ngettext": ngettext,
        "day": format_day,
        "tenths": format_tenths,
    }
    return render_page(
        template, status, headers={"Vary": "Accept-Language", **(headers or {})}, **values
    )


def read_language() -> str | None:
    """Return the language that the page's own links name in `lang`."""
    language = request.args.get("lang")
    return language if language in LANGUAGES else None


def choose_form(language: str, locale: str) -> str:
    """Return the locale of figures: `locale` itself where it is in the reader's language."""
    if find_language(locale) == language:
        return locale.replace("-", "_")
    return COUNTRIES.get(language, language)
