"""The page behind a cart link: what a shopper subscribes to, and the button that confirms it.

The code in the link is the key: whoever has the link may open it. The page sets no cookie.
A GET has no effect, for scanners of mail follow links too: the page reports with a POST that a
person looks at it.
"""

from flask import Blueprint, Response, g, redirect, request, url_for
from werkzeug.wrappers import Response as BaseResponse

from chassis.errors import Failure
from chassis.languages import ENGLISH
from chassis.status import Code
from gateway import backends, problems
from gateway.backends import attempt, call, decode_error
from gateway.channel import RpcError
from gateway.pages.localized import read_language, render_localized
from protos.subscriptions_pb2 import (
    ConfirmCartByCodeRequest,
    GetCartByCodeRequest,
    OpenCartByCodeRequest,
    ShopperCart,
)

bp = Blueprint("cart", __name__, template_folder="templates")

REFUSALS = {
    Code.NOT_FOUND: ("cart_unknown.html", 404),
    Code.FAILED_PRECONDITION: ("cart_refused.html", 409),
}
HEADERS = {"X-Robots-Tag": "noindex"}


@bp.get("/s/<code>")
def get_cart_by_code(code: str) -> Response:
    return render_cart(call(backends.shopper().GetCartByCode, GetCartByCodeRequest(code=code)))


@bp.post("/s/<code>")
def confirm_cart_by_code(code: str) -> BaseResponse:
    shopper, accepted = backends.shopper(), request.form.get("terms") == "accepted"
    message = ConfirmCartByCodeRequest(code=code, terms_accepted=accepted)
    confirmed = attempt(shopper.ConfirmCartByCode, message, Code.INVALID_ARGUMENT)
    if isinstance(confirmed, Failure):
        g.reason = confirmed.reason
        return render_cart(call(shopper.OpenCartByCode, OpenCartByCodeRequest(code=code)), 422)
    return redirect(url_for("cart.get_cart_by_code", code=code, lang=read_language()), 303)


@bp.post("/s/<code>/opened")
def open_cart_by_code(code: str) -> tuple[str, int]:
    call(backends.shopper().OpenCartByCode, OpenCartByCodeRequest(code=code))
    return "", 204


@bp.errorhandler(RpcError)
def answer_rpc_error(error: RpcError) -> Response:
    """Return what a shopper can act on; any other failure has the common page."""
    failure = decode_error(error)
    if failure.code not in REFUSALS:
        return problems.answer_failure(failure)
    template, status = REFUSALS[failure.code]
    g.reason = failure.reason
    return render_localized(template, ENGLISH, status, headers=HEADERS)


def render_cart(cart: ShopperCart, status: int = 200) -> Response:
    """Return the page of a cart in its state; status 422 marks what the shopper left out."""
    name = "cart.html" if cart.state in ("open", "change") else "cart_confirmed.html"
    items = [inner for item in cart.items for inner in (item, *item.items)]
    has_boxes = any(item.HasField("boxes_a_year") for item in items)
    return render_localized(
        name,
        cart.locale,
        status,
        headers=HEADERS,
        cart=cart,
        has_boxes=has_boxes,
        missing=status == 422,
        total=cart.monthly.value * cart.total_months,
        phone_link="".join(each for each in cart.phone if each in "+0123456789"),
    )
