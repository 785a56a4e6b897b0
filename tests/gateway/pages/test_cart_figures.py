"""What a shopper pays in all, in the form of their language, and how they reach the shop."""

from typing import Any

import pytest
from flask.testing import FlaskClient

from subscriptions_svc import reference
from tests.browser import PHONE, Windows, save_picture
from tests.serving import Served
from tests.subscriptions_svc.links import load_merchants
from tests.subscriptions_svc.shop import create_activated, propose, solicit
from tests.subscriptions_svc.shopper import NOON

SPACE, NARROW = "\u00a0", "\u202f"


@pytest.fixture(scope="module")
def engine() -> str:
    """The engine under test."""
    return "sqlite"


@pytest.mark.parametrize(
    ("language", "monthly", "in_all"),
    [
        ("de", f"20,00{SPACE}€", f"Das sind insgesamt 480,00{SPACE}€."),
        ("en", "€20.00", "That is €480.00 in total."),
        ("es", f"20,00{SPACE}€", f"Son 480,00{SPACE}€ en total."),
        ("fr", f"20,00{SPACE}€", f"Cela fait 480,00{SPACE}€ au total."),
        ("it", f"20,00{SPACE}€", f"Sono 480,00{SPACE}€ in totale."),
        ("pt", f"20,00{SPACE}€", f"São 480,00{SPACE}€ no total."),
    ],
)
def test_it_works(
    http: FlaskClient, subscriptions: Served, body: Any, language: str, monthly: str, in_all: str
) -> None:
    code = solicit(subscriptions, body).last_persisted_cart.code
    page = http.get(f"/s/{code}?lang={language}").text
    assert f'<span class="amount number">{monthly}</span>' in page
    assert in_all in page


def test_thousands_are_grouped_as_the_reader_groups_them(
    http: FlaskClient, subscriptions: Served, body: Any
) -> None:
    package = body("subscription")["cart_items"][0]
    inner = [{**item, "subscription_price": 3000} for item in package["items"]]
    dear = [{**package, "items": inner}]
    code = solicit(subscriptions, body, cart_items=dear).last_persisted_cart.code
    for language, total in (
        ("de", f"1.440,00{SPACE}€"),
        ("en", "€1,440.00"),
        ("fr", f"1{NARROW}440,00{SPACE}€"),
        ("it", f"1.440,00{SPACE}€"),
    ):
        assert total in http.get(f"/s/{code}?lang={language}").text, language


def test_a_change_has_no_total_for_its_term_goes_on(
    http: FlaskClient, subscriptions: Served, body: Any
) -> None:
    made = create_activated(subscriptions, body, NOON)
    with subscriptions.clock.at(NOON):
        page = http.get(f"/s/{propose(subscriptions, made)}?lang=en").text
    assert "in total" not in page


@pytest.mark.parametrize(
    ("language", "renewed", "extended"),
    [
        ("de", "um höchstens 24 Monate", "verlängert Ihr Abo um 12 Monate"),
        ("en", "for at most 24 months", "extends your subscription by 12 months"),
        ("es", "como máximo 24 meses", "prolonga tu suscripción 12 meses"),
        ("fr", "pendant 24 mois au plus", "prolonge votre abonnement de 12 mois"),
        ("it", "per al massimo 24 mesi", "prolunga il tuo abbonamento di 12 mesi"),
        ("pt", "no máximo por 24 meses", "prolonga a sua subscrição por 12 meses"),
    ],
)
def test_renewals_and_extensions_are_told_before_they_are_confirmed(
    http: FlaskClient,
    subscriptions: Served,
    body: Any,
    language: str,
    renewed: str,
    extended: str,
) -> None:
    merchant = {"id": "tienda_larga", "store_refs": ["centro"], "renewal_months": 24}
    load_merchants(subscriptions, merchant)
    shop = {"id": "tienda_larga", "store_ref": "centro"}
    made = create_activated(subscriptions, body, NOON, merchant=shop)
    draft = solicit(subscriptions, body, merchant=shop).last_persisted_cart.code
    assert renewed in http.get(f"/s/{draft}?lang={language}").text
    code = made.last_persisted_cart.code
    with subscriptions.clock.at(NOON):
        assert renewed in http.get(f"/s/{code}?lang={language}").text
        code = propose(subscriptions, made)
        assert extended not in http.get(f"/s/{code}?lang={language}").text
    with subscriptions.clock.at(NOON.replace(year=2027)):
        assert extended in http.get(f"/s/{code}?lang={language}").text


def test_the_shop_can_be_reached(
    site: str, windows: Windows, subscriptions: Served, body: Any
) -> None:
    page = windows.open(PHONE, locale="en")
    page.goto(f"{site}/s/{solicit(subscriptions, body).last_persisted_cart.code}")
    contact = page.locator(".contact")
    assert contact.inner_text() == (
        "Questions? Contact Tienda Moderna: +34 910 000 000 hola@tienda-moderna.example"
    )
    assert [each.get_attribute("href") for each in contact.locator("a").all()] == [
        "tel:+34910000000",
        "mailto:hola@tienda-moderna.example",
    ]
    save_picture(page, "cart-contact-phone")


def test_a_shop_without_contact_shows_none(
    http: FlaskClient, subscriptions: Served, body: Any
) -> None:
    tables = {
        "merchants": [{"id": "sin_contacto", "store_refs": ["x"]}],
        "references": [
            {"account": "demo-merchant", "merchants": ["tienda_moderna", "sin_contacto"]}
        ],
    }
    with subscriptions.database.write() as tx:
        reference.load(tx, reference.REFERENCE.load(tables))
    subscriptions.refresh_cache()
    of = {"id": "sin_contacto", "store_ref": "x"}
    code = solicit(subscriptions, body, merchant=of).last_persisted_cart.code
    assert "Questions?" not in http.get(f"/s/{code}?lang=en").text


@pytest.mark.parametrize(
    "wrong",
    [
        {"phone": ""},
        {"phone": "call us"},
        {"phone": "+34 910\n000"},
        {"phone": "1" * 42},
        {"email": "nobody"},
        {"email": f"{'a' * 250}@example.com"},
    ],
)
def test_a_contact_is_checked_when_it_is_loaded(wrong: dict[str, str]) -> None:
    merchant = {"id": "m", "store_refs": ["x"], **wrong}
    faults = reference.REFERENCE.validate({"merchants": [merchant]})
    assert list(faults["merchants"][0]) == list(wrong)
