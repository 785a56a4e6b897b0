"""The dashboard: opticians log in, find their orders, review and submit them.

Who is logged in has a session of the orders service; its token is in a cookie and goes along with
every call. Each form carries a seal made of that token, and none may come from another site. A
search is posted, so that no patient's name stands in a URL.
"""

import hashlib
import hmac
import re
from typing import Any
from urllib.parse import urlsplit

import grpc
from flask import Blueprint, Response, current_app, redirect, request, url_for
from grpc import StatusCode as Code

from chassis.errors import Failure, Forbidden, decode
from gateway import backends
from gateway.backends import call
from gateway.pages import page
from gateway.pages.orders_sheet import Sheet, moment, state
from gateway.problems import answer, of_failure
from protos.orders_pb2 import (
    GetReviewRequest,
    LogInRequest,
    LogOutRequest,
    SearchOrdersRequest,
    SubmitOrderRequest,
)

bp = Blueprint("dashboard", __name__, url_prefix="/orders")
PER_PAGE = 20
WAIT = {429: {"Retry-After": "900"}}
OUT = "dashboard.show_login"
_TOKEN = re.compile(r"[A-Za-z0-9_-]{43}")
_HERE = re.compile(r"/orders(/ord_[0-9a-f]{24})?")
CURSORS = ("starting_after", "ending_before")


@bp.get("/login")
def show_login() -> Response:
    return login_page(request.args.get("next", ""))


@bp.post("/login")
def log_in() -> Response:
    form, onward = request.form, local(request.form.get("next", ""))
    asked = LogInRequest(
        email=form.get("email", "").strip(),
        password=form.get("password", ""),
        address=request.remote_addr or "",
        replaces=token(),
    )
    try:
        session = call(backends.dashboard().LogIn, asked, authorization="")
    except grpc.RpcError as error:
        failure = decode(error)
        if failure.code is not Code.UNAUTHENTICATED:
            raise
        return login_page(onward, failure, asked.email)
    response = see(onward)
    response.set_cookie(
        cookie(),
        session.token,
        secure=is_https(),
        httponly=True,
        samesite="Lax",
    )
    return response


@bp.post("/logout")
def log_out() -> Response:
    call(backends.dashboard().LogOut, LogOutRequest(), authorization=session())
    return out(url_for(OUT))


@bp.get("")
def list_orders() -> Response:
    return orders_page(request.args)


@bp.post("")
def search_orders() -> Response:
    return orders_page(request.form, request.form.get("text", "").strip())


@bp.get("/<order_id>")
def show_order(order_id: str) -> Response:
    return order_page(order_id, sent="sent" in request.args)


@bp.post("/<order_id>/submit")
def submit_order(order_id: str) -> Response:
    asked = SubmitOrderRequest(order_id=order_id)
    try:
        call(backends.orders().SubmitOrder, asked, authorization=session())
    except grpc.RpcError as error:
        failure = decode(error)
        if failure.code is Code.INVALID_ARGUMENT:
            return order_page(order_id, failure)
        if failure.code is not Code.FAILED_PRECONDITION:
            raise
    return see(url_for("dashboard.show_order", order_id=order_id, sent=1))


def login_page(onward: str, failure: Failure | None = None, email: str = "") -> Response:
    """The form of the login, after a failure with what is wrong."""
    status = 200 if failure is None else 429 if failure.reason == "TOO_MANY_ATTEMPTS" else 401
    return page(
        "orders_login.html",
        status,
        headers=WAIT.get(status),
        title="Log in",
        onward=local(onward),
        email=email,
        failure=failure,
    )


def orders_page(asked: Any, text: str = "") -> Response:
    """A page of orders: after a cursor, before one, or the first."""
    cursor = {name: asked[name] for name in CURSORS if asked.get(name)}
    sought = SearchOrdersRequest(text=text, limit=PER_PAGE, **cursor)
    found = call(backends.dashboard().SearchOrders, sought, authorization=session())
    back, more = "ending_before" in cursor, found.has_more
    orders = found.data
    return page(
        "orders.html",
        title="Orders",
        seal=seal(),
        text=text,
        found=found,
        newer=orders[0].id if orders and (more if back else bool(cursor)) else "",
        older=orders[-1].id if orders and (back or more) else "",
        first=not cursor,
        state=state,
        moment=moment,
    )


def order_page(order_id: str, failure: Failure | None = None, *, sent: bool = False) -> Response:
    """The review of an order; after a refused submit with each fault beside its field."""
    asked = GetReviewRequest(order_id=order_id)
    review = call(backends.dashboard().GetReview, asked, authorization=session())
    faults = failure.faults if failure else ()
    return page(
        "orders_order.html",
        422 if failure else 200,
        title="Review of an order",
        seal=seal(),
        sheet=Sheet(review, [(fault.path, fault.message) for fault in faults]),
        sent=sent,
        moment=moment,
    )


@bp.before_request
def check_form() -> None:
    """Raise for a form of another site, or one that this session was not given."""
    if request.method != "POST":
        return
    known = request.endpoint == "dashboard.log_in" or not token()
    sealed = hmac.compare_digest(request.form.get("seal", "").encode(), seal().encode())
    if not from_here() or not (known or sealed):
        raise Forbidden("This form is not from here, or of a session that is over: load it again.")


@bp.errorhandler(grpc.RpcError)
def failed(error: grpc.RpcError) -> Response:
    """Who has no session logs in, and comes back to what he asked for."""
    failure = decode(error)
    if failure.code is not Code.UNAUTHENTICATED:
        return answer(of_failure(failure))
    asked = local(request.path.removesuffix("/submit"))
    return out(url_for(OUT, next=asked) if asked != "/orders" else url_for(OUT))


def from_here() -> bool:
    """Whether a page of this gateway has sent the form; programs that are no browser may."""
    site, origin = request.headers.get("Sec-Fetch-Site"), request.headers.get("Origin")
    if site is not None:
        return site in ("same-origin", "none")
    hosts = {request.host, urlsplit(current_app.config["PUBLIC_URL"]).netloc}
    return origin is None or origin.partition("://")[2] in hosts


def local(path: str) -> str:
    """A path to which a login may lead: one of the dashboard."""
    return path if _HERE.fullmatch(path) else "/orders"


def see(path: str) -> Response:
    """A redirect that a browser follows with GET."""
    response: Response = redirect(path, 303)  # type: ignore[assignment]
    response.headers["Cache-Control"] = "no-store"
    return response


def out(path: str) -> Response:
    """A redirect that takes the session's cookie away."""
    response = see(path)
    response.delete_cookie(cookie(), secure=is_https(), httponly=True, samesite="Lax")
    return response


def is_https() -> bool:
    """Whether browsers come by https."""
    return bool(current_app.config["PUBLIC_URL"].startswith("https:"))


def cookie() -> str:
    """The name of the session's cookie; over https no other host can set it."""
    return "__Host-orders" if is_https() else "orders"


def token() -> str:
    """The token of the browser's session, if it has one."""
    sent = request.cookies.get(cookie(), "")
    return sent if _TOKEN.fullmatch(sent) else ""


def session() -> str:
    """The authorization of the browser's session."""
    return f"Session {token()}"


def seal() -> str:
    """What the forms of this session carry."""
    return hmac.digest(token().encode(), b"forms of the dashboard", hashlib.sha256).hex()
