"""The dashboard: opticians log in, find their orders, review and submit them.

A logged-in user has a session of the orders service; its token is in a cookie and goes along
with every call. Each form carries a seal derived from that token, and forms from other sites are
refused. A second cookie, which opens nothing, marks the browser as one where its user has logged
in before. A search is posted, so that no patient's name is in a URL.
"""

import hashlib
import hmac
import re
from collections.abc import Mapping
from urllib.parse import urlsplit

from flask import Blueprint, Response, current_app, redirect, request, url_for

from chassis.errors import Failure, Forbidden
from chassis.status import Code
from gateway import backends
from gateway.backends import attempt, call, decode_error
from gateway.channel import RpcError
from gateway.pages import render_page
from gateway.pages.notation import to_datetime
from gateway.pages.orders_list import describe_filters, find_caller, read_filters
from gateway.pages.orders_sheet import Sheet, describe_status
from gateway.problems import answer_failure
from protos.orders_pb2 import (
    AcceptInvitationRequest,
    GetInvitationRequest,
    GetReviewRequest,
    LogInRequest,
    LogOutRequest,
    SearchOrdersRequest,
    SubmitOrderRequest,
)

bp = Blueprint("dashboard", __name__, url_prefix="/orders")
bp.context_processor(lambda: {"caller": lambda: find_caller(authorize())})  # asked as needed
ORDERS_PER_PAGE = 20
# The names of the cookies: of a session, and of a browser in which somebody has logged in before.
SESSION, DEVICE = "orders", "orders-device"
LOGIN_STATUS = {"TOO_MANY_ATTEMPTS": 429}
LOGIN_HEADERS = {429: {"Retry-After": "900"}}
LOGIN_ENDPOINT = "dashboard.show_login"
LOGIN_ACTION = "dashboard.log_in"
# Forms that carry a secret of their own.
UNSEALED_ENDPOINTS = frozenset({LOGIN_ACTION, "dashboard.accept_invitation"})
CURSORS = ("starting_after", "ending_before")
_TOKEN = re.compile(r"[A-Za-z0-9_-]{43}")
_DASHBOARD_PATH = re.compile(r"/orders(/ord_[0-9a-f]{24})?")


@bp.get("/login")
def show_login() -> Response:
    return render_login(request.args.get("next", ""), is_ready="ready" in request.args)


@bp.post("/login")
def log_in() -> Response:
    form, onward = request.form, restrict_path(request.form.get("next", ""))
    message = LogInRequest(
        email=form.get("email", "").strip(),
        password=form.get("password", ""),
        address=request.remote_addr or "",
        replaces=read_token(),
        device=read_token(DEVICE),
    )
    session = attempt(backends.dashboard().LogIn, message, Code.UNAUTHENTICATED, authorization="")
    if isinstance(session, Failure):
        return render_login(onward, session, message.email)
    response = redirect_to(onward)
    response.set_cookie(
        choose_cookie_name(),
        session.token,
        secure=is_https(),
        httponly=True,
        samesite="Lax",
    )
    response.set_cookie(
        choose_cookie_name(DEVICE),
        session.device,
        expires=session.device_expires,
        secure=is_https(),
        httponly=True,
        samesite="Lax",
    )
    return response


@bp.get("/invitations/<token>")
def show_invitation(token: str) -> Response:
    return render_invitation(token)


@bp.post("/invitations/<token>")
def accept_invitation(token: str) -> Response:
    password = request.form.get("password", "")
    if password != request.form.get("again", ""):
        return render_invitation(token, "The two passwords differ.")
    accepted = attempt(
        backends.dashboard().AcceptInvitation,
        AcceptInvitationRequest(token=token, password=password),
        Code.INVALID_ARGUMENT,
        authorization="",
    )
    if isinstance(accepted, Failure):
        return render_invitation(token, f"The password: {accepted.faults[0].message}")
    return redirect_to(url_for(LOGIN_ENDPOINT, ready=1))


@bp.post("/logout")
def log_out() -> Response:
    call(backends.dashboard().LogOut, LogOutRequest(), authorization=authorize())
    return redirect_logged_out(url_for(LOGIN_ENDPOINT))


@bp.get("")
@bp.post("")
def search_orders() -> Response:
    fields = request.form if request.method == "POST" else request.args
    return render_orders(fields, request.form.get("text", "").strip())


@bp.get("/<order_id>")
def get_review(order_id: str) -> Response:
    return render_review(order_id, is_submitted="sent" in request.args)


@bp.post("/<order_id>/submit")
def submit_order(order_id: str) -> Response:
    submitted = attempt(
        backends.orders().SubmitOrder,
        SubmitOrderRequest(
            order_id=order_id,
            acknowledged_warnings=request.form.getlist("acknowledged_warnings"),
        ),
        Code.INVALID_ARGUMENT,
        Code.FAILED_PRECONDITION,
        authorization=authorize(),
    )
    if isinstance(submitted, Failure) and submitted.code is Code.INVALID_ARGUMENT:
        return render_review(order_id, submitted)
    # An order that is no longer a draft is with the lab, and its page says so.
    return redirect_to(url_for("dashboard.get_review", order_id=order_id, sent=1))


def render_invitation(token: str, fault: str = "") -> Response:
    """Return the form in which an invited user sets a password; opening it changes nothing."""
    message = GetInvitationRequest(token=token)
    invitation = call(backends.dashboard().GetInvitation, message, authorization="")
    return render_page(
        "orders_invitation.html",
        422 if fault else 200,
        title="Set your password",
        headers={"Referrer-Policy": "no-referrer"},
        email=invitation.email,
        fault=fault,
    )


def render_login(
    onward: str, failure: Failure | None = None, email: str = "", *, is_ready: bool = False
) -> Response:
    """Return the login form, with the reason of a failed login."""
    status = 200 if failure is None else LOGIN_STATUS.get(failure.reason, 401)
    return render_page(
        "orders_login.html",
        status,
        headers=LOGIN_HEADERS.get(status),
        title="Log in",
        onward=restrict_path(onward),
        email=email,
        failure=failure,
        is_ready=is_ready,
    )


def render_orders(fields: Mapping[str, str], text: str) -> Response:
    """Return a page of orders: after a cursor, before one, or the first."""
    cursor = {name: fields[name] for name in CURSORS if fields.get(name)}
    filters = read_filters(fields)
    message = SearchOrdersRequest(text=text, limit=ORDERS_PER_PAGE, **cursor, **filters)
    found = call(backends.dashboard().SearchOrders, message, authorization=authorize())
    is_backward = "ending_before" in cursor
    has_newer = found.has_more if is_backward else bool(cursor)
    has_older = is_backward or found.has_more
    orders = found.data
    return render_page(
        "orders.html",
        title="Orders",
        seal=make_seal(),
        text=text,
        found=found,
        newer=orders[0].id if orders and has_newer else "",
        older=orders[-1].id if orders and has_older else "",
        is_first=not cursor,
        **describe_filters(filters, find_caller(authorize())),
        describe_status=describe_status,
        to_datetime=to_datetime,
    )


def render_review(
    order_id: str, failure: Failure | None = None, *, is_submitted: bool = False
) -> Response:
    """Return the review of an order; after a refused submit, with each fault beside its field."""
    message = GetReviewRequest(order_id=order_id)
    review = call(backends.dashboard().GetReview, message, authorization=authorize())
    faults = failure.faults if failure else ()
    return render_page(
        "orders_order.html",
        422 if failure else 200,
        title="Review of an order",
        seal=make_seal(),
        sheet=Sheet(review, [(fault.path, fault.message) for fault in faults]),
        is_submitted=is_submitted,
        to_datetime=to_datetime,
    )


@bp.before_request
def check_form() -> None:
    """Raise for a form that comes from another site or carries another session's seal."""
    if request.method != "POST":
        return
    needs_no_seal = request.endpoint in UNSEALED_ENDPOINTS or not read_token()
    is_sealed = hmac.compare_digest(request.form.get("seal", "").encode(), make_seal().encode())
    if not is_same_origin() or not (needs_no_seal or is_sealed):
        raise Forbidden(
            "This form is from another site, or its session has ended. "
            "Reload the page, and send it again."
        )


@bp.errorhandler(RpcError)
def answer_rpc_error(error: RpcError) -> Response:
    """Send users without a session to the login, which returns them to the requested page."""
    failure = decode_error(error)
    if failure.code is not Code.UNAUTHENTICATED:
        return answer_failure(failure)
    path = restrict_path(request.path.removesuffix("/submit"))
    return redirect_logged_out(url_for(LOGIN_ENDPOINT, next=None if path == "/orders" else path))


def is_same_origin() -> bool:
    """Return whether a page of this gateway sent the form; clients other than browsers may."""
    site, origin = request.headers.get("Sec-Fetch-Site"), request.headers.get("Origin")
    if site is not None:
        return site in ("same-origin", "none")
    hosts = {request.host, urlsplit(current_app.config["PUBLIC_URL"]).netloc}
    return origin is None or origin.partition("://")[2] in hosts


def restrict_path(path: str) -> str:
    """Return the path if it is one of the dashboard, to which a login may lead; else /orders."""
    return path if _DASHBOARD_PATH.fullmatch(path) else "/orders"


def redirect_to(path: str) -> Response:
    """Return a redirect that a browser follows with GET."""
    response: Response = redirect(path, 303)  # type: ignore[assignment]
    response.headers["Cache-Control"] = "no-store"
    return response


def redirect_logged_out(path: str) -> Response:
    """Return a redirect that removes the session's cookie."""
    response = redirect_to(path)
    response.delete_cookie(choose_cookie_name(), secure=is_https(), httponly=True, samesite="Lax")
    return response


def is_https() -> bool:
    """Return whether browsers come by https."""
    return bool(current_app.config["PUBLIC_URL"].startswith("https:"))


def choose_cookie_name(cookie: str = SESSION) -> str:
    """Return the name of a cookie; over https, one that no other host can set."""
    return f"__Host-{cookie}" if is_https() else cookie


def read_token(cookie: str = SESSION) -> str:
    """Return the token of the browser's session, or of the browser itself; '' if it has none."""
    token = request.cookies.get(choose_cookie_name(cookie), "")
    return token if _TOKEN.fullmatch(token) else ""


def authorize() -> str:
    """Return the authorization of the browser's session."""
    return f"Session {read_token()}"


def make_seal() -> str:
    """Return the seal that the forms of this session carry."""
    return hmac.digest(read_token().encode(), b"forms of the dashboard", hashlib.sha256).hex()
