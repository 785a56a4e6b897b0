"""The shopper's page in a real browser: phone and desk, six languages, without scripts.

On one engine: what differs between the two is tested with the RPCs.
"""

import re
from typing import Any

import pytest
from flask.testing import FlaskClient
from playwright.sync_api import Page, expect

from subscriptions_svc import reference
from tests.browser import DESK, PHONE, Windows, save_picture
from tests.gateway.front import front
from tests.serving import Served
from tests.subscriptions_svc.shop import create_activated, get, pay, propose, set_status, solicit
from tests.subscriptions_svc.shopper import NOON

HTML = {"Accept": "text/html"}
# Relative luminance and contrast of WCAG 2 of every text on the page.
CONTRASTS = """() => {
  const parse = text => (text.match(/[\\d.]+/g) || []).map(Number);
  const light = ([r, g, b]) => [r, g, b].map(c => c / 255)
    .map(c => c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4)
    .reduce((sum, c, i) => sum + c * [0.2126, 0.7152, 0.0722][i], 0);
  const ground = element => {
    for (let e = element; e; e = e.parentElement) {
      const color = parse(getComputedStyle(e).backgroundColor);
      if (color.length === 3 || color[3] === 1) return color;
    }
    return [255, 255, 255];
  };
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  const low = [];
  while (walker.nextNode()) {
    const text = walker.currentNode.textContent.trim(), element = walker.currentNode.parentElement;
    if (!text) continue;
    const [a, b] = [light(parse(getComputedStyle(element).color)), light(ground(element))];
    const ratio = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
    if (ratio < 4.5) low.push([text, ratio]);
  }
  return low;
}"""


@pytest.fixture(scope="module")
def engine() -> str:
    """The engine under test."""
    return "sqlite"


def create_cart(served: Served, body: Any, **changes: Any) -> str:
    """Create a cart, and return its code."""
    return solicit(served, body, **changes).last_persisted_cart.code


def expect_accessible(page: Page) -> None:
    """Assert what can be measured of WCAG AA: contrast, names, language, headings, overflow."""
    page.wait_for_load_state()
    assert page.evaluate(CONTRASTS) == []
    width = page.evaluate("document.documentElement.clientWidth")
    assert page.evaluate("document.documentElement.scrollWidth") == width
    assert page.locator("h1").count() == 1
    assert page.locator("html").get_attribute("lang")
    assert page.title()
    for control in page.locator("button, .languages a").all():
        box = control.bounding_box()
        assert box is not None
        assert box["height"] >= 24
    for field in page.locator("input").all():
        assert page.locator(f"label[for={field.get_attribute('id')}]").count() == 1


def test_it_works(site: str, windows: Windows, subscriptions: Served, body: Any) -> None:
    made = solicit(subscriptions, body)
    address = f"{site}/s/{made.last_persisted_cart.code}"
    page = windows.open(PHONE, locale="es-ES", java_script_enabled=True)
    answer = page.goto(address)
    assert answer is not None
    assert answer.status == 200
    expect_accessible(page)
    save_picture(page, "cart-es-phone")

    assert page.get_by_role("heading", level=1).inner_text() == "Tu suscripción"
    said = page.locator("main").inner_text()
    for text in (
        "Hola, John:",
        "20,00\u00a0€ al mes",
        "durante 24 meses",
        "Left contact lens",
        "Ojo izquierdo: 4 cajas al año",
        "Ojo derecho: 4 cajas al año",
        "Pagas 20,00\u00a0€ al mes durante 24 meses.",
    ):
        assert text in said

    page.get_by_role("checkbox").check()
    page.get_by_role("button").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Has confirmado")
    assert page.url == address
    expect_accessible(page)
    save_picture(page, "cart-es-phone-waiting")
    assert get(subscriptions, made.id).status == "waiting_for_payment"

    pay(subscriptions, made.id)
    page.reload()
    expect(page.get_by_role("heading", level=1)).to_have_text("Tu suscripción está confirmada")
    assert get(subscriptions, made.id).contract_number in page.locator("main").inner_text()
    save_picture(page, "cart-es-phone-confirmed")


@pytest.mark.parametrize(
    ("language", "heading", "button"),
    [
        ("de", "Ihr Abo", "Zahlungspflichtig bestellen"),
        ("en", "Your subscription", "Confirm with obligation to pay"),
        ("es", "Tu suscripción", "Confirmar con obligación de pago"),
        ("fr", "Votre abonnement", "Confirmer avec obligation de paiement"),
        ("it", "Il tuo abbonamento", "Conferma con obbligo di pagare"),
        ("pt", "A sua subscrição", "Confirmar com obrigação de pagar"),
    ],
)
def test_without_scripts_in_the_browsers_language(
    site: str, windows: Windows, subscriptions: Served, body: Any, language: str, heading: str,
    button: str,
) -> None:  # fmt: skip
    made = solicit(subscriptions, body)
    pay(subscriptions, made.id)
    page = windows.open(DESK, locale=language, java_script_enabled=False)
    page.goto(f"{site}/s/{made.last_persisted_cart.code}")
    assert page.locator("html").get_attribute("lang") == language
    assert page.locator("h1").inner_text() == heading
    save_picture(page, f"cart-{language}-desk")
    page.get_by_role("checkbox").check()
    page.get_by_role("button", name=button).click()
    expect(page.locator("h1")).not_to_have_text(heading)
    save_picture(page, f"cart-{language}-desk-confirmed")
    assert get(subscriptions, made.id).status == "activating"


def test_names_are_in_the_merchants_language_and_the_rest_in_the_shoppers(
    site: str, windows: Windows, subscriptions: Served, body: Any
) -> None:
    page = windows.open(PHONE, locale="fr")
    page.goto(f"{site}/s/{create_cart(subscriptions, body)}")
    names = page.locator(".name").all()
    assert [each.get_attribute("lang") for each in names] == ["es-ES"] * 3
    eyes = [each.inner_text() for each in page.locator(".detail").all()]
    assert eyes == ["Œil gauche\u00a0: 4 boîtes par an", "Œil droit\u00a0: 4 boîtes par an"]


@pytest.mark.parametrize("size", [PHONE, DESK], ids=["phone", "desk"])
@pytest.mark.parametrize("language", ["es", "de"])
def test_a_change_is_shown_before_and_after(
    site: str, windows: Windows, subscriptions: Served, body: Any, size: Any, language: str
) -> None:
    made = create_activated(subscriptions, body, NOON)
    with subscriptions.clock.at(NOON):
        code = propose(subscriptions, made, "Gafas de sol graduadas")
        page = windows.open(size, locale=language)
        page.goto(f"{site}/s/{code}")
        expect_accessible(page)
        save_picture(page, f"cart-change-{language}-{'phone' if size == PHONE else 'desk'}")
        before, after = page.locator(".sides section").all()
        assert "Gafas" not in before.inner_text()
        assert "20,00\u00a0€" in before.inner_text()
        assert "Gafas de sol graduadas" in after.inner_text()
        assert "34,58\u00a0€" in after.inner_text()
        assert page.locator(".tag").count() == 1
        page.get_by_role("checkbox").check()
        page.get_by_role("button").click()
        expect(page.locator(".sides")).to_have_count(0)
    assert get(subscriptions, made.id).last_persisted_cart.code == code


def test_a_double_click_is_harmless(
    site: str, windows: Windows, subscriptions: Served, body: Any
) -> None:
    made = solicit(subscriptions, body)
    page = windows.open(PHONE, locale="es-ES")
    page.goto(f"{site}/s/{made.last_persisted_cart.code}")
    page.get_by_role("checkbox").check()
    page.get_by_role("button").dblclick(no_wait_after=True)
    expect(page.get_by_role("heading", level=1)).to_have_text("Has confirmado")
    page.go_back()
    windows.wrong.clear()  # the browser drops the first request of a double click
    page.reload()
    expect(page.get_by_role("heading", level=1)).to_have_text("Has confirmado")


def test_a_confirmation_posted_again_changes_nothing(
    http: FlaskClient, subscriptions: Served, body: Any
) -> None:
    made = solicit(subscriptions, body)
    pay(subscriptions, made.id)
    url, stores = f"/s/{made.last_persisted_cart.code}", []
    for _ in range(2):
        answer = http.post(f"{url}?lang=de", data={"terms": "accepted"})
        assert (answer.status_code, answer.headers["Location"]) == (303, f"{url}?lang=de")
        stores.append(subscriptions.rows())
    assert stores[0] == stores[1]


@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_a_scanner_of_mail_moves_nothing(
    http: FlaskClient, subscriptions: Served, body: Any, method: str
) -> None:
    url = f"/s/{create_cart(subscriptions, body)}"
    before = subscriptions.rows()
    for agent in ("", "Mozilla/5.0", "a scanner"):
        answer = http.open(url, method=method, headers={"User-Agent": agent})
        assert answer.status_code == 200
        assert http.open(f"{url}/opened", method=method).status_code == 405
    assert subscriptions.rows() == before


def test_a_program_that_renders_the_page_moves_nothing_and_a_person_does(
    site: str, windows: Windows, subscriptions: Served, body: Any
) -> None:
    made = solicit(subscriptions, body)
    page = windows.open(PHONE, locale="es-ES")
    page.goto(f"{site}/s/{made.last_persisted_cart.code}", wait_until="networkidle")
    page.evaluate("dispatchEvent(new Event('scroll')); document.querySelector('h1').click()")
    assert get(subscriptions, made.id).status == "draft"
    with page.expect_response(lambda response: response.url.endswith("/opened")) as opened:
        page.keyboard.press("Tab")
    assert opened.value.status == 204
    assert get(subscriptions, made.id).status == "in_progress"


@pytest.mark.parametrize("form", [{}, {"terms": ""}, {"terms": "yes"}, {"other": "accepted"}])
def test_without_the_terms_it_asks_for_them(
    http: FlaskClient, subscriptions: Served, body: Any, form: dict[str, str]
) -> None:
    made = solicit(subscriptions, body)
    answer = http.post(f"/s/{made.last_persisted_cart.code}", data=form)
    assert answer.status_code == 422
    assert 'role="alert"' in answer.text
    assert 'aria-invalid="true"' in answer.text
    assert get(subscriptions, made.id).status == "in_progress"


def test_what_was_left_out_is_seen(
    site: str, windows: Windows, subscriptions: Served, body: Any
) -> None:
    page = windows.open(PHONE, locale="de")
    page.goto(f"{site}/s/{create_cart(subscriptions, body)}")
    page.locator("input").evaluate("field => field.required = false")
    page.get_by_role("button").click()
    expect(page.get_by_role("alert")).to_be_visible()
    expect_accessible(page)
    save_picture(page, "cart-de-phone-missing")


@pytest.mark.parametrize("code", ["x", "a" * 27, "%00", "%F0%9F%92%A9", "%ff"])
def test_an_unknown_code_has_a_page_too(http: FlaskClient, code: str) -> None:
    for method in (http.get, http.post):
        answer = method(f"/s/{code}", headers={"Accept-Language": "fr-FR,fr;q=0.9"})
        assert (answer.status_code, answer.mimetype) == (404, "text/html")
        assert "Ce lien ne mène nulle part" in answer.text


def test_the_page_of_an_unknown_code(site: str, windows: Windows) -> None:
    page = windows.open(PHONE, locale="de")
    page.goto(f"{site}/s/unknown")
    expect_accessible(page)
    save_picture(page, "cart-de-phone-unknown")
    assert page.locator("h1").inner_text() == "Dieser Link führt ins Leere"


def test_an_ended_subscription_is_shown_as_ended(
    site: str, windows: Windows, subscriptions: Served, body: Any
) -> None:
    made = solicit(subscriptions, body)
    set_status(subscriptions, made.id)
    page = windows.open(DESK, locale="de")
    page.goto(f"{site}/s/{made.last_persisted_cart.code}")
    expect_accessible(page)
    save_picture(page, "cart-de-desk-ended")
    assert page.locator("h1").inner_text() == "Dieses Abo ist beendet"
    assert page.locator("form").count() == 0


def test_a_change_that_is_not_possible_any_more_has_a_page(
    http: FlaskClient, subscriptions: Served, body: Any
) -> None:
    made = create_activated(subscriptions, body, NOON)
    with subscriptions.clock.at(NOON):
        code = propose(subscriptions, made)
        set_status(subscriptions, made.id, "activating")  # as no call does
        answer = http.post(f"/s/{code}?lang=en", data={"terms": "accepted"})
    assert answer.status_code == 409
    assert "This change is no longer possible" in answer.text


def test_the_language_is_that_of_link_browser_or_merchant(
    http: FlaskClient, subscriptions: Served, body: Any
) -> None:
    url = f"/s/{create_cart(subscriptions, body)}"
    german = {"Accept-Language": "ja, de-AT;q=0.8, en;q=0.5"}
    assert 'lang="es"' in http.get(url).text
    assert '<html lang="de">' in http.get(url, headers=german).text
    assert '<html lang="it">' in http.get(f"{url}?lang=it", headers=german).text
    assert '<html lang="de">' in http.get(f"{url}?lang=xx", headers=german).text
    assert '<html lang="es">' in http.get(url, headers={"Accept-Language": "\xff, */*, ;;"}).text


def test_the_links_of_languages_lead_to_the_same_cart(
    site: str, windows: Windows, subscriptions: Served, body: Any
) -> None:
    page = windows.open(PHONE, locale="de")
    page.goto(f"{site}/s/{create_cart(subscriptions, body)}")
    page.get_by_role("link", name="Português").click()
    expect(page.locator("h1")).to_have_text("A sua subscrição")
    page.get_by_role("checkbox").check()
    page.get_by_role("button").click()
    expect(page.locator("h1")).to_have_text("Confirmou")


def test_what_others_have_written_is_text(
    site: str, windows: Windows, subscriptions: Served, body: Any
) -> None:
    evil = '<script>document.title="x"</script>"\'&{{7*7}}%(x)s'
    item = {**body("subscription")["cart_items"][0], "name": evil}
    code = create_cart(subscriptions, body, given_names=evil, cart_items=[item])
    page = windows.open(PHONE, locale="en")
    page.goto(f"{site}/s/{code}")
    expect_accessible(page)
    scripts = [each.get_attribute("src") for each in page.locator("script").all()]
    assert scripts == ["/assets/cart.js"]
    assert page.locator("main").inner_text().count(evil) == 2
    assert page.title().startswith("Your subscription")


def test_the_policy_lets_nothing_in(http: FlaskClient, subscriptions: Served, body: Any) -> None:
    answer = http.get(f"/s/{create_cart(subscriptions, body)}")
    policy = answer.headers["Content-Security-Policy"]
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    assert answer.headers["Cache-Control"] == "no-store"
    assert answer.headers["X-Robots-Tag"] == "noindex"
    assert "Set-Cookie" not in answer.headers
    assert re.findall("<script[^>]*>", answer.text) == [
        '<script type="module" src="/assets/cart.js">'
    ]
    assert "style=" not in answer.text
    assert "://" not in answer.text


def test_the_merchants_terms_are_linked(
    http: FlaskClient, subscriptions: Served, body: Any
) -> None:
    terms = "https://tienda.example/condiciones?a=1&b=2"
    merchant = {"id": "con_terminos", "store_refs": ["x"], "terms_url": terms}
    tables = {
        "merchants": [merchant],
        "references": [
            {"account": "demo-merchant", "merchants": ["tienda_moderna", "con_terminos"]}
        ],
    }
    with subscriptions.database.write() as tx:
        reference.load(tx, reference.REFERENCE.load(tables))
    subscriptions.refresh_cache()
    of = {"id": "con_terminos", "store_ref": "x"}
    page = http.get(f"/s/{create_cart(subscriptions, body, merchant=of)}").text
    assert f'href="{terms.replace("&", "&amp;")}" target="_blank" rel="noopener noreferrer"' in page
    assert "con_terminos" in page  # a merchant without a name has its id


def test_a_code_is_in_no_log(
    http: FlaskClient, subscriptions: Served, body: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    code = create_cart(subscriptions, body)
    http.get(f"/s/{code}")
    http.post(f"/s/{code}", data={"terms": "accepted"})
    said = capsys.readouterr()
    assert code not in said.out + said.err


def test_a_service_that_is_away_has_a_page() -> None:
    with front() as client:
        answer = client.get("/s/x", headers=HTML)
        assert (answer.status_code, answer.mimetype) == (503, "text/html")
