"""The page behind a cart link: what a shopper subscribes to, and the button that confirms it.

Whoever has the link may open it: the code in it is the key, and the page sets no cookie.
"""

from datetime import date
from pathlib import Path
from typing import Any

import grpc
from babel.dates import format_date
from flask import Blueprint, Response, g, redirect, request, url_for
from werkzeug.wrappers import Response as BaseResponse

from chassis.errors import decode
from chassis.languages import ENGLISH, LANGUAGES, Languages, choose_language
from gateway import backends, problems
from gateway.backends import call
from gateway.pages import page
from protos.subscriptions_pb2 import (
    ConfirmCartByCodeRequest,
    GetCartByCodeRequest,
    Money,
    ShopperCart,
)

bp = Blueprint("cart", __name__, template_folder="templates")

TEXTS = Languages(Path(__file__).parent.parent / "languages")
NAMES = {
    "de": "Deutsch",
    "en": "English",
    "es": "Español",
    "fr": "Français",
    "it": "Italiano",
    "pt": "Português",
}
NO_BREAK_SPACE = "\u00a0"  # no line ends between a number and its sign
HEADERS = {"X-Robots-Tag": "noindex", "Vary": "Accept-Language"}


@bp.get("/s/<code>")
def get_cart(code: str) -> Response:
    return shown(call(backends.shopper().GetCartByCode, GetCartByCodeRequest(code=code)))


@bp.post("/s/<code>")
def confirm_cart(code: str) -> BaseResponse:
    accepted = request.form.get("terms") == "accepted"
    message = ConfirmCartByCodeRequest(code=code, terms_accepted=accepted)
    call(backends.shopper().ConfirmCartByCode, message)
    return redirect(url_for("cart.get_cart", code=code, lang=asked()), 303)


@bp.errorhandler(grpc.RpcError)
def refused(error: grpc.RpcError) -> Response:
    """What a shopper can understand of a refusal; of all else, the same page as anywhere."""
    failure, code = decode(error), (request.view_args or {})["code"]
    g.reason = failure.reason
    if failure.code is grpc.StatusCode.NOT_FOUND:
        return localized("cart_unknown.html", ENGLISH, 404)
    if failure.code is grpc.StatusCode.FAILED_PRECONDITION:
        return localized("cart_refused.html", ENGLISH, 409)
    if failure.code is grpc.StatusCode.INVALID_ARGUMENT and request.method == "POST":
        cart = call(backends.shopper().GetCartByCode, GetCartByCodeRequest(code=code))
        return shown(cart, 422)
    return problems.answer(problems.of_failure(failure))


def shown(cart: ShopperCart, status: int = 200) -> Response:
    """The cart, by its state; 422 asks for what the shopper has left out."""
    name = "cart.html" if cart.state in ("open", "change") else "cart_confirmed.html"
    every = [inner for item in cart.items for inner in (item, *item.items)]
    has_boxes = any(item.HasField("boxes_a_year") for item in every)
    return localized(name, cart.locale, status, cart=cart, has_boxes=has_boxes)


def localized(template: str, locale: str, status: int, **values: Any) -> Response:
    """A page in the language that was asked for, else the browser's, else that of a locale."""
    language = asked() or choose_language(list(request.accept_languages.values()), locale)
    texts = TEXTS.of(language)

    def _(text: str, **places: object) -> str:
        return texts.gettext(text) % places if places else texts.gettext(text)

    def ngettext(one: str, many: str, count: int, **places: object) -> str:
        return texts.ngettext(one, many, count) % {"count": count, **places}

    def day(text: str) -> str:
        return format_date(date.fromisoformat(text), "long", locale=language)

    def amount(money: Money) -> str:
        return money.string.replace(" ", NO_BREAK_SPACE)

    values |= {
        "amount": amount,
        "language": language,
        "languages": NAMES,
        "missing": status == 422,
        "_": _,
        "ngettext": ngettext,
        "day": day,
    }
    return page(template, status, headers=HEADERS, **values)


def asked() -> str | None:
    """The language that a link of the page has named."""
    language = request.args.get("lang")
    return language if language in LANGUAGES else None
