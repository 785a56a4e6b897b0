"""Texts for people, in six languages: gettext catalogs that are read as they are written.

A package keeps `languages/<language>.po` for every language but English, which is in the code.
There is no compiled file, so none can be older than its source.
"""

from functools import lru_cache
from gettext import NullTranslations
from io import BytesIO
from pathlib import Path

from babel import negotiate_locale
from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po
from babel.support import Translations

ENGLISH = "en"
LANGUAGES = ("es", ENGLISH, "pt", "de", "it", "fr")


def language_of(locale: str) -> str:
    """The language of a locale such as `es-ES`; English where there is no catalog of it."""
    language = locale.replace("_", "-").split("-")[0].lower()
    return language if language in LANGUAGES else ENGLISH


def choose_language(accepted: list[str], otherwise: str) -> str:
    """The language of the first accepted locale that has one, best first; else of `otherwise`."""
    wanted = [locale.replace("-", "_") for locale in accepted]
    return negotiate_locale(wanted, LANGUAGES, sep="_") or language_of(otherwise)


class Languages:
    """The catalogs in one folder, each read when it is first asked for."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._read = lru_cache(maxsize=None)(self._catalog)

    def of(self, locale: str) -> NullTranslations:
        """The texts in the language of a locale."""
        return self._read(language_of(locale))

    def _catalog(self, language: str) -> NullTranslations:
        if language == ENGLISH:
            return NullTranslations()
        with (self.folder / f"{language}.po").open("rb") as file:
            catalog = read_po(file, locale=language, abort_invalid=True)
        compiled = BytesIO()
        write_mo(compiled, catalog)
        compiled.seek(0)
        return Translations(compiled)
