"""Catalogs are read from their sources, and every one of ours says all that the code says."""

import re
from pathlib import Path
from typing import Any

import pytest
from babel.messages.catalog import Catalog, Message
from babel.messages.extract import extract_from_dir
from babel.messages.pofile import read_po

from chassis.languages import ENGLISH, LANGUAGES, Languages, choose_language, find_language

ROOT = Path(__file__).parents[2]
PACKAGES = sorted(folder.parent for folder in ROOT.glob("*/languages"))
OTHER_LANGUAGES = sorted(set(LANGUAGES) - {ENGLISH})
PLACES = re.compile(r"%\(\w+\)[sd]")


def find_texts(package: Path) -> set[Any]:
    """What the code of a package gives to gettext: each text, or its singular and plural."""
    found = extract_from_dir(
        package,
        method_map=[("**.py", "python"), ("**/templates/**.html", "jinja2")],
        keywords={"_": None, "gettext": None, "ngettext": (1, 2)},
    )
    return {text for _, _, text, _, _ in found}


def load_catalog(package: Path, language: str) -> Catalog:
    with (package / "languages" / f"{language}.po").open("rb") as file:
        return read_po(file, locale=language, abort_invalid=True)


def list_texts(message: Message) -> list[str]:
    return [message.string] if isinstance(message.string, str) else list(message.string or ())


def test_it_works(tmp_path: Path) -> None:
    (tmp_path / "de.po").write_text('msgid "Hello"\nmsgstr "Grüß Gott"\n', encoding="utf-8")
    languages = Languages(tmp_path)

    assert languages.get_texts("de-AT").gettext("Hello") == "Grüß Gott"
    assert languages.get_texts("de").gettext("Unknown") == "Unknown"
    assert languages.get_texts("en-GB").gettext("Hello") == "Hello"
    assert languages.get_texts("ja-JP").gettext("Hello") == "Hello"


@pytest.mark.parametrize(
    ("locale", "language"),
    [("es-ES", "es"), ("pt_BR", "pt"), ("FR", "fr"), ("ca-ES", "en"), ("", "en"), ("-", "en")],
)
def test_a_locale_has_a_language(locale: str, language: str) -> None:
    assert find_language(locale) == language


@pytest.mark.parametrize(
    ("accepted", "language"),
    [
        (["de-AT", "en"], "de"),
        (["ja", "pt-BR", "en"], "pt"),
        (["*"], "es"),
        ([], "es"),
        (["../../x", "\x00"], "es"),
    ],
)
def test_the_first_known_language_is_preferred(accepted: list[str], language: str) -> None:
    assert choose_language(accepted, "es-ES") == language


@pytest.mark.parametrize("language", OTHER_LANGUAGES)
@pytest.mark.parametrize("package", PACKAGES, ids=lambda package: package.name)
def test_a_catalog_says_exactly_what_the_code_says(package: Path, language: str) -> None:
    held = {message.id for message in load_catalog(package, language) if message.id}
    assert held == find_texts(package)


@pytest.mark.parametrize("language", OTHER_LANGUAGES)
@pytest.mark.parametrize("package", PACKAGES, ids=lambda package: package.name)
def test_every_text_is_translated(package: Path, language: str) -> None:
    of = load_catalog(package, language)
    messages = [message for message in of if message.id]

    assert [message.id for message in messages if message.fuzzy] == []
    assert [message.id for message in messages if not all(list_texts(message))] == []
    plural = [message for message in messages if message.pluralizable]
    assert [each.id for each in plural if len(list_texts(each)) != of.num_plurals] == []


@pytest.mark.parametrize("language", OTHER_LANGUAGES)
@pytest.mark.parametrize("package", PACKAGES, ids=lambda package: package.name)
def test_a_translation_has_the_places_of_its_source(package: Path, language: str) -> None:
    for message in load_catalog(package, language):
        source = message.id if isinstance(message.id, str) else message.id[-1]
        for text in list_texts(message) if message.id else ():
            assert sorted(PLACES.findall(text)) == sorted(PLACES.findall(source)), text


def test_the_catalogs_are_installed() -> None:
    project = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    for package in PACKAGES:
        line = next(line for line in project.splitlines() if line.startswith(f"{package.name} = ["))
        assert '"languages/*.po"' in line
