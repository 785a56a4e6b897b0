"""The page behind a cart link: what a shopper subscribes to, and the button that confirms it.

The code in the link is the key: whoever has the link may open it. The page sets no cookie.
"""

from datetime import date
from pathlib import Path
from typing import Any

from flask import Blueprint, Response, g, redirect, request, url_for
from werkzeug.wrappers import Response as BaseResponse

from chassis.errors import Failure
from chassis.languages import ENGLISH, LANGUAGES, Languages, choose_language
from chassis.status import Code
from gateway import backends, problems
from gateway.backends import attempt, call, decode_error
from gateway.channel import RpcError
from gateway.pages import render_page
from protos.subscriptions_pb2 import (
    ConfirmCartByCodeRequest,
    GetCartByCodeRequest,
    Money,
    ShopperCart,
)

bp = Blueprint("cart", __name__, template_folder="templates")

TEXTS = Languages(Path(__file__).parent.parent / "languages")
LANGUAGE_NAMES = {
    "de": "Deutsch",
    "en": "English",
    "es": "Español",
    "fr": "Français",
    "it": "Italiano",
    "pt": "Português",
}
NO_BREAK_SPACE = "\u00a0"  # keeps a number and its currency sign on one line
REFUSALS = {
    Code.NOT_FOUND: ("cart_unknown.html", 404),
    Code.FAILED_PRECONDITION: ("cart_refused.html", 409),
}
PREFETCH = ("Purpose", "Sec-Purpose", "X-Moz")  # headers of a page that nobody has asked for
HEADERS = {"X-Robots-Tag": "noindex", "Vary": "Accept-Language"}


@bp.get("/s/<code>")
def get_cart_by_code(code: str) -> Response:
    message = GetCartByCodeRequest(code=code, peek=not is_visit())
    return render_cart(call(backends.shopper().GetCartByCode, message))


def is_visit() -> bool:
    """Whether a browser opens the page for a person, by the headers of W3C Fetch Metadata.

    Scanners of mail, previews of links, prefetches and HEAD are not: a link is not opened by them.
    """
    sent = request.headers
    opens = (sent.get("Sec-Fetch-Mode"), sent.get("Sec-Fetch-Dest")) == ("navigate", "document")
    return request.method == "GET" and opens and not any(map(sent.get, PREFETCH))


@bp.post("/s/<code>")
def confirm_cart_by_code(code: str) -> BaseResponse:
    shopper, accepted = backends.shopper(), request.form.get("terms") == "accepted"
    message = ConfirmCartByCodeRequest(code=code, terms_accepted=accepted)
    confirmed = attempt(shopper.ConfirmCartByCode, message, Code.INVALID_ARGUMENT)
    if isinstance(confirmed, Failure):
        g.reason = confirmed.reason
        return render_cart(call(shopper.GetCartByCode, GetCartByCodeRequest(code=code)), 422)
    return redirect(url_for("cart.get_cart_by_code", code=code, lang=read_language()), 303)


@bp.errorhandler(RpcError)
def answer_rpc_error(error: RpcError) -> Response:
    """Return what a shopper can act on; any other failure has the common page."""
    failure = decode_error(error)
    if failure.code not in REFUSALS:
        return problems.answer_failure(failure)
    template, status = REFUSALS[failure.code]
    g.reason = failure.reason
    return render_localized(template, ENGLISH, status)


def render_cart(cart: ShopperCart, status: int = 200) -> Response:
    """Return the page of a cart in its state; status 422 marks what the shopper left out."""
    name = "cart.html" if cart.state in ("open", "change") else "cart_confirmed.html"
    items = [inner for item in cart.items for inner in (item, *item.items)]
    has_boxes = any(item.HasField("boxes_a_year") for item in items)
    return render_localized(name, cart.locale, status, cart=cart, has_boxes=has_boxes)


def render_localized(template: str, locale: str, status: int, **values: Any) -> Response:
    """Return a page in the requested language, else the browser's, else that of `locale`."""
    language = read_language() or choose_language(list(request.accept_languages.values()), locale)
    texts = TEXTS.get_texts(language)

    def _(text: str, **places: object) -> str:
        return texts.gettext(text) % places if places else texts.gettext(text)

    def ngettext(one: str, many: str, count: int, **places: object) -> str:
        return texts.ngettext(one, many, count) % {"count": count, **places}

    def format_day(text: str) -> str:
        from babel.dates import format_date

        return format_date(date.fromisoformat(text), "long", locale=language)

    def format_amount(money: Money) -> str:
        return money.string.replace(" ", NO_BREAK_SPACE)

    values |= {
        "amount": format_amount,
        "language": language,
        "languages": LANGUAGE_NAMES,
        "missing": status == 422,
        "_": _,
        "ngettext": ngettext,
        "day": format_day,
    }
    return render_page(template, status, headers=HEADERS, **values)


def read_language() -> str | None:
    """Return the language that the page's own links name in `lang`."""
    language = request.args.get("lang")
    return language if language in LANGUAGES else None
