"""Texts for people in six languages, read from gettext .po files.

A package has `languages/<language>.po` for every language except English, whose texts are in the
code. Nothing is compiled ahead, so no compiled file can be older than its source. Babel is loaded
by the first text.
"""

from functools import lru_cache
from gettext import NullTranslations
from io import BytesIO
from pathlib import Path

ENGLISH = "en"
LANGUAGES = ("es", ENGLISH, "pt", "de", "it", "fr")


def find_language(locale: str) -> str:
    """The language of a locale such as `es-ES`; English if it has no catalog."""
    language = locale.replace("_", "-").split("-")[0].lower()
    return language if language in LANGUAGES else ENGLISH


def choose_language(accepted: list[str], otherwise: str) -> str:
    """The first accepted locale's language that has a catalog; else that of `otherwise`."""
    from babel import negotiate_locale

    wanted = [locale.replace("-", "_") for locale in accepted]
    return negotiate_locale(wanted, LANGUAGES, sep="_") or find_language(otherwise)


class Languages:
    """The catalogs of one folder, each read when it is first used."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._read = lru_cache(maxsize=None)(self._load_catalog)

    def get_texts(self, locale: str) -> NullTranslations:
        """The texts in the language of a locale."""
        return self._read(find_language(locale))

    def _load_catalog(self, language: str) -> NullTranslations:
        if language == ENGLISH:
            return NullTranslations()
        from babel.messages.mofile import write_mo
        from babel.messages.pofile import read_po
        from babel.support import Translations

        with (self.folder / f"{language}.po").open("rb") as file:
            catalog = read_po(file, locale=language, abort_invalid=True)
        compiled = BytesIO()
        write_mo(compiled, catalog)
        compiled.seek(0)
        return Translations(compiled)
