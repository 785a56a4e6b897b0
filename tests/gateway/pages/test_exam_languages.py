"""The door and the exam in six languages, and the way back between the exam's steps."""

from typing import Any

import pytest
from playwright.sync_api import expect

from sessions_svc.rules.statuses import Status
from tests.browser import DESK, PHONE, Windows, save_picture
from tests.gateway.pages.person import (
    DESK_MM,
    KEYS,
    PAUSE,
    make_link,
    open_exam,
    prepare,
    read_direction,
    read_letters,
    read_results,
)
from tests.serving import Served
from tests.sessions_svc.desk import ACUITY_ORDER, bring

FITS = "document.documentElement.scrollWidth <= innerWidth"
# Language: heading of the door, its button, first heading of the exam, a wrong answer, a letter.
SAID = {
    "de": (
        "Ihr Sehtest ist bereit",
        "Starten",
        "Prüfen Sie, wie scharf Sie sehen",
        "Wählen Sie, was Sie tragen.",
        "Rechtes Auge · Buchstabe 1",
    ),
    "en": (
        "Your vision test is ready",
        "Start",
        "Check how sharply you see",
        "Choose what you will wear.",
        "Right eye · letter 1",
    ),
    "es": (
        "Tu prueba de visión está lista",
        "Empezar",
        "Comprueba con qué nitidez ves",
        "Elige qué llevarás puesto.",
        "Ojo derecho · letra 1",
    ),
    "fr": (
        "Votre test de vision est prêt",
        "Commencer",
        "Vérifiez la netteté de votre vision",
        "Choisissez ce que vous porterez.",
        "Œil droit · lettre 1",
    ),
    "it": (
        "Il tuo test della vista è pronto",
        "Inizia",
        "Verifica quanto vedi nitidamente",
        "Scegli cosa indosserai.",
        "Occhio destro · lettera 1",
    ),
    "pt": (
        "O seu teste de visão está pronto",
        "Começar",
        "Verifique com que nitidez vê",
        "Escolha o que vai usar.",
        "Olho direito · letra 1",
    ),
}


@pytest.fixture(scope="module")
def engine() -> str:
    """The engine under test: the browser sees no difference."""
    return "sqlite"


@pytest.mark.parametrize("language", SAID)
def test_it_works(
    site: str, sessions: Served, windows: Windows, unique: str, language: str
) -> None:
    heading, button, begin, fault, letter = SAID[language]
    bring(sessions, unique, Status.CREATED, order=ACUITY_ORDER)
    page = windows.open(PHONE, locale=language)
    page.clock.install()
    page.goto(make_link(site, sessions, unique))
    title = page.get_by_role("heading", level=1)
    assert page.locator("html").get_attribute("lang") == language
    assert title.inner_text() == heading
    assert page.evaluate(FITS)
    save_picture(page, f"door-{language}-phone")
    page.get_by_role("button", name=button).click()
    expect(title).to_have_text(begin)
    page.locator("#intro-next").click()
    assert page.get_by_role("alert").inner_text() == fault
    save_picture(page, f"exam-{language}-phone")
    page.locator("input[value=none]").check()
    page.locator("#intro-next").click()
    assert page.get_by_role("alert").inner_text() not in ("", fault)
    page.locator("#no-sign").check()
    for step in ("intro", "card", "distance", "cover"):
        assert page.evaluate(FITS), step
        save_picture(page, f"exam-{language}-{step}-phone")
        page.locator(f"#{step}-next").click()
    page.clock.run_for(PAUSE)
    assert page.locator("#stage-title").inner_text() == letter


def test_the_links_of_languages_keep_the_link_and_the_choice(
    site: str, sessions: Served, windows: Windows, unique: str
) -> None:
    bring(sessions, unique, Status.CREATED, order=ACUITY_ORDER)
    page = windows.open(DESK, locale="en")
    page.goto(make_link(site, sessions, unique))
    page.get_by_role("link", name="Italiano").click()
    assert page.get_by_role("heading", level=1).inner_text() == SAID["it"][0]
    page.get_by_role("button", name="Inizia").click()
    expect(page.get_by_role("heading", level=1)).to_have_text(SAID["it"][2])
    assert page.url.endswith("?lang=it")
    page.get_by_role("link", name="Deutsch").click()
    expect(page.get_by_role("heading", level=1)).to_have_text(SAID["de"][2])
    page.get_by_label("Nichts", exact=True).check()
    page.get_by_label("Nichts davon").check()
    page.get_by_role("button", name="Weiter: Bildschirm messen").click()
    # Another language would begin anew: it is offered at the first step alone.
    assert page.get_by_role("link", name="English").count() == 0
    page.get_by_role("button", name="Zurück").click()
    assert page.get_by_role("link", name="English").is_visible()


def test_the_end_is_in_the_readers_language_and_form(
    site: str, sessions: Served, windows: Windows, unique: str
) -> None:
    page = open_exam(windows, site, sessions, unique, DESK)
    result: dict[str, Any] = {"correction": "none", "distance": 3000, "smallest_logmar": -0.2}
    eyes = {"right_eye": {"logmar": 0.1}, "left_eye": {}}
    sent = {"visual_acuity": {**eyes, **result}}
    assert page.request.post(f"{page.url}/results", data=sent).status == 204
    page.goto(f"{page.url}?lang=de")
    assert page.get_by_role("heading", level=1).inner_text() == "Ihre Ergebnisse"
    assert page.locator(".result").all_inner_texts() == [
        "Rechtes Auge\n\n20/25\n\n6/7.5 · logMAR 0,1",
        "Linkes Auge\n\nNicht gelesen\n\nnicht einmal der größte Buchstabe",
    ]


def test_a_link_that_opens_nothing_says_so_in_every_language(site: str, windows: Windows) -> None:
    page = windows.open(PHONE, locale="fr")
    page.goto(f"{site}/login?token=x")
    assert page.get_by_role("heading").inner_text() == "Ce lien n'ouvre aucun test"
    page.get_by_role("link", name="Português").click()
    assert page.get_by_role("heading").inner_text() == "Esta ligação não abre nenhum teste"


def test_back_leads_through_the_steps_and_keeps_what_was_chosen(
    site: str, sessions: Served, windows: Windows, unique: str
) -> None:
    page = open_exam(windows, site, sessions, unique, DESK)
    prepare(page, DESK_MM, 300, "Glasses")

    def go_back() -> str:
        # From the heading, which has the focus, the button is the last stop: keyboard only.
        page.locator(".step:not([hidden]) .back").focus()
        page.keyboard.press("Enter")
        focused: str = page.evaluate("document.activeElement.id")
        return focused

    assert go_back() == "distance-title"
    assert page.get_by_label("Distance in centimetres").input_value() == "300"
    assert go_back() == "card-title"
    assert float(page.get_by_label("Width of the frame").input_value()) == pytest.approx(
        85.6 * DESK_MM, abs=0.5
    )
    assert go_back() == "intro-title"
    assert page.get_by_label("Glasses").is_checked()
    prepare(page, DESK_MM, 300, "Contact lenses")
    read_letters(page, DESK_MM, 3000, 0.1)
    assert page.get_by_role("heading", name="Cover your right eye").is_visible()
    assert go_back() == "cover-title"
    assert page.get_by_role("heading", name="Cover your left eye").is_visible()
    for _ in range(2):
        read_letters(page, DESK_MM, 3000, 0.4)
    page.get_by_role("heading", name="Your results").wait_for()
    kept = read_results(sessions, unique)
    assert (kept.right_eye.logmar, kept.left_eye.logmar) == (0.4, 0.4)
    assert kept.correction == "contacts"


def test_a_letter_is_read_by_keyboard_in_another_language(
    site: str, sessions: Served, windows: Windows, unique: str
) -> None:
    page = open_exam(windows, site, sessions, unique, DESK)
    page.goto(f"{page.url}?lang=es")
    none = (*("Tab",) * 7, "Space", "Tab", "Enter")  # of the six signs
    for keys in (("Tab", "Space", *none), ("Tab",) * 4 + ("Enter",)):
        for key in keys:
            page.keyboard.press(key)
    assert page.evaluate("document.activeElement.id") == "distance-title"
    for key in ("Tab", "Tab", "Enter", "Tab", "Enter"):
        page.keyboard.press(key)
    page.clock.run_for(PAUSE)
    page.keyboard.press(KEYS[read_direction(page)])
    assert page.locator("#stage-title").inner_text() == "Ojo derecho · letra 2"
